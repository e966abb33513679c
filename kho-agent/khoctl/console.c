// SPDX-License-Identifier: GPL-2.0-only
/* khoctl console, dmesg, bench: looking into the spawned kernel. */
#include <getopt.h>
#include <stdio.h>

#include "api/api.h"
#include "base/bits.h"
#include "base/cleanup.h"
#include "khoctl/khoctl.h"

static unsigned long long number(sd_json_variant *answer, const char *name)
{
	return kho_field_number(answer, name);
}

static void print_text(sd_json_variant *parameters)
{
	const char *text = kho_field_text(parameters, "text");

	if (text)
		fputs(text, stdout);
	fflush(stdout);
}

static int type(const char *text)
{
	struct kho_call call = { .method = KHO_API_METHOD("Input") };
	int r;

	if (sd_json_buildo(&call.parameters, SD_JSON_BUILD_PAIR_STRING("text", text)) < 0)
		return KHO_EXIT_FAILED;
	r = kho_call(&call, NULL);
	return r == KHO_EXIT_OK ? kho_done() : r;
}

static int show(struct kho_call *call)
{
	_cleanup_variant_ sd_json_variant *answer = NULL;
	int r = kho_call(call, &answer);

	if (r == KHO_EXIT_OK && arg_json)
		kho_print_json(answer);
	else if (r == KHO_EXIT_OK)
		print_text(answer);
	return r;
}

static const struct option options[] = {
	{ "follow", no_argument, NULL, 'f' },
	{ "type", required_argument, NULL, 't' },
	{}
};

int verb_console(int argc, char **argv)
{
	struct kho_call call = { .method = KHO_API_METHOD("Console") };
	bool follow = false;
	int option, r;

	while ((option = getopt_long(argc, argv, "f", options, NULL)) != -1) {
		if (option == 't')
			return type(optarg);
		if (option != 'f')
			return KHO_EXIT_USAGE;
		follow = true;
	}
	r = sd_json_buildo(&call.parameters, SD_JSON_BUILD_PAIR_BOOLEAN("follow", follow));
	if (r < 0)
		return KHO_EXIT_FAILED;
	if (follow)
		call.progress = arg_json ? kho_print_json : print_text;
	return show(&call);
}

int verb_dmesg(int argc, char **argv)
{
	struct kho_call call = { .method = KHO_API_METHOD("Dmesg") };

	if (argc != 1)
		return kho_usage_error("%s takes no argument", argv[0]);
	return show(&call);
}

static void print_bench(sd_json_variant *answer)
{
	printf("round trip %llu us, bulk %llu MiB/s, with CRC %llu MiB/s, memcpy %llu MiB/s\n",
	       number(answer, "roundTripNs") / 1000,
	       number(answer, "bulkBytesPerSec") / KHO_MIB,
	       number(answer, "bulkCrcBytesPerSec") / KHO_MIB,
	       number(answer, "memcpyBytesPerSec") / KHO_MIB);
}

int verb_bench(int argc, char **argv)
{
	struct kho_call call = { .method = KHO_API_METHOD("Bench") };

	return kho_show_without_arguments(argc, argv, &call, NULL, print_bench);
}
