// SPDX-License-Identifier: GPL-2.0-only
/* The status page; html.h has the idea. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/markup.h"
#include "view/html.h"

#define MIB	1048576.0

/* ---- fields ---- */

static const char *text(sd_json_variant *object, const char *name)
{
	sd_json_variant *v = object ? sd_json_variant_by_key(object, name) : NULL;

	return v && sd_json_variant_is_string(v) ? sd_json_variant_string(v) : "";
}

static uint64_t number(sd_json_variant *object, const char *name)
{
	sd_json_variant *v = object ? sd_json_variant_by_key(object, name) : NULL;

	return v && sd_json_variant_is_unsigned(v) ? sd_json_variant_unsigned(v) : 0;
}

static bool is_true(sd_json_variant *object, const char *name)
{
	sd_json_variant *v = object ? sd_json_variant_by_key(object, name) : NULL;

	return v && sd_json_variant_is_boolean(v) && sd_json_variant_boolean(v);
}

static size_t elements(sd_json_variant *list)
{
	return list && sd_json_variant_is_array(list) ? sd_json_variant_elements(list) : 0;
}

/* ---- what's so now ---- */

static void put_row(FILE *out, const char *head, const char *id, const char *value)
{
	fprintf(out, "<tr><th>%s</th><td id=\"%s\">", head, id);
	kho_markup_escape(out, value);
	fputs("</td></tr>\n", out);
}

static void put_number_row(FILE *out, const char *head, const char *id, uint64_t value)
{
	char shown[24];

	snprintf(shown, sizeof(shown), "%" PRIu64, value);
	put_row(out, head, id, shown);
}

static void put_state(FILE *out, sd_json_variant *state)
{
	sd_json_variant *upgrade = state ? sd_json_variant_by_key(state, "upgrade") : NULL;
	sd_json_variant *move = state ? sd_json_variant_by_key(state, "move") : NULL;
	char shown[64];

	snprintf(shown, sizeof(shown), "%.40s%s", upgrade ? text(upgrade, "state") : "none",
		 is_true(upgrade, "held") ? ", held" : "");
	fputs("<table class=\"now\">\n", out);
	put_row(out, "kernel", "release", text(state, "release"));
	put_row(out, "booted", "role", text(state, "role"));
	put_row(out, "phase", "phase", text(state, "phase"));
	put_row(out, "upgrade", "upgrade", shown);
	put_row(out, "step", "step", is_true(state, "over") ? "" : text(move, "step"));
	put_row(out, "other kernel", "peerState", text(state, "peerState"));
	put_row(out, "its release", "peerRelease", text(state, "peerRelease"));
	put_row(out, "agents talk", "connected", is_true(state, "connected") ? "yes" : "no");
	put_number_row(out, "CPUs online", "onlineCpus", number(state, "onlineCpus"));
	put_number_row(out, "CPUs lent", "lentCpus", number(state, "lentCpus"));
	put_row(out, "last failure", "message", text(state, "message"));
	fputs("</table>\n", out);
}

static void put_cell(FILE *out, const char *value)
{
	fputs("<td>", out);
	kho_markup_escape(out, value);
	fputs("</td>", out);
}

/* Nothing for 0, which is what isn't known. */
static void put_amount(FILE *out, uint64_t value, double by, const char *unit)
{
	fputs("<td class=\"n\">", out);
	if (value && by > 1)
		fprintf(out, "%.1f%s", (double)value / by, unit);
	else if (value)
		fprintf(out, "%" PRIu64 "%s", value, unit);
	fputs("</td>", out);
}

