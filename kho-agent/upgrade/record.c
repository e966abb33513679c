// SPDX-License-Identifier: GPL-2.0-only
/* The record of a move: text and decision; record.h has the idea. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "upgrade/record.h"

#define HEAD		"kho-move-record 1"
#define CGROUP_ROOT	"/sys/fs/cgroup/"
#define MAC_DIGITS	12

/* ---- writing ---- */

static void write_items(FILE *file, const struct kho_move_record *record)
{
	for (unsigned int step = KHO_STEP_NONE + 1; step < _KHO_STEP_MAX; step++)
		if (record->begun[step])
			fprintf(file, "begun %s %" PRIx32 "\n", kho_step_info(step)->name,
				record->begun[step]);
	if (record->nics_given)
		fprintf(file, "given %" PRIx32 "\n", record->nics_given);
	for (unsigned int i = 0; i < record->nr[KHO_SCOPE_WORKLOAD]; i++)
		if (*record->cgroups[i])
			fprintf(file, "cgroup %u %s\n", i, record->cgroups[i]);
	for (unsigned int i = 0; i < record->nr[KHO_SCOPE_ADDRESS]; i++) {
		const uint8_t *mac = record->macs[i];

		fprintf(file, "mac %u %02x%02x%02x%02x%02x%02x\n", i, mac[0], mac[1], mac[2],
			mac[3], mac[4], mac[5]);
	}
}

int kho_move_record_format(const struct kho_move_record *record, const char *config,
			   char **ret, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	bool failed;

	if (!file)
		return kho_fail(err, -ENOMEM, "no memory for the record of a move");
	fprintf(file, HEAD "\nmove %" PRIx64 "\nepoch %" PRIu64 "\nitems", record->move,
		record->epoch);
	for (unsigned int scope = 0; scope < _KHO_SCOPE_MAX; scope++)
		fprintf(file, " %" PRIu32, record->nr[scope]);
	fputc('\n', file);
	write_items(file, record);
	fprintf(file, "config\n%s", config);
	failed = ferror(file);
	if (fclose(file) != 0 || failed)
		return kho_fail(err, -ENOMEM, "no memory for the record of a move");
	*ret = TAKE_PTR(text);
	return 0;
}

/* ---- reading ---- */

/* Cuts the next word off; NULL: there's none. */
static char *next_word(char **text)
{
	char *word = *text;

	if (!*word)
		return NULL;
	*text += strcspn(*text, " ");
	if (**text)
		*(*text)++ = '\0';
	return word;
}

static int read_mac(const char *text, uint8_t ret[6])
{
	uint64_t number;

	if (strlen(text) != MAC_DIGITS || text[1] == 'x' ||
	    kho_parse_hex64(text, &number, NULL) < 0)
		return -EBADMSG;
	for (unsigned int i = 0; i < 6; i++)
		ret[i] = (uint8_t)(number >> 8 * (5 - i));
	return 0;
}

static int read_cgroup(const char *text, char ret[KHO_RECORD_CGROUP])
{
	if (strncmp(text, CGROUP_ROOT, strlen(CGROUP_ROOT)) != 0 || strstr(text, "..") ||
	    strlen(text) >= KHO_RECORD_CGROUP)
		return -EBADMSG;
	memset(ret, 0, KHO_RECORD_CGROUP);
	memcpy(ret, text, strlen(text));
	return 0;
}

static int read_item(char *text, enum kho_scope scope, struct kho_move_record *record)
{
	const char *word = next_word(&text);
	uint32_t item;

	if (!word || kho_parse_u32(word, &item, NULL) < 0 || item >= record->nr[scope])
		return -EBADMSG;
	return scope == KHO_SCOPE_ADDRESS ? read_mac(text, record->macs[item]) :
					    read_cgroup(text, record->cgroups[item]);
}

/* Once: what was read by them has to be in their bounds. */
static int read_counts(char *text, struct kho_move_record *record)
{
	if (record->nr[KHO_SCOPE_MOVE])
		return -EBADMSG;
	for (unsigned int scope = 0; scope < _KHO_SCOPE_MAX; scope++) {
		const char *word = next_word(&text);

		if (!word || kho_parse_u32(word, &record->nr[scope], NULL) < 0 ||
		    record->nr[scope] > KHO_MOVE_ITEMS)
			return -EBADMSG;
	}
	return *text || record->nr[KHO_SCOPE_MOVE] != 1 || !record->nr[KHO_SCOPE_WORKLOAD] ?
	       -EBADMSG : 0;
}

static int read_bits(const char *text, uint32_t nr, uint32_t *ret)
{
	uint64_t bits;

	if (kho_parse_hex64(text, &bits, NULL) < 0 || !bits || bits >> nr)
		return -EBADMSG;
	*ret = (uint32_t)bits;
	return 0;
}

static int read_begun(char *text, struct kho_move_record *record)
{
	const char *name = next_word(&text);

	for (unsigned int step = KHO_STEP_NONE + 1; name && step < _KHO_STEP_MAX; step++)
		if (strcmp(kho_step_info(step)->name, name) == 0)
			return read_bits(text, record->nr[kho_step_info(step)->scope],
					 &record->begun[step]);
	return -EBADMSG;
}

