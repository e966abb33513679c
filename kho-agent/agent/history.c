// SPDX-License-Identifier: GPL-2.0-only
/* The history's files; history.h has their form. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/history.h"
#include "agent/move_report.h"
#include "agent/tally.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "system/sysroot.h"

#define ENTRY_MAX	(256u << 10)
#define HANDED_MAX	(24u << 10)	/* bytes of one, in one message with the others */
#define SUFFIX		".json"

/* ---- an entry ---- */

static int add_phases(const struct kho_journal *journal, sd_json_variant **ret)
{
	int r = 0;

	for (unsigned int i = 0; i + 1 < journal->nr_at && r >= 0; i++) {
		_cleanup_variant_ sd_json_variant *phase = NULL;
		const struct kho_journal_at *at = &journal->at[i];

		r = sd_json_buildo(
			&phase,
			SD_JSON_BUILD_PAIR_STRING("name", kho_upgrade_state_name(at->state)),
			SD_JSON_BUILD_PAIR_INTEGER("start_ms",
						   (int64_t)(at->ms - journal->at[0].ms)),
			SD_JSON_BUILD_PAIR_INTEGER("duration_ms", (int64_t)(at[1].ms - at->ms)));
		if (r >= 0)
			r = sd_json_variant_append_array(ret, phase);
	}
	return r;
}

static const char *result_of(const struct kho_journal *journal)
{
	switch (journal->upgrade.state) {
	case KHO_UPGRADE_FAILED:
		return journal->upgrade.err.code ? journal->upgrade.err.msg : "failed";
	default:
		return "committed";
	}
}

/* @report is that of its move, or NULL. */
static int make_entry(const struct kho_journal *journal, const char *result,
		      sd_json_variant *report, sd_json_variant **ret, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *phases = NULL;
	int r = add_phases(journal, &phases);

	if (r >= 0)
		r = sd_json_buildo(
			ret, SD_JSON_BUILD_PAIR_UNSIGNED("schema", KHO_HISTORY_SCHEMA),
			SD_JSON_BUILD_PAIR_STRING("id", journal->id),
			SD_JSON_BUILD_PAIR_STRING("result", result),
			SD_JSON_BUILD_PAIR_CONDITION(journal->upgrade.kexec, "method",
						     SD_JSON_BUILD_STRING("kexec")),
			SD_JSON_BUILD_PAIR_STRING("by", journal->by),
			SD_JSON_BUILD_PAIR_STRING("image", journal->image),
			SD_JSON_BUILD_PAIR_STRING("old_release", journal->source),
			SD_JSON_BUILD_PAIR_STRING("new_release", journal->target),
			SD_JSON_BUILD_PAIR_UNSIGNED("began_ms", journal->at[0].ms),
			SD_JSON_BUILD_PAIR_UNSIGNED("ended_ms",
						    journal->at[journal->nr_at - 1].ms),
			SD_JSON_BUILD_PAIR_CONDITION(!!phases, "phases",
						     SD_JSON_BUILD_VARIANT(phases)),
			SD_JSON_BUILD_PAIR_CONDITION(!!report, "move",
						     SD_JSON_BUILD_VARIANT(report)));
	return r < 0 ? kho_fail_errno(err, r, "an entry of the history") : 0;
}

int kho_history_entry(const struct kho_journal *journal, bool move, sd_json_variant **ret,
		      struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *report = NULL;

	if (move)
		(void)kho_move_report_read(&report, NULL);
	return make_entry(journal, result_of(journal), report, ret, err);
}

int kho_history_told(const struct kho_story *story, sd_json_variant **ret, struct kho_err *err)
{
	char result[128];

	snprintf(result, sizeof(result), "under way when it was last told of: in \"%s\"%s%s",
		 kho_upgrade_state_name(story->journal.upgrade.state),
		 *story->step ? ", " : "", story->step);
	return make_entry(&story->journal, result, NULL, ret, err);
}

/* ---- files ---- */

static uint64_t began(sd_json_variant *entry)
{
	sd_json_variant *field = sd_json_variant_by_key(entry, "began_ms");

	return field && sd_json_variant_is_unsigned(field) ? sd_json_variant_unsigned(field) : 0;
}

/* Its id, if that and all that's sorted by is there. */
static int check_entry(sd_json_variant *entry, char ret[KHO_UUID_TEXT], struct kho_err *err)
{
	sd_json_variant *id = sd_json_variant_by_key(entry, "id");
	uint8_t uuid[KHO_UUID_SIZE];

	if (!sd_json_variant_is_object(entry) || !id || !sd_json_variant_is_string(id) ||
	    kho_parse_uuid(sd_json_variant_string(id), uuid, NULL) < 0 || !began(entry))
		return kho_fail(err, -EBADMSG, "it's no entry of the history");
	kho_uuid_format(uuid, ret);
	return 0;
}

