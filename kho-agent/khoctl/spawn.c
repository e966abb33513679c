// SPDX-License-Identifier: GPL-2.0-only
/* khoctl spawn, upgrade, reclaim, retire: the life of a spawned kernel. */
#include <getopt.h>
#include <stdlib.h>
#include <stdio.h>

#include "api/api.h"
#include "base/parse.h"
#include "khoctl/khoctl.h"

struct spawn_options {
	const char *image;
	const char *cpus;
	const char *blocks;
	const char *append;
	uint64_t memory;
	uint64_t timeout;
	bool force;
};

static const struct option spawn_long_options[] = {
	{ "cpus", required_argument, NULL, 'c' },
	{ "memory", required_argument, NULL, 'm' },
	{ "blocks", required_argument, NULL, 'b' },
	{ "append", required_argument, NULL, 'a' },
	{ "timeout", required_argument, NULL, 't' },
	{ "force", no_argument, NULL, 'f' },
	{ "json", no_argument, NULL, 'j' },
	{}
};

static int parse_option(int option, struct spawn_options *opts)
{
	struct kho_err err;

	switch (option) {
	case 'c':
		opts->cpus = optarg;
		return 0;
	case 'b':
		opts->blocks = optarg;
		return 0;
	case 'a':
		opts->append = optarg;
		return 0;
	case 'j':
		arg_json = true;
		return 0;
	case 'f':
		opts->force = true;
		return 0;
	case 'm':
		if (kho_parse_size(optarg, &opts->memory, &err) < 0)
			return kho_usage_error("--memory: %s", err.msg);
		return 0;
	case 't':
		if (kho_parse_u64(optarg, &opts->timeout, &err) < 0)
			return kho_usage_error("--timeout: %s", err.msg);
		return 0;
	default:
		return KHO_EXIT_USAGE;
	}
}

static int parse_spawn(int argc, char **argv, struct spawn_options *opts)
{
	int option, r;

	while ((option = getopt_long(argc, argv, "", spawn_long_options, NULL)) != -1) {
		r = parse_option(option, opts);
		if (r)
			return r;
	}
	if (optind != argc - 1)
		return kho_usage_error("one target image is needed");
	opts->image = argv[optind];
	return 0;
}

static sd_json_variant *spawn_parameters(const struct spawn_options *opts)
{
	__attribute__((cleanup(sd_json_variant_unrefp))) sd_json_variant *v = NULL;
	char *image = realpath(opts->image, NULL);
	int r;

	r = sd_json_buildo(
		&v,
		SD_JSON_BUILD_PAIR_STRING("image", image ?: opts->image),
		SD_JSON_BUILD_PAIR_CONDITION(!!opts->cpus, "cpus", SD_JSON_BUILD_STRING(opts->cpus)),
		SD_JSON_BUILD_PAIR_CONDITION(!!opts->blocks, "blocks",
					     SD_JSON_BUILD_STRING(opts->blocks)),
		SD_JSON_BUILD_PAIR_CONDITION(!!opts->append, "commandLine",
					     SD_JSON_BUILD_STRING(opts->append)),
		SD_JSON_BUILD_PAIR_CONDITION(!!opts->memory, "memoryBytes",
					     SD_JSON_BUILD_UNSIGNED(opts->memory)),
		SD_JSON_BUILD_PAIR_CONDITION(!!opts->timeout, "timeoutSec",
					     SD_JSON_BUILD_UNSIGNED(opts->timeout)),
		SD_JSON_BUILD_PAIR_CONDITION(opts->force, "force", SD_JSON_BUILD_BOOLEAN(true)));
	free(image);
	return r < 0 ? NULL : sd_json_variant_ref(v);
}

int verb_spawn(int argc, char **argv)
{
	struct spawn_options opts = {};
	struct kho_call call = {
		.method = KHO_API_METHOD("Spawn"),
		.progress = kho_show_progress,
	};
	int r = parse_spawn(argc, argv, &opts);

	if (r)
		return r;
	call.parameters = spawn_parameters(&opts);
	return kho_call_and_print(&call);
}

static int no_arguments(int argc, char **argv)
{
	return argc == 1 ? 0 : kho_usage_error("%s takes no argument", argv[0]);
}

int verb_reclaim(int argc, char **argv)
{
	struct kho_call call = { .method = KHO_API_METHOD("Reclaim") };
	int r = no_arguments(argc, argv);

	return r ?: kho_call_and_print(&call);
}

int verb_rollback(int argc, char **argv)
{
	struct kho_call call = {
		.method = KHO_API_METHOD("Rollback"),
		.progress = kho_show_progress,
	};
	int r = no_arguments(argc, argv);

	return r ?: kho_call_and_print(&call);
}

int verb_failover(int argc, char **argv)
{
	struct kho_call call = {
		.method = KHO_API_METHOD("Failover"),
		.progress = kho_show_progress,
	};
	int r = no_arguments(argc, argv);

	return r ?: kho_call_and_print(&call);
}

int verb_retire(int argc, char **argv)
{
	struct kho_call call = {
		.method = KHO_API_METHOD("Retire"),
		.progress = kho_show_progress,
	};
	int r = no_arguments(argc, argv);

	return r ?: kho_call_and_print(&call);
}

int verb_upgrade(int argc, char **argv)
{
	char *retire[] = { (char[]){ "retire" }, NULL };
	int r = verb_spawn(argc, argv);

	return r ?: verb_retire(1, retire);
}
