// SPDX-License-Identifier: GPL-2.0-only
/* What khoctl watch shows: from messages to data, to lines, and to a screen of any size. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"
#include "view/layout.h"

static struct kho_view view, before;
static struct kho_screen screen;

/* What an agent sends in an upgrade whose workloads are copied. */
#define COPYING \
	"{\"role\":\"first\",\"release\":\"6.12.117\",\"phase\":\"sync\",\"message\":\"\"," \
	"\"connected\":true,\"peerRelease\":\"7.3.4\",\"over\":false," \
	"\"upgrade\":{\"id\":\"0b6e0a3e-1111\",\"state\":\"move\",\"image\":\"/images/new\"," \
	"\"by\":\"uid 0\",\"held\":false,\"message\":\"\"}," \
	"\"move\":{\"state\":\"running\",\"phase\":\"sync\",\"step\":\"pre-copy\",\"workloads\":[" \
	"{\"name\":\"redis\",\"state\":\"copying\",\"rounds\":3,\"bytes\":125829120," \
	"\"dirtyBytesPerSec\":5452595,\"predictedMs\":120,\"frozenMs\":0}," \
	"{\"name\":\"db\",\"state\":\"here\",\"rounds\":0,\"bytes\":0,\"dirtyBytesPerSec\":0," \
	"\"predictedMs\":0,\"frozenMs\":0}]}," \
	"\"log\":[{\"ms\":1764120000123,\"text\":\"redis: round 3: 9 KiB\"}]}"

#define SOAK \
	"{\"release\":\"6.12.117\",\"phase\":\"soak\",\"peerRelease\":\"7.3.4\"," \
	"\"message\":\"\",\"upgrade\":{\"id\":\"0b6e0a3e-1111\",\"state\":\"soak\"," \
	"\"image\":\"/images/new\",\"held\":false,\"message\":\"\",\"soakLeftMs\":30000}," \
	"\"move\":{\"state\":\"done\",\"phase\":\"soak\",\"step\":\"settle\",\"workloads\":[" \
	"{\"name\":\"redis\",\"state\":\"moved\",\"rounds\":5,\"bytes\":125829120," \
	"\"dirtyBytesPerSec\":5452595,\"predictedMs\":120,\"frozenMs\":134}]},\"log\":[]}"

static void setup(void)
{
	setenv("TZ", "UTC", 1);
	memset(&view, 0, sizeof(view));
	memset(&before, 0, sizeof(before));
	memset(&screen, 0xff, sizeof(screen));
}

static void update(const char *json)
{
	sd_json_variant *v = NULL;

	ck_assert_int_ge(sd_json_parse(json, 0, &v, NULL, NULL), 0);
	kho_view_update(&view, v);
	sd_json_variant_unref(v);
}

static void lay_out(unsigned int width, unsigned int height)
{
	screen.width = width;
	screen.height = height;
	kho_layout(&view, 0, &screen);
}

/* The row without spaces at its end. */
static const char *row(unsigned int y)
{
	static char text[KHO_SCREEN_WIDTH + 1];
	size_t len;

	ck_assert_uint_lt(y, screen.height);
	snprintf(text, sizeof(text), "%s", screen.text[y]);
	for (len = strlen(text); len && text[len - 1] == ' ';)
		text[--len] = '\0';
	return text;
}

static unsigned int find(const char *what)
{
	for (unsigned int y = 0; y < screen.height; y++)
		if (strstr(screen.text[y], what))
			return y;
	ck_abort_msg("no row has %s", what);
	return 0;
}

/* ---- the screen ---- */

START_TEST(copying)
{
	unsigned int y;

	update(COPYING);
	lay_out(80, 24);
	ck_assert_int_eq(strncmp(row(0), " 6.12.117 -> 7.3.4   ", 20), 0);
	ck_assert_str_eq(row(0) + 75, "move");
	ck_assert_int_eq(screen.attr[0][79], KHO_ATTR_TITLE);
	ck_assert_str_eq(row(2), " check  spawn  [move]  soak  retire");
	ck_assert_int_eq(screen.attr[2][1], KHO_ATTR_GOOD);
	ck_assert_int_eq(screen.attr[2][15], KHO_ATTR_CURRENT);
	ck_assert_int_eq(screen.attr[2][23], KHO_ATTR_DIM);
	ck_assert_str_eq(row(3), " image: /images/new");
	ck_assert_str_eq(row(4), " move: pre-copy (sync), running");
	y = find("WORKLOAD");
	ck_assert_str_eq(row(y), " WORKLOAD         STATE       ROUNDS    MEMORY    DIRTY/s"
			 "  PREDICTED   BLACKOUT");
	ck_assert_str_eq(row(y + 1), " redis            copying          3   120 MiB  5.2 MiB/s"
			 "     120 ms          -");
	ck_assert_str_eq(row(y + 2), " db               here             0         -          -"
			 "          -          -");
	ck_assert_str_eq(row(find("round 3")), " 01:20:00 redis: round 3: 9 KiB");
	ck_assert_str_eq(row(23), " q quits; what's under way goes on");
}
END_TEST