static int read_entry(const char *name, sd_json_variant **ret)
{
	_cleanup_variant_ sd_json_variant *entry = NULL;
	char path[512], id[KHO_UUID_TEXT];
	_cleanup_free_ char *text = NULL;

	snprintf(path, sizeof(path), KHO_HISTORY_DIR "/%s", name);
	if (kho_file_read(path, ENTRY_MAX, &text, NULL, NULL) < 0 ||
	    sd_json_parse(text, 0, &entry, NULL, NULL) < 0 || check_entry(entry, id, NULL) < 0)
		return -EBADMSG;
	*ret = sd_json_variant_ref(entry);
	return 0;
}

struct entries {
	sd_json_variant *list[4 * KHO_HISTORY_KEPT];
	size_t nr;
};

static void entries_done(struct entries *entries)
{
	for (size_t i = 0; i < entries->nr; i++)
		sd_json_variant_unref(entries->list[i]);
}

static int newest_first(const void *a, const void *b)
{
	uint64_t left = began(*(sd_json_variant *const *)a);
	uint64_t right = began(*(sd_json_variant *const *)b);

	return left < right ? 1 : left > right ? -1 : 0;
}

/* What can't be read is passed over. */
static int read_all(struct entries *ret, struct kho_err *err)
{
	struct kho_names names = {};
	int r = kho_sysroot_list(KHO_HISTORY_DIR, &names, err);

	if (r == -ENOENT)
		return 0;
	for (size_t i = 0; i < names.nr && ret->nr < 4 * KHO_HISTORY_KEPT; i++)
		if (read_entry(names.names[i], &ret->list[ret->nr]) >= 0)
			ret->nr++;
	kho_names_done(&names);
	qsort(ret->list, ret->nr, sizeof(ret->list[0]), newest_first);
	return r;
}

static void path_of(const char *id, char ret[512])
{
	snprintf(ret, 512, KHO_HISTORY_DIR "/%s" SUFFIX, id);
}

/*
 * What goes is in the tally first. If that can't be read it's begun anew; if it can't be
 * written nothing goes.
 */
static void drop_oldest(void)
{
	_cleanup_(entries_done) struct entries entries = {};
	char path[512], id[KHO_UUID_TEXT];
	struct kho_past tally;

	if (read_all(&entries, NULL) < 0 || entries.nr <= KHO_HISTORY_KEPT)
		return;
	(void)kho_tally_read(&tally, NULL);
	for (size_t i = KHO_HISTORY_KEPT; i < entries.nr; i++)
		kho_past_add(&tally, entries.list[i]);
	kho_past_close(&tally, began(entries.list[KHO_HISTORY_KEPT - 1]));
	if (kho_tally_write(&tally, NULL) < 0)
		return;
	for (size_t i = KHO_HISTORY_KEPT; i < entries.nr; i++)
		if (check_entry(entries.list[i], id, NULL) >= 0) {
			path_of(id, path);
			unlink(path);
		}
}

static int make_folders(struct kho_err *err)
{
	if ((mkdir(KHO_STATE_DIR, 0755) < 0 && errno != EEXIST) ||
	    (mkdir(KHO_HISTORY_DIR, 0750) < 0 && errno != EEXIST))
		return kho_fail_errno(err, -errno, KHO_HISTORY_DIR);
	return 0;
}

int kho_history_keep(sd_json_variant *entry, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	struct kho_file_content content = { .mode = 0640 };
	char path[512], id[KHO_UUID_TEXT];
	int r = check_entry(entry, id, err);

	if (r < 0)
		return r;
	r = make_folders(err);
	if (r < 0)
		return r;
	r = sd_json_variant_format(entry, SD_JSON_FORMAT_NEWLINE, &text);
	if (r < 0)
		return kho_fail_errno(err, r, "an entry of the history");
	content.data = text;
	content.size = strlen(text);
	path_of(id, path);
	r = kho_file_write_atomic(path, &content, err);
	if (r >= 0)
		drop_oldest();
	return r;
}

/* The old kernel has counted all; what this one has counted is among that. */
static int keep_tally(sd_json_variant *v, struct kho_err *err)
{
	struct kho_past tally;
	int r = kho_past_parse(v, &tally, err);

	if (r >= 0)
		r = make_folders(err);
	return r < 0 ? r : kho_tally_write(&tally, err);
}

