// SPDX-License-Identifier: GPL-2.0-only
/*
 * The record of a move of arbitrary text. What is accepted is in its bounds, can be
 * written and read again, and leads to steps and items that there are, whatever was
 * committed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "upgrade/record.h"

#define MAX_SIZE (1u << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check(const struct kho_move_record *record)
{
	require(record->move && record->nr[KHO_SCOPE_MOVE] == 1 && record->nr[KHO_SCOPE_WORKLOAD]);
	for (unsigned int scope = 0; scope < _KHO_SCOPE_MAX; scope++)
		require(record->nr[scope] <= KHO_MOVE_ITEMS);
	require(!record->begun[KHO_STEP_NONE]);
	for (unsigned int step = 1; step < _KHO_STEP_MAX; step++)
		require((uint64_t)record->begun[step] >>
			record->nr[kho_step_info(step)->scope] == 0);
	for (unsigned int i = 0; i < KHO_MOVE_ITEMS; i++) {
		const char *cgroup = record->cgroups[i];

		require(memchr(cgroup, '\0', KHO_RECORD_CGROUP) != NULL);
		require(!*cgroup || (strncmp(cgroup, "/sys/fs/cgroup/", 15) == 0 &&
				     !strstr(cgroup, "..")));
	}
}

static void check_again(const struct kho_move_record *record, const char *config)
{
	static struct kho_move_record again;
	struct kho_err err = {};
	char *text, *config_again;

	require(kho_move_record_format(record, config, &text, &err) == 0);
	memset(&again, 0xff, sizeof(again));
	require(kho_move_record_parse(text, &again, &config_again, &err) == 0);
	require(memcmp(record, &again, sizeof(again)) == 0);
	require(strcmp(config, config_again) == 0);
	free(text);
}

/* To the end, with every item that is asked for. */
static void run(const struct kho_move_record *record, bool committed, bool peer_lost)
{
	struct kho_move move = { .peer_lost = peer_lost };
	struct kho_move_output out = kho_move_record_resume(record, committed, &move);

	for (unsigned int i = 0; out.action != KHO_MOVE_END; i++) {
		uint32_t item;

		require(i < _KHO_STEP_MAX * KHO_MOVE_ITEMS);
		if (out.action == KHO_MOVE_FENCE) {
			require(peer_lost && !committed && kho_move_waits_for_fence(&move));
			out = kho_move_fenced(&move);
			continue;
		}
		require(move.pending != 0);
		item = (uint32_t)__builtin_ctz(move.pending);
		require(item < record->nr[kho_step_info(move.step)->scope]);
		require(out.action == KHO_MOVE_NOTHING ||
			out.action == (committed ? KHO_MOVE_BEGIN : KHO_MOVE_UNDO));
		out = committed ? kho_move_done(&move, move.step, item, NULL) :
				  kho_move_undone(&move, move.step, item, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct kho_move_record record;
	struct kho_err err = {};
	char *text, *config;
	int r;

	if (size > MAX_SIZE)
		return 0;
	text = malloc(size + 1);
	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	r = kho_move_record_parse(text, &record, &config, &err);
	require(r == 0 || (r == err.code && err.msg[0]));
	if (r == 0) {
		check(&record);
		check_again(&record, config);
		for (int i = 0; i < 4; i++)
			run(&record, i & 1, i & 2);
	}
	free(text);
	return 0;
}