START_TEST(soak_counts_down)
{
	update(SOAK);
	lay_out(80, 24);
	ck_assert_ptr_nonnull(strstr(screen.text[0], "soak, 30 s left"));
	kho_layout(&view, 6500, &screen);
	ck_assert_ptr_nonnull(strstr(screen.text[0], "soak, 24 s left"));
	kho_layout(&view, 90000, &screen);
	ck_assert_ptr_nonnull(strstr(screen.text[0], "soak, 0 s left"));
	ck_assert_ptr_nonnull(strstr(screen.text[find("redis")], "134 ms"));
	ck_assert_int_eq(screen.attr[find("redis")][1], KHO_ATTR_GOOD);
}
END_TEST

START_TEST(single_commands)
{
	update("{\"release\":\"6.12\",\"phase\":\"spawn\",\"message\":\"\"}");
	lay_out(80, 24);
	ck_assert_str_eq(row(2), " idle  reserve  [spawn]  sync  soak  retire");
	update("{\"release\":\"6.12\",\"phase\":\"idle\",\"message\":\"it broke; mend it\"}");
	lay_out(80, 24);
	ck_assert_str_eq(row(2), " [idle]  reserve  spawn  sync  soak  retire");
	ck_assert_str_eq(row(3), " last: it broke; mend it");
	ck_assert_int_eq(screen.attr[3][1], KHO_ATTR_BAD);
	update("{\"release\":\"6.12\",\"phase\":\"restore\",\"message\":\"\"}");
	lay_out(80, 24);
	ck_assert_str_eq(row(2), " [restore]  idle");
}
END_TEST

START_TEST(undoing_has_other_states)
{
	update("{\"phase\":\"sync\",\"upgrade\":{\"state\":\"rollback\",\"held\":false,"
	       "\"message\":\"aborted by uid 0\"}}");
	lay_out(80, 24);
	ck_assert_str_eq(row(2), " check  spawn  move  [rollback]  reclaim");
	find("trouble: aborted by uid 0");
}
END_TEST

START_TEST(nothing_known)
{
	lay_out(80, 24);
	ck_assert_ptr_nonnull(strstr(screen.text[0], "waiting for the agent"));
}
END_TEST

/* Columns go one by one, what matters most last. */
START_TEST(narrow)
{
	static const struct {
		unsigned int width;
		const char *title;
	} cases[] = {
		{ 79, "WORKLOAD         STATE       ROUNDS    MEMORY    DIRTY/s  PREDICTED   BLACKOUT" },
		{ 78, "WORKLOAD         STATE       ROUNDS    DIRTY/s  PREDICTED   BLACKOUT" },
		{ 60, "WORKLOAD         STATE       ROUNDS  PREDICTED   BLACKOUT" },
		{ 52, "WORKLOAD         STATE       PREDICTED   BLACKOUT" },
		{ 45, "WORKLOAD         STATE        BLACKOUT" },
		{ 30, "WORKLOAD         STATE" },
	};

	update(COPYING);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		lay_out(cases[i].width, 24);
		ck_assert_str_eq(row(find("WORKLOAD")) + 1, cases[i].title);
	}
}
END_TEST

/* Every row is as wide as the screen, and nothing else was written to. */
START_TEST(any_size)
{
	update(COPYING);
	for (unsigned int width = 0; width < 100; width += width < 12 ? 1 : 7)
		for (unsigned int height = 0; height < 40; height++) {
			memset(&screen, 0xff, sizeof(screen));
			lay_out(width, height);
			for (unsigned int y = 0; y < height; y++) {
				ck_assert_uint_eq(strlen(screen.text[y]), width);
				for (unsigned int x = 0; x < width; x++)
					ck_assert_uint_lt(screen.attr[y][x], _KHO_ATTR_MAX);
				ck_assert_uint_eq(screen.attr[y][width], 0xff);
			}
			ck_assert_uint_eq((unsigned char)screen.text[height][0], 0xff);
		}
	lay_out(100000, 100000);
	ck_assert_uint_eq(screen.width, KHO_SCREEN_WIDTH);
	ck_assert_uint_eq(screen.height, KHO_SCREEN_HEIGHT);
}
END_TEST

