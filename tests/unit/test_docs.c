// SPDX-License-Identifier: GPL-2.0-only
/* Tables in docs/ say what the code's tables say. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "khoctl/khoctl.h"
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

/* ---- docs/moving.md: what each input makes of each state ---- */

#define INPUTS	9
#define STATES	7

static const char *const state_names[_KHO_MOVE_STATE_MAX] = {
	"idle", "running", "forward", "undoing", "done", "failed",
};

static const char *const action_names[] = { "nothing", "begin", "undo", "fence", "end" };

/* One workload on one volume, up to @step. */
static void go_to(struct kho_move *move, enum kho_step step)
{
	const uint32_t one[_KHO_SCOPE_MAX] = {
		[KHO_SCOPE_WORKLOAD] = 1, [KHO_SCOPE_VOLUME] = 1,
	};
	struct kho_move_output out;

	ck_assert_int_eq(kho_move_init(move, one, NULL), 0);
	if (!step)
		return;
	for (out = kho_move_begin(move); out.action == KHO_MOVE_BEGIN && out.step != step;)
		out = kho_move_done(move, out.step, 0, NULL);
}

/* In the order of the table's columns; the one after undoing is the same, the peer lost. */
static void set_up(struct kho_move *move, unsigned int column)
{
	static const enum kho_step steps[STATES] = {
		KHO_STEP_NONE, KHO_STEP_TAKE, KHO_STEP_KEEP, KHO_STEP_RELEASE, KHO_STEP_RELEASE,
		_KHO_STEP_MAX, KHO_STEP_INSPECT,
	};
	struct kho_err err = { .code = -EIO };

	go_to(move, steps[column]);
	if (column == 3 || column == 4 || column == 6)
		kho_move_done(move, move->step, 0, &err);
	if (column == 4) {
		kho_move_peer_lost(move, &err);
		kho_move_undone(move, move->step, 0, NULL);
	}
}

static struct kho_move_output put_in(struct kho_move *move, unsigned int input)
{
	struct kho_err err = { .code = -EIO };

	switch (input) {
	case 0:
		return kho_move_done(move, move->step, 0, NULL);
	case 1:
		return kho_move_done(move, move->step, 0, &err);
	case 2:
		return kho_move_undone(move, move->step, 0, NULL);
	case 3:
		return kho_move_undone(move, move->step, 0, &err);
	case 4:
		return kho_move_late(move);
	case 5:
		return kho_move_abort(move, &err);
	case 6:
		return kho_move_peer_lost(move, &err);
	case 7:
		return kho_move_fenced(move);
	default:
		return kho_move_peer_up(move, &err);
	}
}

/* "undoing: undo", or "-" if nothing follows. */
static void transition(unsigned int column, unsigned int input, char ret[CELL])
{
	struct kho_move_output out;
	struct kho_move move;
	enum kho_move_state before;

	set_up(&move, column);
	before = move.state;
	out = put_in(&move, input);
	if (move.state == before && out.action == KHO_MOVE_NOTHING)
		snprintf(ret, CELL, "-");
	else
		snprintf(ret, CELL, "%s: %s", state_names[move.state], action_names[out.action]);
}

static void next_cell(char **text, char ret[CELL])
{
	size_t len;

	*text += strspn(*text, "| ");
	len = strcspn(*text, "|");
	snprintf(ret, CELL, "%.*s", (int)len, *text);
	*text += len;
	for (len = strlen(ret); len && ret[len - 1] == ' ';)
		ret[--len] = '\0';
}

START_TEST(test_transitions)
{
	_cleanup_fclose_ FILE *file = open_table("docs/moving.md", "what happens", "idle");
	char line[512], name[CELL], said[CELL], done[CELL], *rest;

	for (unsigned int input = 0; input < INPUTS; input++) {
		ck_assert_ptr_nonnull(fgets(rest = line, sizeof(line), file));
		next_cell(&rest, name);
		for (unsigned int column = 0; column < STATES; column++) {
			next_cell(&rest, said);
			transition(column, input, done);
			ck_assert_msg(strcmp(said, done) == 0, "%s, column %u: %s, and it's %s",
				      name, column, said, done);
		}
	}
	ck_assert(fgets(line, sizeof(line), file) && *line != '|');
}
END_TEST

/* The diagram in upgrade/move.h: every state is in it, and nothing else in capitals but COMMIT. */
START_TEST(test_diagram)
{
	_cleanup_fclose_ FILE *file = fopen("kho-agent/upgrade/move.h", "r");
	unsigned int seen = 0;
	char line[256];

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) && strcmp(line, " */\n") != 0) {
		if (strncmp(line, " *\t", 3) != 0)
			continue;
		for (char *word = line, *end; *word; word = end) {
			unsigned int state = 0;

			word += strcspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
			end = word + strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
			if (end - word < 2 || strncmp(word, "COMMIT", 6) == 0)
				continue;
			while (state < _KHO_MOVE_STATE_MAX &&
			       strncasecmp(word, state_names[state], (size_t)(end - word)) != 0)
				state++;
			ck_assert_msg(state < _KHO_MOVE_STATE_MAX, "no state: %s", word);
			seen |= 1u << state;
		}
	}
	ck_assert_uint_eq(seen, (1u << _KHO_MOVE_STATE_MAX) - 1);
}
END_TEST

/* ---- khoctl ---- */

bool arg_json;
const char *arg_socket = "";

#define ERRORS	134

/* docs/runbook.md: each error's exit code; those that aren't listed are code 1. */
START_TEST(test_errors)
{
	_cleanup_fclose_ FILE *file = open_table("docs/runbook.md", "error", "exit");
	char line[512], cells[CELLS][CELL], *rest;
	bool listed[ERRORS] = {};

	while (fgets(line, sizeof(line), file) && read_row(line, cells)) {
		for (char *name = strtok_r(cells[0], ", ", &rest); name; name = strtok_r(NULL, ", ", &rest)) {
			int code = 1;

			while (code < ERRORS && strcmp(strerrorname_np(code) ?: "", name) != 0)
				code++;
			ck_assert_msg(code < ERRORS, "no such error: %s", name);
			ck_assert_msg(kho_exit_code(-code) == strtol(cells[1], NULL, 10), "%s is %d", name,
				      kho_exit_code(-code));
			listed[code] = true;
		}
	}
	for (int code = 1; code < ERRORS; code++)
		ck_assert_msg(listed[code] || kho_exit_code(-code) == KHO_EXIT_FAILED,
			      "docs/runbook.md lacks %s", strerrorname_np(code));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("docs");
	TCase *tc = tcase_create("docs");

	tcase_add_test(tc, test_steps);
	tcase_add_test(tc, test_states);
	tcase_add_test(tc, test_transitions);
	tcase_add_test(tc, test_diagram);
	tcase_add_test(tc, test_errors);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
