// SPDX-License-Identifier: GPL-2.0-only
/* khoctl history and show: upgrades that are over. */
#include <stdio.h>
#include <time.h>

#include "api/api.h"
#include "khoctl/khoctl.h"

#define TIME_SIZE	32
#define ID_SHOWN	8

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

int verb_show(int argc, char **argv)
{
	struct kho_call call = { .method = KHO_API_METHOD("Show") };

	if (argc != 2)
		return kho_usage_error("show takes the id of an upgrade, or the beginning of it");
	if (sd_json_buildo(&call.parameters, SD_JSON_BUILD_PAIR_STRING("id", argv[1])) < 0)
		return KHO_EXIT_FAILED;
	return kho_call_and_show(&call, "upgrade", print_all);
}