START_TEST(many_workloads)
{
	update(COPYING);
	for (unsigned int i = 0; i < KHO_PROGRESS_WORKLOADS; i++)
		snprintf(view.move.workloads[i].name, KHO_PROGRESS_NAME, "w%u", i);
	view.move.nr = KHO_PROGRESS_WORKLOADS;
	lay_out(80, 24);
	find(" and 21 more");
	find("round 3");
	lay_out(80, 60);
	find(" w31 ");
	find("round 3");
	lay_out(80, 8);
	find(" and 31 more");
}
END_TEST

START_TEST(log_is_its_end)
{
	char json[128];

	for (int i = 0; i < 300; i++) {
		snprintf(json, sizeof(json), "{\"log\":[{\"ms\":0,\"text\":\"line %d\"}]}", i);
		update(json);
	}
	lay_out(80, 12);
	ck_assert_str_eq(row(10), " 00:00:00 line 299");
	ck_assert_str_eq(row(9), " 00:00:00 line 298");
	lay_out(80, 200);
	ck_assert_ptr_null(strstr(screen.text[find("line ")], "line 171"));
	find("line 172");
}
END_TEST

/* ---- lines ---- */

static const char *describe(void)
{
	static char text[4096];
	FILE *out = fmemopen(text, sizeof(text), "w");

	memset(text, 0, sizeof(text));
	kho_view_describe(&before, &view, out);
	fclose(out);
	return text;
}

START_TEST(a_line_a_change)
{
	update(COPYING);
	ck_assert_str_eq(describe(), "01:20:00 redis: round 3: 9 KiB\n"
			 "phase: sync\n"
			 "upgrade 0b6e0a3e: move\n"
			 "move: running, pre-copy (sync)\n"
			 "redis: copying, 3 rounds, 120 MiB, writes to 5.2 MiB/s, "
			 "blackout predicted 120 ms\n"
			 "db: here\n");
	before = view;
	ck_assert_str_eq(describe(), "");
	update(SOAK);
	ck_assert_str_eq(describe(), "phase: soak\n"
			 "upgrade 0b6e0a3e: soak\n"
			 "move: done, settle (soak)\n"
			 "redis: moved, 5 rounds, 120 MiB, writes to 5.2 MiB/s, "
			 "blackout predicted 120 ms, measured 134 ms\n");
	before = view;
	update("{\"phase\":\"idle\",\"message\":\"lost\"}");
	ck_assert_str_eq(describe(), "phase: idle\nupgrade 0b6e0a3e: over\nmessage: lost\n");
}
END_TEST

START_TEST(units)
{
	char text[KHO_VIEW_UNIT];
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "-" }, { 1, "1 KiB" }, { 1023 << 10, "1023 KiB" }, { 1 << 20, "1.0 MiB" },
		{ 12 << 20, "12 MiB" }, { 5ull << 30, "5120 MiB" }, { 64ull << 30, "64 GiB" },
		{ UINT64_MAX, "17179869183 GiB" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		kho_view_bytes(cases[i].bytes, "", text);
		ck_assert_str_eq(text, cases[i].text);
	}
	kho_view_ms(9999, text);
	ck_assert_str_eq(text, "9999 ms");
	kho_view_ms(12345, text);
	ck_assert_str_eq(text, "12.3 s");
}
END_TEST

static Suite *view_suite(void)
{
	Suite *suite = suite_create("view");
	TCase *tc = tcase_create("screen");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, copying);
	tcase_add_test(tc, soak_counts_down);
	tcase_add_test(tc, single_commands);
	tcase_add_test(tc, undoing_has_other_states);
	tcase_add_test(tc, nothing_known);
	tcase_add_test(tc, narrow);
	tcase_add_test(tc, any_size);
	tcase_add_test(tc, many_workloads);
	tcase_add_test(tc, log_is_its_end);
	suite_add_tcase(suite, tc);
	tc = tcase_create("lines");
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_line_a_change);
	tcase_add_test(tc, units);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(view_suite());
}
