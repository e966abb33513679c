// SPDX-License-Identifier: GPL-2.0-only
/*
 * The picture of an upgrade: each recorded event is a bar whose geometry is its times, to
 * the millisecond; nothing else is a bar; texts are escaped; damaged reports are survived.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/unit/fake_metrics.h"
#include "tests/unit/run.h"
#include "timeline/timeline.h"
#include "unit/golden.h"

#define BARS	256

/* A bar as it's drawn, on the axis of the recording. */
struct bar {
	char plot[16], kind[16], name[48];
	uint64_t start_ms, end_ms;
	bool found;
};

static struct bar bars[BARS];
static unsigned int nr_bars;

static sd_json_variant *parse(const char *text)
{
	sd_json_variant *v = NULL;

	ck_assert_msg(sd_json_parse(text, 0, &v, NULL, NULL) >= 0, "%s", text);
	return v;
}

static char *draw(sd_json_variant *upgrade, sd_json_variant *client)
{
	static struct kho_timeline timeline;
	struct kho_err err = {};
	char *svg = NULL;

	ck_assert_msg(kho_timeline_parse(upgrade, client, &timeline, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(kho_timeline_draw(&timeline, &svg), 0);
	return svg;
}

/* Of the text: the unit of each bar's x is a ms only if its viewBox is as long as its plot. */
static void read_bars(char *svg)
{
	uint64_t begin = 0, end = 0, box, x, width;
	char plot[16] = "", *line, *rest = svg;

	nr_bars = 0;
	while ((line = strsep(&rest, "\n"))) {
		struct bar *bar = &bars[nr_bars];
		const char *at;

		if (sscanf(line, "<g class=\"plot\" id=\"%15[a-z]\" data-begin=\"%" SCNu64 "\" data-end=\"%"
			   SCNu64, plot, &begin, &end) == 3)
			continue;
		at = strstr(line, "<rect class=");
		if (!at)
			continue;
		ck_assert_int_lt(nr_bars, BARS);
		ck_assert_int_eq(sscanf(strstr(line, "viewBox="), "viewBox=\"0 0 %" SCNu64, &box), 1);
		ck_assert_uint_eq(box, end - begin);
		ck_assert_int_eq(sscanf(at, "<rect class=\"%15[a-z-]\" data-name=\"%47[^\"]\" x=\"%" SCNu64
					"\" width=\"%" SCNu64 "\"", bar->kind, bar->name, &x, &width), 4);
		snprintf(bar->plot, sizeof(bar->plot), "%s", plot);
		bar->start_ms = begin + x;
		bar->end_ms = begin + x + width;
		bar->found = false;
		nr_bars++;
	}
}

/* There's one such bar that wasn't asked for yet. */
static void expect(const char *plot, const char *kind, const char *name, uint64_t start,
		   uint64_t duration)
{
	for (unsigned int i = 0; i < nr_bars; i++) {
		struct bar *bar = &bars[i];

		if (bar->found || strcmp(bar->plot, plot) != 0 || strcmp(bar->kind, kind) != 0 ||
		    strcmp(bar->name, name) != 0 || bar->start_ms != start ||
		    bar->end_ms != start + duration)
			continue;
		bar->found = true;
		return;
	}
	ck_abort_msg("no bar %s %s %s at %" PRIu64 " for %" PRIu64, plot, kind, name, start, duration);
}

static void expect_no_more(void)
{
	for (unsigned int i = 0; i < nr_bars; i++)
		ck_assert_msg(bars[i].found, "a bar too many: %s %s %s", bars[i].plot, bars[i].kind,
			      bars[i].name);
}

static uint64_t number(sd_json_variant *v, const char *name)
{
	return sd_json_variant_unsigned(sd_json_variant_by_key(v, name));
}

static const char *name_of(sd_json_variant *v)
{
	return sd_json_variant_string(sd_json_variant_by_key(v, "name"));
}

static void expect_spans(sd_json_variant *list, const char *plot, const char *kind,
			 const char *before, uint64_t shift)
{
	char name[64];

	for (size_t i = 0; i < sd_json_variant_elements(list); i++) {
		sd_json_variant *v = sd_json_variant_by_index(list, i);

		snprintf(name, sizeof(name), "%s%s", before, name_of(v));
		expect(plot, kind, name, number(v, "start_ms") + shift, number(v, "duration_ms"));
	}
}

static void expect_workloads(sd_json_variant *list, uint64_t shift)
{
	char name[64];

	for (size_t i = 0; i < sd_json_variant_elements(list); i++) {
		sd_json_variant *w = sd_json_variant_by_index(list, i);
		sd_json_variant *starts = sd_json_variant_by_key(w, "round_start_ms");
		sd_json_variant *times = sd_json_variant_by_key(w, "round_ms");

		if (!starts)
			continue;
		for (size_t n = 0; n < sd_json_variant_elements(starts); n++)
			expect("workloads", "round", name_of(w), shift +
			       sd_json_variant_unsigned(sd_json_variant_by_index(starts, n)),
			       sd_json_variant_unsigned(sd_json_variant_by_index(times, n)));
		expect("workloads", "frozen", name_of(w), number(w, "frozen_start_ms") + shift,
		       number(w, "frozen_ms"));
		snprintf(name, sizeof(name), "%s frozen", name_of(w));
		expect("switch", "frozen", name, number(w, "frozen_start_ms") + shift,
		       number(w, "frozen_ms"));
	}
}

static void expect_steps(sd_json_variant *steps, uint64_t shift)
{
	static const char *const things[] = {
		"address", "arm", "expect", "sync", "hold", "mute", "release", "take", "keep", "announce",
		"forward", "forget",
	};
	bool waits = false;

	for (size_t i = 0; i < sd_json_variant_elements(steps); i++) {
		sd_json_variant *v = sd_json_variant_by_index(steps, i);
		uint64_t start = number(v, "start_ms") + shift, duration = number(v, "duration_ms");

		waits = (waits || strcmp(name_of(v), "hold") == 0) && strcmp(name_of(v), "settle") != 0;
		if (waits)
			expect("switch", "step", name_of(v), start, duration);
		for (size_t n = 0; n < sizeof(things) / sizeof(things[0]); n++)
			if (strcmp(things[n], name_of(v)) == 0)
				expect("workloads", "thing", name_of(v), start, duration);
	}
}

/* An entry: the move began 22548 ms after the upgrade, 3 ms after the state was entered. */
START_TEST(test_geometry)
{
	_cleanup_variant_ sd_json_variant *entry = fake_entry("committed.json"), *client = NULL;
	sd_json_variant *move = sd_json_variant_by_key(entry, "move");
	_cleanup_free_ char *svg = NULL;

	client = parse("{\"blackout_start_ms\":52660,\"longest_gap_ms\":1415.6,\"kept\":20,\"opened\":20,"
		       "\"sent\":900,\"answered\":900}");
	svg = draw(entry, _i ? client : NULL);
	ck_assert_int_eq(!!strstr(svg, "20 of 20 connections kept"), _i);
	read_bars(svg);
	expect_spans(sd_json_variant_by_key(entry, "phases"), "phases", "phase", "", 0);
	expect_spans(sd_json_variant_by_key(move, "phases"), "phases", "move-phase", "\xc2\xb7 ", 22548);
	expect_steps(sd_json_variant_by_key(move, "steps"), 22548);
	expect_workloads(sd_json_variant_by_key(move, "workloads"), 22548);
	if (_i)
		expect("switch", "client", "longest gap", 52660, 1416);
	expect_no_more();
}
END_TEST

/* A report by itself: its own axis. */
START_TEST(test_report)
{
	_cleanup_variant_ sd_json_variant *entry = fake_entry("committed.json");
	sd_json_variant *move = sd_json_variant_by_key(entry, "move");
	_cleanup_free_ char *svg = draw(move, NULL);

	read_bars(svg);
	expect_spans(sd_json_variant_by_key(move, "phases"), "phases", "phase", "", 0);
	expect_steps(sd_json_variant_by_key(move, "steps"), 0);
	expect_workloads(sd_json_variant_by_key(move, "workloads"), 0);
	expect_no_more();
}
END_TEST

/* One of an agent that didn't record when: it's known by the steps, or not drawn. */
START_TEST(test_old_report)
{
	_cleanup_variant_ sd_json_variant *entry = fake_entry("rolled-back.json");
	_cleanup_free_ char *svg = draw(entry, NULL);

	read_bars(svg);
	expect_spans(sd_json_variant_by_key(entry, "phases"), "phases", "phase", "", 0);
	expect("phases", "move-phase", "\xc2\xb7 switch", 20100, 80);
	expect("switch", "step", "freeze", 20100, 2);
	expect("switch", "step", "resume", 20150, 30);
	expect("switch", "frozen", "nginx frozen", 20100, 50);
	expect("workloads", "frozen", "nginx", 20100, 50);
	expect_no_more();
}
END_TEST

START_TEST(test_golden)
{
	_cleanup_variant_ sd_json_variant *entry = fake_entry("committed.json");
	_cleanup_free_ char *svg = draw(entry, NULL);

	golden_compare("timeline.svg", svg, strlen(svg));
}
END_TEST

START_TEST(test_escaping)
{
	_cleanup_variant_ sd_json_variant *v = parse(
		"{\"old_release\":\"<script>\",\"new_release\":\"a&b\",\"result\":\"\\\"'\\u0001\","
		"\"phases\":[{\"name\":\"<x y='1'>\",\"start_ms\":0,\"duration_ms\":5}]}");
	_cleanup_free_ char *svg = draw(v, NULL);

	ck_assert_ptr_null(strstr(svg, "<script"));
	ck_assert_ptr_null(strstr(svg, "<x"));
	ck_assert_ptr_nonnull(strstr(svg, "Linux &#60;script&#62; to a&#38;b: &#34;&#39;?"));
}
END_TEST

static const struct {
	const char *text;
	int r;
	unsigned int bars;
} hostile[] = {
	{ "{}", -EBADMSG, 0 },
	{ "[1]", -EBADMSG, 0 },
	{ "{\"phases\":[]}", -EBADMSG, 0 },
	{ "{\"phases\":7}", -EBADMSG, 0 },
	{ "{\"phases\":[{\"name\":\"a\",\"start_ms\":-1,\"duration_ms\":1}]}", -EBADMSG, 0 },
	{ "{\"phases\":[{\"name\":\"a\",\"start_ms\":1e300,\"duration_ms\":1}]}", -EBADMSG, 0 },
	{ "{\"phases\":[{\"name\":\"a\",\"start_ms\":0,\"duration_ms\":0}]}", 0, 1 },
	{ "{\"phases\":[{\"name\":\"a\",\"start_ms\":2592000000,\"duration_ms\":2592000000}]}", 0, 1 },
	{ "{\"phases\":[{\"name\":\"a\",\"start_ms\":5,\"duration_ms\":5}],\"steps\":[{\"name\":\"dump\","
	  "\"start_ms\":2591999999,\"duration_ms\":1}]}", 0, 2 },
	{ "{\"phases\":[{\"name\":\"a\",\"start_ms\":5,\"duration_ms\":5}],\"workloads\":[1,{},{\"name\":2,"
	  "\"round_ms\":[1,2],\"round_start_ms\":[1],\"round_bytes\":\"x\"}]}", 0, 1 },
	{ "{\"id\":\"x\",\"began_ms\":50,\"phases\":[{\"name\":\"move\",\"start_ms\":5,\"duration_ms\":5}],"
	  "\"move\":{\"began_ms\":7,\"phases\":[{\"name\":\"s\",\"start_ms\":1,\"duration_ms\":1}]}}", 0, 2 },
	{ "{\"phases\":[{\"name\":\"a\",\"start_ms\":5,\"duration_ms\":5}],\"client\":{\"blackout_start_ms\":"
	  "\"1\",\"longest_gap_ms\":2}}", 0, 1 },
};

START_TEST(test_hostile)
{
	_cleanup_variant_ sd_json_variant *v = parse(hostile[_i].text);
	static struct kho_timeline timeline;
	_cleanup_free_ char *svg = NULL;
	struct kho_err err;

	ck_assert_int_eq(kho_timeline_parse(v, NULL, &timeline, &err), hostile[_i].r);
	if (hostile[_i].r < 0)
		return;
	ck_assert_int_eq(kho_timeline_draw(&timeline, &svg), 0);
	ck_assert_uint_lt(strlen(svg), 20000);
	read_bars(svg);
	ck_assert_uint_eq(nr_bars, hostile[_i].bars);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("timeline");
	TCase *tc = tcase_create("timeline");

	tcase_add_loop_test(tc, test_geometry, 0, 2);
	tcase_add_test(tc, test_report);
	tcase_add_test(tc, test_old_report);
	tcase_add_test(tc, test_golden);
	tcase_add_test(tc, test_escaping);
	tcase_add_loop_test(tc, test_hostile, 0, sizeof(hostile) / sizeof(hostile[0]));
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