int kho_history_keep_text(const char *text, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *entry = NULL;

	if (strlen(text) > ENTRY_MAX || sd_json_parse(text, 0, &entry, NULL, NULL) < 0)
		return kho_fail(err, -EBADMSG, "it's no entry of the history");
	if (sd_json_variant_by_key(entry, "tally"))
		return keep_tally(entry, err);
	return kho_history_keep(entry, err);
}

/* ---- for the next kernel ---- */

/* One that's too long goes without its move. */
static int text_of(sd_json_variant *entry, char **ret)
{
	_cleanup_variant_ sd_json_variant *short_one = NULL;
	_cleanup_free_ char *text = NULL;
	int r = sd_json_variant_format(entry, 0, &text);

	if (r >= 0 && strlen(text) > HANDED_MAX) {
		free(TAKE_PTR(text));
		short_one = sd_json_variant_ref(entry);
		r = sd_json_variant_filter(&short_one, (char *[]){ (char *)"move", NULL });
		if (r >= 0)
			r = sd_json_variant_format(short_one, 0, &text);
	}
	if (r < 0 || strlen(text) > HANDED_MAX)
		return -E2BIG;
	*ret = TAKE_PTR(text);
	return 0;
}

/* Of all that began before @since, those of @entries from @first on among it. */
static int hand_over_tally(const struct entries *entries, size_t first, uint64_t since, char **ret)
{
	struct kho_past tally;

	(void)kho_tally_read(&tally, NULL);
	for (size_t i = first; i < entries->nr; i++)
		kho_past_add(&tally, entries->list[i]);
	kho_past_close(&tally, since);
	return kho_tally_text(&tally, ret);
}

size_t kho_history_hand_over(const struct kho_journal *journal, char *ret[KHO_HISTORY_TEXTS])
{
	_cleanup_(entries_done) struct entries entries = {};
	_cleanup_variant_ sd_json_variant *entry = NULL;
	uint64_t since = 0;
	size_t nr = 0, i;

	if (journal && kho_history_entry(journal, true, &entry, NULL) >= 0 &&
	    text_of(entry, &ret[nr]) >= 0) {
		since = began(entry);
		nr++;
	}
	if (read_all(&entries, NULL) < 0)
		return nr;
	for (i = 0; i < entries.nr && nr < KHO_HISTORY_HANDED; i++)
		if (text_of(entries.list[i], &ret[nr]) >= 0) {
			since = began(entries.list[i]);
			nr++;
		}
	if (hand_over_tally(&entries, i, since, &ret[nr]) >= 0)
		nr++;
	return nr;
}

/* ---- reading ---- */

int kho_history_list(sd_json_variant **ret, struct kho_err *err)
{
	_cleanup_(entries_done) struct entries entries = {};
	_cleanup_variant_ sd_json_variant *list = NULL;
	int r = read_all(&entries, err);

	if (r < 0 && r != -ENOENT)
		return r;
	r = sd_json_variant_new_array(&list, NULL, 0);
	for (size_t i = 0; i < entries.nr && r >= 0; i++) {
		r = sd_json_variant_filter(&entries.list[i], (char *[]){ (char *)"move", NULL });
		if (r >= 0)
			r = sd_json_variant_append_array(&list, entries.list[i]);
	}
	if (r < 0)
		return kho_fail_errno(err, r, "the history");
	*ret = TAKE_PTR(list);
	return 0;
}

int kho_history_read(const char *id, sd_json_variant **ret, struct kho_err *err)
{
	_cleanup_(entries_done) struct entries entries = {};
	sd_json_variant *found = NULL;
	char own[KHO_UUID_TEXT];
	int r = read_all(&entries, err);

	if (r < 0 && r != -ENOENT)
		return r;
	for (size_t i = 0; i < entries.nr; i++) {
		if (check_entry(entries.list[i], own, NULL) < 0 ||
		    strncmp(own, id, strlen(id)) != 0)
			continue;
		if (found)
			return kho_fail(err, -EINVAL, "more than one upgrade's id begins with "
					"\"%.40s\"; give more of it", id);
		found = entries.list[i];
	}
	if (!found)
		return kho_fail(err, -ENOENT, "there's no upgrade \"%.40s\"; see khoctl history",
				id);
	*ret = sd_json_variant_ref(found);
	return 0;
}

int kho_history_past(struct kho_past *ret, struct kho_err *err)
{
	_cleanup_(entries_done) struct entries entries = {};
	int r = kho_tally_read(ret, err);

	if (r >= 0)
		r = read_all(&entries, err);
	for (size_t i = 0; i < entries.nr; i++)
		kho_past_add(ret, entries.list[i]);
	return r;
}
