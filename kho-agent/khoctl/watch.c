// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl watch: what's under way, as it changes. Full-screen on a terminal (watch_screen.c),
 * otherwise lines, one a change. It only looks: to end it stops nothing.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/cleanup.h"
#include "khoctl/watch.h"
#include "view/view.h"

static struct kho_view shown;

int kho_watch_parameters(bool until_over, sd_json_variant **ret)
{
	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_BOOLEAN("untilOver", until_over));
}

int kho_watch_outcome(sd_json_variant *last)
{
	const char *message = kho_field_text(last, "message");

	if (!message || !*message)
		return KHO_EXIT_OK;
	fprintf(stderr, "khoctl: %s\n", message);
	return KHO_EXIT_FAILED;
}

/* ---- lines ---- */

static void show_lines(sd_json_variant *message)
{
	static struct kho_view before;

	before = shown;
	kho_view_update(&shown, message);
	kho_view_describe(&before, &shown, stdout);
	fflush(stdout);
}

static int watch_lines(bool until_over)
{
	_cleanup_variant_ sd_json_variant *last = NULL;
	struct kho_call call = {
		.method = KHO_API_METHOD("Status"),
		.progress = arg_json ? kho_print_json : show_lines,
	};
	int r;

	if (kho_watch_parameters(until_over, &call.parameters) < 0)
		return KHO_EXIT_FAILED;
	r = kho_call(&call, &last);
	if (r != KHO_EXIT_OK)
		return r;
	call.progress(last);
	return kho_watch_outcome(last);
}

/* ---- the verb ---- */

static const struct option options[] = {
	{ "until-over", no_argument, NULL, 'u' },
	{}
};

static bool has_screen(void)
{
	const char *term = getenv("TERM");

	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term &&
	       strcmp(term, "dumb") != 0;
}

int verb_watch(int argc, char **argv)
{
	bool until_over = false;
	int option, r = -ENOTTY;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'u')
			return KHO_EXIT_USAGE;
		until_over = true;
	}
	if (optind != argc)
		return kho_usage_error("%s takes no argument", argv[0]);
	if (!arg_json && has_screen())
		r = kho_watch_screen(until_over);
	return r < 0 ? watch_lines(until_over) : r;
}