static int read_line(char *line, struct kho_move_record *record)
{
	char *rest = line;
	const char *key = next_word(&rest);
	int r;

	if (!key)
		return -EBADMSG;
	if (strcmp(key, "move") == 0) {
		r = kho_parse_hex64(rest, &record->move, NULL);
		return r < 0 || !record->move ? -EBADMSG : 0;
	}
	if (strcmp(key, "epoch") == 0)
		return kho_parse_u64(rest, &record->epoch, NULL);
	if (strcmp(key, "items") == 0)
		return read_counts(rest, record);
	if (strcmp(key, "begun") == 0)
		return read_begun(rest, record);
	if (strcmp(key, "given") == 0)
		return read_bits(rest, record->nr[KHO_SCOPE_ADDRESS], &record->nics_given);
	if (strcmp(key, "cgroup") == 0)
		return read_item(rest, KHO_SCOPE_WORKLOAD, record);
	if (strcmp(key, "mac") == 0)
		return read_item(rest, KHO_SCOPE_ADDRESS, record);
	return -EBADMSG;
}

static char *next_line(char **text)
{
	char *line = *text;
	char *end = strchr(line, '\n');

	if (!end)
		return NULL;
	*end = '\0';
	*text = end + 1;
	return line;
}

int kho_move_record_parse(char *text, struct kho_move_record *ret, char **ret_config,
			  struct kho_err *err)
{
	_cleanup_free_ struct kho_move_record *record = calloc(1, sizeof(*record));
	char *line = next_line(&text);
	unsigned int number = 1;

	if (!record)
		return kho_fail(err, -ENOMEM, "no memory for the record of a move");
	if (!line || strcmp(line, HEAD) != 0)
		return kho_fail(err, -EBADMSG, "the record of a move isn't one, or of another "
				"version of the agent");
	while ((line = next_line(&text)) && strcmp(line, "config") != 0) {
		number++;
		if (read_line(line, record) < 0)
			return kho_fail(err, -EBADMSG, "line %u of the record of a move can't be "
					"read", number);
	}
	if (!line || !record->move || !record->nr[KHO_SCOPE_MOVE])
		return kho_fail(err, -EBADMSG, "the record of a move isn't whole");
	*ret = *record;
	*ret_config = text;
	return 0;
}

/* ---- deciding ---- */

void kho_move_record_note(const struct kho_move *move, struct kho_move_record *record)
{
	memcpy(record->nr, move->nr, sizeof(record->nr));
	memcpy(record->begun, move->begun, sizeof(record->begun));
	/* one that is being undone isn't among them any more, and isn't undone yet */
	record->begun[move->step] |= move->pending;
}

static enum kho_step last_begun(const struct kho_move_record *record)
{
	unsigned int step = _KHO_STEP_MAX - 1;

	while (step > KHO_STEP_NONE && !record->begun[step])
		step--;
	return step;
}

bool kho_move_record_committed(const struct kho_move_record *record,
			       const struct kho_owner *owner)
{
	enum kho_step last = last_begun(record);

	if (last != KHO_STEP_COMMIT)
		return last > KHO_STEP_COMMIT;
	return !owner || owner->epoch != record->epoch;
}

bool kho_move_may_receive(const struct kho_owner *owner, bool is_new, enum kho_step step,
			  bool undo)
{
	bool ours = owner && owner->is_new == is_new;

	if (undo)
		return !ours;
	return step > KHO_STEP_COMMIT ? ours || !owner : owner && !ours;
}

struct kho_move_output kho_move_record_resume(const struct kho_move_record *record,
					      bool committed, struct kho_move *move)
{
	enum kho_step last = last_begun(record);
	struct kho_move fresh = {
		.step = last, .peer_lost = move->peer_lost, .fenced = move->fenced,
	};

	memcpy(fresh.nr, record->nr, sizeof(fresh.nr));
	memcpy(fresh.begun, record->begun, sizeof(fresh.begun));
	/* the first step that is only for those that don't move */
	fresh.restarted = record->begun[KHO_STEP_ADMIT];
	if (!committed) {
		fresh.state = KHO_MOVE_UNDOING;
		kho_fail(&fresh.err, -EINTR, "the agent was killed during %s; what it had begun "
			 "was undone", last ? kho_step_info(last)->name : "the beginning");
		*move = fresh;
		return kho_move_undo_on(move);
	}
	/* the step before the one that was under way is over: that one's done again */
	fresh.state = KHO_MOVE_FORWARD;
	fresh.step = last > KHO_STEP_COMMIT ? last - 1 : KHO_STEP_COMMIT;
	fresh.pending = 1;
	if (fresh.peer_lost)
		kho_fail(&fresh.undo_err, -ECONNRESET, "the other kernel was lost while the agent "
			 "was started again; what it had yet to do isn't done");
	*move = fresh;
	return kho_move_done(move, fresh.step, 0, NULL);
}