static void put_workloads(FILE *out, sd_json_variant *state)
{
	sd_json_variant *move = state ? sd_json_variant_by_key(state, "move") : NULL;
	sd_json_variant *list = move ? sd_json_variant_by_key(move, "workloads") : NULL;

	fputs("<h2>Workloads of the move</h2>\n<table><thead><tr><th>name</th><th>state</th>"
	      "<th class=\"n\">rounds</th><th class=\"n\">copied</th><th class=\"n\">written</th>"
	      "<th class=\"n\">predicted</th><th class=\"n\">frozen</th></tr>"
	      "</thead>\n<tbody id=\"workloads\">\n", out);
	for (size_t i = 0; i < elements(list); i++) {
		sd_json_variant *w = sd_json_variant_by_index(list, i);

		fputs("<tr>", out);
		put_cell(out, text(w, "name"));
		put_cell(out, text(w, "state"));
		put_amount(out, number(w, "rounds"), 1, "");
		put_amount(out, number(w, "bytes"), MIB, " MiB");
		put_amount(out, number(w, "dirtyBytesPerSec"), MIB, " MiB/s");
		put_amount(out, number(w, "predictedMs"), 1, " ms");
		put_amount(out, number(w, "frozenMs"), 1, " ms");
		fputs("</tr>\n", out);
	}
	fputs("</tbody></table>\n", out);
}

static void put_time(FILE *out, uint64_t ms, bool with_date)
{
	time_t seconds = (time_t)(ms / 1000);
	char shown[40] = "";
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		return;
	if (with_date)
		strftime(shown, sizeof(shown), "%F %T UTC", &tm);
	else
		strftime(shown, sizeof(shown), "%T ", &tm);
	fputs(shown, out);
}

static void put_log(FILE *out, sd_json_variant *state)
{
	sd_json_variant *lines = state ? sd_json_variant_by_key(state, "log") : NULL;

	fputs("<h2>Log</h2>\n<pre id=\"log\">", out);
	for (size_t i = 0; i < elements(lines); i++) {
		sd_json_variant *line = sd_json_variant_by_index(lines, i);

		put_time(out, number(line, "ms"), false);
		kho_markup_escape(out, text(line, "text"));
		fputc('\n', out);
	}
	fputs("</pre>\n", out);
}

/* ---- what was ---- */

static void put_entry(FILE *out, sd_json_variant *entry)
{
	uint64_t began = number(entry, "began_ms"), ended = number(entry, "ended_ms");

	fputs("<tr><td>", out);
	put_time(out, began, true);
	fputs("</td>", out);
	put_cell(out, text(entry, "old_release"));
	put_cell(out, text(entry, "new_release"));
	put_amount(out, ended > began ? ended - began : 0, 1000, " s");
	put_cell(out, text(entry, "result"));
	fputs("<td><a href=\"/upgrade/", out);
	kho_markup_escape(out, text(entry, "id"));
	fputs(".svg\">picture</a></td></tr>\n", out);
}

static void put_history(FILE *out, sd_json_variant *history)
{
	fputs("<h2>Upgrades that are over</h2>\n<table><thead><tr><th>began</th><th>from</th>"
	      "<th>to</th><th class=\"n\">took</th><th>result</th><th></th></tr></thead>\n"
	      "<tbody>\n", out);
	for (size_t i = 0; i < elements(history); i++)
		put_entry(out, sd_json_variant_by_index(history, i));
	if (!elements(history))
		fputs("<tr><td>none yet</td></tr>\n", out);
	fputs("</tbody></table>\n", out);
}

/* ---- the whole ---- */

int kho_html_page(sd_json_variant *state, sd_json_variant *history, char **ret)
{
	size_t size;
	char *page = NULL;
	FILE *out = open_memstream(&page, &size);
	bool failed;

	if (!out)
		return -ENOMEM;
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	      "<title>Live kernel upgrades</title>\n"
	      "<meta name=\"viewport\" content=\"width=device-width\">\n"
	      "<link rel=\"stylesheet\" href=\"/page.css\">\n"
	      "<script src=\"/page.js\" defer></script></head>\n<body>\n"
	      "<h1>Live kernel upgrades <small id=\"live\"></small></h1>\n", out);
	put_state(out, state);
	put_workloads(out, state);
	put_log(out, state);
	put_history(out, history);
	fputs("</body></html>\n", out);
	failed = ferror(out);
	if (fclose(out) != 0 || failed) {
		free(page);
		return -ENOMEM;
	}
	*ret = page;
	return 0;
}

int kho_html_event(sd_json_variant *state, char **ret)
{
	_cleanup_free_ char *json = NULL;

	if (sd_json_variant_format(state, 0, &json) < 0)
		return -ENOMEM;
	/* one line, as JSON is that isn't made to be read */
	return asprintf(ret, "data: %s\n\n", json) < 0 ? -ENOMEM : 0;
}
