// SPDX-License-Identifier: GPL-2.0-only
/* khoctl history and show: upgrades that are over. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/api.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "khoctl/khoctl.h"
#include "timeline/timeline.h"

#define TIME_SIZE	32
#define ID_SHOWN	8
#define FILE_MAX	(4u << 20)

/* In local time, as "2026-11-26 01:40:33". */
static void format_time(uint64_t ms, char ret[TIME_SIZE])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	ret[0] = '\0';
	if (localtime_r(&seconds, &tm))
		strftime(ret, TIME_SIZE, "%F %T", &tm);
}

static unsigned long long seconds_of(sd_json_variant *upgrade)
{
	uint64_t began = kho_field_number(upgrade, "began_ms");
	uint64_t ended = kho_field_number(upgrade, "ended_ms");

	return ended > began ? (ended - began) / 1000 : 0;
}

static void print_line(sd_json_variant *upgrade)
{
	char began[TIME_SIZE];

	format_time(kho_field_number(upgrade, "began_ms"), began);
	printf("%-10.*s %-20s %5llu s  %s -> %s  %s\n", ID_SHOWN, kho_field_text(upgrade, "id"),
	       began, seconds_of(upgrade), kho_field_text(upgrade, "old_release") ?: "?",
	       kho_field_text(upgrade, "new_release") ?: "?",
	       kho_field_text(upgrade, "result") ?: "?");
}

static void print_lines(sd_json_variant *answer)
{
	kho_print_each(answer, "upgrades", print_line);
}

int verb_history(int argc, char **argv)
{
	struct kho_call call = { .method = KHO_API_METHOD("History") };

	return kho_show_without_arguments(argc, argv, &call, NULL, print_lines);
}

static void print_phase(sd_json_variant *phase)
{
	printf("  %-14s at %8llu ms for %8llu ms\n", kho_field_text(phase, "name") ?: "?",
	       (unsigned long long)kho_field_number(phase, "start_ms"),
	       (unsigned long long)kho_field_number(phase, "duration_ms"));
}

static void print_all(sd_json_variant *upgrade)
{
	sd_json_variant *move = sd_json_variant_by_key(upgrade, "move");
	char began[TIME_SIZE];

	format_time(kho_field_number(upgrade, "began_ms"), began);
	printf("upgrade: %s\nresult: %s\nbegan: %s, by %s\nimage: %s\nkernels: %s to %s\n",
	       kho_field_text(upgrade, "id"), kho_field_text(upgrade, "result") ?: "?", began,
	       kho_field_text(upgrade, "by") ?: "?", kho_field_text(upgrade, "image") ?: "?",
	       kho_field_text(upgrade, "old_release") ?: "?",
	       kho_field_text(upgrade, "new_release") ?: "?");
	kho_print_each(upgrade, "phases", print_phase);
	if (!move)
		return;
	puts("move:");
	kho_print_report(move);
}

/* ---- as a picture ---- */

static const char *arg_file, *arg_client;
static bool arg_svg;

static const struct option show_options[] = {
	{ "svg", no_argument, NULL, 's' },
	{ "file", required_argument, NULL, 'f' },
	{ "client", required_argument, NULL, 'c' },
	{}
};

static int parse_show_options(int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "", show_options, NULL)) != -1) {
		if (option == 's')
			arg_svg = true;
		else if (option == 'f')
			arg_file = optarg;
		else if (option == 'c')
			arg_client = optarg;
		else
			return -EINVAL;
	}
	return 0;
}

static int read_json(const char *path, sd_json_variant **ret)
{
	_cleanup_free_ char *text = NULL;
	struct kho_err err;
	int r = kho_file_read(strcmp(path, "-") == 0 ? "/dev/stdin" : path, FILE_MAX, &text, NULL, &err);

	if (r >= 0 && sd_json_parse(text, 0, ret, NULL, NULL) < 0)
		r = kho_fail(&err, -EBADMSG, "%s isn't JSON; give what khoctl --json show or report "
			     "printed", path);
	return r < 0 ? kho_report(&err) : KHO_EXIT_OK;
}

/* Errors are told, since it may be called for a call's answer. */
static int draw(sd_json_variant *upgrade)
{
	_cleanup_variant_ sd_json_variant *client = NULL;
	_cleanup_free_ struct kho_timeline *timeline = calloc(1, sizeof(*timeline));
	_cleanup_free_ char *svg = NULL;
	struct kho_err err;
	int r = arg_client ? read_json(arg_client, &client) : KHO_EXIT_OK;

	if (r != KHO_EXIT_OK)
		return r;
	r = timeline ? kho_timeline_parse(upgrade, client, timeline, &err) : -ENOMEM;
	if (r == -EBADMSG)
		return kho_report(&err);
	if (r < 0 || kho_timeline_draw(timeline, &svg) < 0)
		return KHO_EXIT_FAILED;
	fputs(svg, stdout);
	return KHO_EXIT_OK;
}

static int show_file(void)
{
	_cleanup_variant_ sd_json_variant *upgrade = NULL;
	int r = read_json(arg_file, &upgrade);

	if (r != KHO_EXIT_OK)
		return r;
	if (arg_svg)
		return draw(upgrade);
	if (arg_json)
		kho_print_json(upgrade);
	else
		print_all(upgrade);
	return KHO_EXIT_OK;
}

static int draw_answer(struct kho_call *call)
{
	_cleanup_variant_ sd_json_variant *answer = NULL;
	int r = kho_call(call, &answer);

	return r == KHO_EXIT_OK ? draw(sd_json_variant_by_key(answer, "upgrade")) : r;
}

int verb_show(int argc, char **argv)
{
	struct kho_call call = { .method = KHO_API_METHOD("Show") };

	if (parse_show_options(argc, argv) < 0)
		return KHO_EXIT_USAGE;
	if (arg_client && !arg_svg)
		return kho_usage_error("--client= is for --svg");
	if (arg_json && arg_svg)
		return kho_usage_error("--svg is a picture, which isn't JSON");
	if (arg_file && optind == argc)
		return show_file();
	if (arg_file || optind + 1 != argc)
		return kho_usage_error("show takes the id of an upgrade, or the beginning of it, or "
				       "--file=FILE");
	if (sd_json_buildo(&call.parameters, SD_JSON_BUILD_PAIR_STRING("id", argv[optind])) < 0)
		return KHO_EXIT_FAILED;
	return arg_svg ? draw_answer(&call) : kho_call_and_show(&call, "upgrade", print_all);
}
