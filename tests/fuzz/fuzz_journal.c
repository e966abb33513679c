// SPDX-License-Identifier: GPL-2.0-only
/*
 * The journal of an upgrade, of arbitrary lines with a checksum that's right. What is
 * accepted is in its bounds, and can be written and read again.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "upgrade/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check(const struct kho_journal *journal)
{
	struct kho_journal again;
	char *text;

	require(journal->nr_at && journal->nr_at <= KHO_JOURNAL_STATES);
	require(journal->upgrade.state < _KHO_UPGRADE_STATE_MAX);
	for (unsigned int i = 0; i < journal->nr_at; i++)
		require(journal->at[i].state < _KHO_UPGRADE_STATE_MAX);
	require(journal->upgrade.err.code <= 0);
	require(kho_journal_format(journal, &text, NULL) == 0);
	require(kho_journal_parse(text, strlen(text), &again, NULL) == 0);
	require(again.upgrade.state == journal->upgrade.state && again.seq == journal->seq);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kho_journal journal;
	char *text;
	size_t length;

	if (size > KHO_JOURNAL_MAX - 16)
		return 0;
	require(asprintf(&text, "%.*scrc %08" PRIx32 "\n", (int)size, (const char *)data,
			 kho_crc32c(data, strnlen((const char *)data, size))) >= 0);
	length = strlen(text);
	if (kho_journal_parse(text, length, &journal, NULL) == 0)
		check(&journal);
	free(text);
	return 0;
}
