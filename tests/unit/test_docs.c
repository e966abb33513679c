// SPDX-License-Identifier: GPL-2.0-only
/* Tables in docs/ say what the code's tables say. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/unit/run.h"
#include "upgrade/move.h"
#include "upgrade/upgrade.h"

#define CELLS	4
#define CELL	32

/* The first cells of a row "| a | b | c |"; false: it's no row. */
static bool read_row(const char *line, char cells[CELLS][CELL])
{
	if (*line != '|')
		return false;
	for (unsigned int i = 0; i < CELLS; i++) {
		size_t len;

		line++;
		line += strspn(line, " ");
		len = strcspn(line, "|");
		if (line[len] != '|')
			return false;
		snprintf(cells[i], CELL, "%.*s", (int)len, line);
		len = strlen(cells[i]);
		while (len && cells[i][len - 1] == ' ')
			cells[i][--len] = '\0';
		line += strcspn(line, "|");
	}
	return true;
}

static FILE *open_table(const char *path, const char *first, const char *second)
{
	FILE *file = fopen(path, "r");
	char line[512], cells[CELLS][CELL];

	ck_assert_msg(file, "%s: run it from the top of the sources", path);
	while (fgets(line, sizeof(line), file))
		if (read_row(line, cells) && strcmp(cells[0], first) == 0 &&
		    strcmp(cells[1], second) == 0)
			break;
	ck_assert_msg(!feof(file), "%s has no table %s, %s", path, first, second);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
	return file;
}

/* docs/moving.md: all steps, in their order, with phase and side. */
START_TEST(test_steps)
{
	_cleanup_fclose_ FILE *file = open_table("docs/moving.md", "phase", "step");
	char line[512], cells[CELLS][CELL], phase[CELL] = "";
	enum kho_step step = KHO_STEP_NONE;

	while (fgets(line, sizeof(line), file) && read_row(line, cells)) {
		const struct kho_step_info *info;

		step++;
		ck_assert_msg(step < _KHO_STEP_MAX, "a step too many: %s", cells[1]);
		info = kho_step_info(step);
		if (*cells[0])
			snprintf(phase, sizeof(phase), "%s", cells[0]);
		ck_assert_str_eq(cells[1], info->name);
		ck_assert_str_eq(phase, info->phase);
		ck_assert_str_eq(cells[2], info->remote ? "new" : "old");
	}
	ck_assert_int_eq(step, _KHO_STEP_MAX - 1);
}
END_TEST

/* An upgrade with workloads that is in @state. */
static struct kho_upgrade upgrade_in(enum kho_upgrade_state state)
{
	return (struct kho_upgrade){ .state = state, .workloads = true };
}

/* docs/upgrade.md: what each state ends in. */
START_TEST(test_states)
{
	_cleanup_fclose_ FILE *file = open_table("docs/upgrade.md", "state", "done well");
	const struct kho_err well = {}, bad = { .code = -EIO };
	char line[512], cells[CELLS][CELL];
	unsigned int nr = 0;

	while (fgets(line, sizeof(line), file) && read_row(line, cells)) {
		enum kho_upgrade_state state = kho_upgrade_state_of(cells[0]);
		struct kho_upgrade upgrade[3];
		enum kho_upgrade_action action;
		struct kho_err err;

		ck_assert_msg(state < KHO_UPGRADE_DONE, "no such state: %s", cells[0]);
		nr++;
		for (int i = 0; i < 3; i++)
			upgrade[i] = upgrade_in(state);
		kho_upgrade_done(&upgrade[0], &well);
		kho_upgrade_done(&upgrade[1], &bad);
		kho_upgrade_abort(&upgrade[2], &bad, &action, &err);
		for (int i = 0; i < 3; i++)
			ck_assert_str_eq(cells[i + 1], kho_upgrade_state_name(upgrade[i].state));
	}
	ck_assert_uint_eq(nr, KHO_UPGRADE_DONE - KHO_UPGRADE_CHECK);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("docs");
	TCase *tc = tcase_create("docs");

	tcase_add_test(tc, test_steps);
	tcase_add_test(tc, test_states);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
