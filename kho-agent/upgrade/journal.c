// SPDX-License-Identifier: GPL-2.0-only
/* The text of the journal; journal.h has its form. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/crc32c.h"
#include "upgrade/journal.h"

#define HEAD		"kho-upgrade 1"
#define CRC_LINE	13		/* "crc xxxxxxxx\n" */
#define FLAGS		6

void kho_journal_add(struct kho_journal *journal, enum kho_upgrade_state state, uint64_t ms)
{
	unsigned int at = journal->nr_at;

	if (at == KHO_JOURNAL_STATES)
		at--;
	journal->at[at] = (struct kho_journal_at){ .state = state, .ms = ms };
	journal->nr_at = at + 1;
}

/* ---- writing ---- */

/* A flag's word, and whether it's set; the same for reading. */
struct flag {
	const char *word;
	bool *value;
};

static void flags_of(struct kho_upgrade *upgrade, struct flag ret[FLAGS])
{
	const struct flag flags[] = {
		{ "workloads", &upgrade->workloads },
		{ "hold", &upgrade->hold },
		{ "held", &upgrade->held },
		{ "keep", &upgrade->keep },
		{ "aborting", &upgrade->aborting },
		{ "kexec", &upgrade->kexec },
	};

	memcpy(ret, flags, sizeof(flags));
}

static void write_lines(FILE *file, const struct kho_journal *journal)
{
	struct kho_upgrade upgrade = journal->upgrade;
	struct flag flags[FLAGS];

	fprintf(file, HEAD "\nseq %" PRIu64 "\nid %s\nboot %s\nby %s\nimage %s\nsource %s\n"
		"target %s\nsoak %" PRIu64 "\nflags", journal->seq, journal->id, journal->boot,
		journal->by, journal->image, journal->source, journal->target, journal->soak_sec);
	flags_of(&upgrade, flags);
	for (int i = 0; i < FLAGS; i++)
		if (*flags[i].value)
			fprintf(file, " %s", flags[i].word);
	fputc('\n', file);
	for (unsigned int i = 0; i < journal->nr_at; i++)
		fprintf(file, "at %s %" PRIu64 "\n", kho_upgrade_state_name(journal->at[i].state),
			journal->at[i].ms);
	if (upgrade.err.code)
		fprintf(file, "error %d %s\n", upgrade.err.code, upgrade.err.msg);
}

static bool is_line(const char *text)
{
	return !strchr(text, '\n');
}

int kho_journal_format(const struct kho_journal *journal, char **ret, struct kho_err *err)
{
	_cleanup_free_ char *lines = NULL;
	size_t size;
	FILE *file = open_memstream(&lines, &size);
	bool failed;

	if (!file)
		return kho_fail(err, -ENOMEM, "no memory for the journal");
	if (!is_line(journal->by) || !is_line(journal->image) || !is_line(journal->source) ||
	    !is_line(journal->target) || !is_line(journal->upgrade.err.msg)) {
		fclose(file);
		return kho_fail(err, -EINVAL, "a name has more than one line; give it another one");
	}
	write_lines(file, journal);
	failed = ferror(file);
	if (fclose(file) != 0 || failed ||
	    asprintf(ret, "%scrc %08" PRIx32 "\n", lines, kho_crc32c(lines, size)) < 0)
		return kho_fail(err, -ENOMEM, "no memory for the journal");
	return 0;
}

/* ---- reading ---- */

static int read_text(const char *value, char ret[KHO_JOURNAL_TEXT])
{
	return snprintf(ret, KHO_JOURNAL_TEXT, "%s", value) < (int)KHO_JOURNAL_TEXT ? 0 : -EBADMSG;
}

static int read_uuid(const char *value, char ret[KHO_UUID_TEXT])
{
	uint8_t uuid[KHO_UUID_SIZE];

	if (kho_parse_uuid(value, uuid, NULL) < 0)
		return -EBADMSG;
	kho_uuid_format(uuid, ret);
	return 0;
}

static int read_flags(char *value, struct kho_upgrade *upgrade)
{
	struct flag flags[FLAGS];
	char *word, *rest;

	flags_of(upgrade, flags);
	for (word = strtok_r(value, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		int i = 0;

		while (i < FLAGS && strcmp(flags[i].word, word) != 0)
			i++;
		if (i == FLAGS)
			return -EBADMSG;
		*flags[i].value = true;
	}
	return 0;
}

static int read_at(char *value, struct kho_journal *journal)
{
	char *space = strchr(value, ' ');
	enum kho_upgrade_state state;
	uint64_t ms;

	if (!space || journal->nr_at == KHO_JOURNAL_STATES)
		return -EBADMSG;
	*space = '\0';
	state = kho_upgrade_state_of(value);
	if (state == KHO_UPGRADE_NONE || state == _KHO_UPGRADE_STATE_MAX ||
	    kho_parse_u64(space + 1, &ms, NULL) < 0)
		return -EBADMSG;
	kho_journal_add(journal, state, ms);
	return 0;
}

static int read_error(char *value, struct kho_err *ret)
{
	char *space = strchr(value, ' ');
	uint32_t code;

	if (!space || value[0] != '-')
		return -EBADMSG;
	*space = '\0';
	if (kho_parse_u32(value + 1, &code, NULL) < 0 || !code || code > 4095)
		return -EBADMSG;
	ret->code = -(int)code;
	snprintf(ret->msg, sizeof(ret->msg), "%s", space + 1);
	return 0;
}

static int read_line(char *line, struct kho_journal *journal)
{
	char *value = strchr(line, ' ');

	if (value)
		*value++ = '\0';
	else
		value = line + strlen(line);
	if (strcmp(line, "seq") == 0)
		return kho_parse_u64(value, &journal->seq, NULL);
	if (strcmp(line, "id") == 0)
		return read_uuid(value, journal->id);
	if (strcmp(line, "boot") == 0)
		return read_uuid(value, journal->boot);
	if (strcmp(line, "by") == 0)
		return read_text(value, journal->by);
	if (strcmp(line, "image") == 0)
		return read_text(value, journal->image);
	if (strcmp(line, "source") == 0)
		return read_text(value, journal->source);
	if (strcmp(line, "target") == 0)
		return read_text(value, journal->target);
	if (strcmp(line, "soak") == 0)
		return kho_parse_u64(value, &journal->soak_sec, NULL);
	if (strcmp(line, "flags") == 0)
		return read_flags(value, &journal->upgrade);
	if (strcmp(line, "at") == 0)
		return read_at(value, journal);
	if (strcmp(line, "error") == 0)
		return read_error(value, &journal->upgrade.err);
	return -EBADMSG;
}

/* Cuts the last line off. */
static int check_crc(char *text, size_t size)
{
	uint64_t crc;
	char *line;

	if (size < CRC_LINE || size > KHO_JOURNAL_MAX || strlen(text) != size)
		return -EBADMSG;
	line = text + size - CRC_LINE;
	if (strncmp(line, "crc ", 4) != 0 || line[CRC_LINE - 1] != '\n')
		return -EBADMSG;
	line[CRC_LINE - 1] = '\0';
	if (line[5] == 'x' || kho_parse_hex64(line + 4, &crc, NULL) < 0)
		return -EBADMSG;
	*line = '\0';
	return kho_crc32c(text, size - CRC_LINE) == crc ? 0 : -EBADMSG;
}

static int read_lines(char *text, struct kho_journal *journal)
{
	char *line, *rest;

	line = strtok_r(text, "\n", &rest);
	if (!line || strcmp(line, HEAD) != 0)
		return -EBADMSG;
	while ((line = strtok_r(NULL, "\n", &rest)))
		if (read_line(line, journal) < 0)
			return -EBADMSG;
	return *journal->id && *journal->boot && *journal->image && journal->nr_at ? 0 : -EBADMSG;
}

int kho_journal_parse(char *text, size_t size, struct kho_journal *ret, struct kho_err *err)
{
	_cleanup_free_ struct kho_journal *journal = calloc(1, sizeof(*journal));

	if (!journal)
		return kho_fail(err, -ENOMEM, "no memory for the journal");
	if (check_crc(text, size) < 0 || read_lines(text, journal) < 0)
		return kho_fail(err, -EBADMSG, "it's no journal of an upgrade, or not whole");
	journal->upgrade.state = journal->at[journal->nr_at - 1].state;
	*ret = *journal;
	return 0;
}
