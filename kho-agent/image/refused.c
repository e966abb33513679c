// SPDX-License-Identifier: GPL-2.0-only
/* Notes of refused images; refused.h has the format. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/ini.h"
#include "image/refused.h"

#define PREFIX_MIN	8
#define LOOKED_AT	4096		/* files, whatever somebody has put there */

static const char *const causes[_KHO_REFUSED_MAX] = {
	[KHO_REFUSED_UNKNOWN] = "unknown",
	[KHO_REFUSED_SIGNATURE] = "signature",
	[KHO_REFUSED_NO_HELLO] = "no-hello",
	[KHO_REFUSED_PANICKED] = "panicked",
};

const char *kho_refused_cause_name(enum kho_refused_cause cause)
{
	return (unsigned int)cause < _KHO_REFUSED_MAX ? causes[cause] : "unknown";
}

/* ---- one note ---- */

/* A backslash at its end would join it with the next line. */
static void set_text(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; from[n] && n + 1 < size; n++)
		to[n] = from[n] >= ' ' && from[n] <= '~' && from[n] != '\\' ? from[n] : '?';
	to[n] = '\0';
}

static int set_digest(struct kho_refused *refused, const char *value, struct kho_err *err)
{
	if (strlen(value) == KHO_SHA256_TEXT - 1 && kho_sha256_parse(value, refused->digest) == 0)
		return 0;
	return kho_fail(err, -EINVAL, "Digest= is none");
}

static void set_cause(struct kho_refused *refused, const char *value)
{
	refused->cause = KHO_REFUSED_UNKNOWN;
	for (unsigned int i = 0; i < _KHO_REFUSED_MAX; i++)
		if (strcmp(value, causes[i]) == 0)
			refused->cause = i;
}

struct parsing {
	struct kho_refused note;
	bool has_digest;
};

/* Keys of a later version are passed over. */
static int take_item(void *ctx, const struct kho_ini_item *item, struct kho_err *err)
{
	struct parsing *parsing = ctx;
	struct kho_refused *note = &parsing->note;

	if (strcmp(item->section, "Refused") != 0)
		return 0;
	if (strcmp(item->key, "Digest") == 0) {
		parsing->has_digest = true;
		return set_digest(note, item->value, err);
	}
	if (strcmp(item->key, "Cause") == 0)
		set_cause(note, item->value);
	else if (strcmp(item->key, "Time") == 0)
		set_text(note->time, sizeof(note->time), item->value);
	else if (strcmp(item->key, "Name") == 0)
		set_text(note->name, sizeof(note->name), item->value);
	else if (strcmp(item->key, "Release") == 0)
		set_text(note->release, sizeof(note->release), item->value);
	else if (strcmp(item->key, "Reason") == 0)
		set_text(note->reason, sizeof(note->reason), item->value);
	return 0;
}

int kho_refused_parse(char *text, struct kho_refused *ret, struct kho_err *err)
{
	struct parsing parsing = {};
	int r = kho_ini_parse("note", text, take_item, &parsing, err);

	if (r >= 0 && !parsing.has_digest)
		r = kho_fail(err, -EINVAL, "note: Digest= is missing");
	if (r >= 0)
		*ret = parsing.note;
	return r;
}

/* Reads a regular file of text. The last byte of @text is kept for the terminator. */
static int read_text(const char *path, char text[KHO_REFUSED_FILE_MAX + 1], struct kho_err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t size;

	if (fd < 0 || fstat(fd, &st) < 0)
		return kho_fail_errno(err, -errno, "%s can't be opened", path);
	if (!S_ISREG(st.st_mode) || st.st_size > KHO_REFUSED_FILE_MAX)
		return kho_fail(err, -EFBIG, "%s is no file of up to %d bytes; remove it", path,
				KHO_REFUSED_FILE_MAX);
	size = read(fd, text, KHO_REFUSED_FILE_MAX);
	if (size < 0)
		return kho_fail_errno(err, -errno, "%s can't be read", path);
	text[size] = '\0';
	return 0;
}

int kho_refused_read(const char *path, struct kho_refused *ret, struct kho_err *err)
{
	char text[KHO_REFUSED_FILE_MAX + 1];
	int r = read_text(path, text, err);

	if (r >= 0)
		r = kho_refused_parse(text, ret, err);
	return r < 0 ? kho_wrap(err, r, "%s", path) : 0;
}

int kho_refused_write(const char *path, const struct kho_refused *refused, struct kho_err *err)
{
	struct kho_refused clean = *refused;
	struct kho_file_content content = { .mode = 0600 };
	char digest[KHO_SHA256_TEXT], text[KHO_REFUSED_FILE_MAX];

	kho_sha256_format(refused->digest, digest);
	set_text(clean.time, sizeof(clean.time), refused->time);
	set_text(clean.name, sizeof(clean.name), refused->name);
	set_text(clean.release, sizeof(clean.release), refused->release);
	set_text(clean.reason, sizeof(clean.reason), refused->reason);
	snprintf(text, sizeof(text), "[Refused]\nDigest=%s\nCause=%s\nTime=%s\nName=%s\n"
		 "Release=%s\nReason=%s\n", digest, kho_refused_cause_name(refused->cause),
		 clean.time, clean.name, clean.release, clean.reason);
	content.data = text;
	content.size = strlen(text);
	return kho_file_write_atomic(path, &content, err);
}

/* ---- the folder ---- */

static void note_path(const char *folder, const uint8_t digest[KHO_SHA256_SIZE], char *path,
		      size_t size)
{
	char text[KHO_SHA256_TEXT];

	kho_sha256_format(digest, text);
	snprintf(path, size, "%s/%s", folder, text);
}

int kho_refused_find(const char *folder, const uint8_t digest[KHO_SHA256_SIZE],
		     struct kho_refused *ret, struct kho_err *err)
{
	struct kho_refused note = {};
	struct kho_err why;
	struct stat st;
	char path[512];

	note_path(folder, digest, path, sizeof(path));
	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			return 0;
		return kho_fail_errno(err, -errno, "%s, where refused images are noted, can't be "
				      "looked at", folder);
	}
	if (kho_refused_read(path, &note, &why) < 0 ||
	    memcmp(note.digest, digest, KHO_SHA256_SIZE) != 0) {
		note = (struct kho_refused){};
		memcpy(note.digest, digest, KHO_SHA256_SIZE);
		set_text(note.reason, sizeof(note.reason), "the note that says why can't be read");
	}
	*ret = note;
	return 1;
}

struct notes {
	struct kho_refused *list;
	struct timespec *times;
	size_t nr;
};

static void free_notes(struct notes *notes)
{
	free(notes->list);
	free(notes->times);
}

static bool is_earlier(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* Where it goes, oldest first; of too many the newest ones are kept. */
static void insert(struct notes *notes, const struct kho_refused *note, struct timespec when)
{
	size_t at = notes->nr;

	while (at && is_earlier(&when, &notes->times[at - 1]))
		at--;
	if (notes->nr == KHO_REFUSED_MAX) {
		if (!at)
			return;
		at--;
		memmove(&notes->list[0], &notes->list[1], at * sizeof(notes->list[0]));
		memmove(&notes->times[0], &notes->times[1], at * sizeof(notes->times[0]));
	} else {
		memmove(&notes->list[at + 1], &notes->list[at],
			(notes->nr - at) * sizeof(notes->list[0]));
		memmove(&notes->times[at + 1], &notes->times[at],
			(notes->nr - at) * sizeof(notes->times[0]));
		notes->nr++;
	}
	notes->list[at] = *note;
	notes->times[at] = when;
}

static void add_entry(struct notes *notes, const char *folder, int fd, const char *name)
{
	uint8_t digest[KHO_SHA256_SIZE];
	struct kho_refused note;
	struct stat st;

	if (strlen(name) != KHO_SHA256_TEXT - 1 || kho_sha256_parse(name, digest) < 0 ||
	    fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    kho_refused_find(folder, digest, &note, NULL) != 1)
		return;
	insert(notes, &note, st.st_mtim);
}

static int read_notes(const char *folder, struct notes *notes, struct kho_err *err)
{
	_cleanup_closedir_ DIR *dir = opendir(folder);
	struct dirent *entry;

	if (!dir && errno != ENOENT)
		return kho_fail_errno(err, -errno, "%s can't be read", folder);
	notes->list = calloc(KHO_REFUSED_MAX, sizeof(notes->list[0]));
	notes->times = calloc(KHO_REFUSED_MAX, sizeof(notes->times[0]));
	if (!notes->list || !notes->times)
		return kho_fail(err, -ENOMEM, "%s: out of memory; free some and try again", folder);
	for (int i = 0; dir && i < LOOKED_AT && (entry = readdir(dir)); i++)
		add_entry(notes, folder, dirfd(dir), entry->d_name);
	return 0;
}

int kho_refused_list(const char *folder, struct kho_refused **ret, size_t *ret_nr,
		     struct kho_err *err)
{
	_cleanup_(free_notes) struct notes notes = {};
	int r = read_notes(folder, &notes, err);

	if (r < 0)
		return r;
	*ret = TAKE_PTR(notes.list);
	*ret_nr = notes.nr;
	return 0;
}

static int sync_folder(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int make_folder(const char *folder, struct kho_err *err)
{
	_cleanup_free_ char *parent = strdup(folder);
	char *slash = parent ? strrchr(parent, '/') : NULL;

	if (!slash || slash == parent)
		return kho_fail(err, -EINVAL, "%s is no folder for notes", folder);
	*slash = '\0';
	if (mkdir(parent, 0700) < 0 && errno != EEXIST)
		return kho_fail_errno(err, -errno, "%s can't be made", parent);
	if (mkdir(folder, 0700) < 0)
		return errno == EEXIST ? 0 :
			kho_fail_errno(err, -errno, "%s can't be made", folder);
	/* or it's gone after a crash, with what is in it */
	return sync_folder(parent) < 0 ?
		kho_fail_errno(err, -errno, "%s can't be synced", parent) : 0;
}

/* Makes room for one more. */
static int drop_oldest(const char *folder, struct kho_err *err)
{
	_cleanup_(free_notes) struct notes notes = {};
	char path[512];
	int r = read_notes(folder, &notes, err);

	if (r < 0 || notes.nr < KHO_REFUSED_MAX)
		return r;
	note_path(folder, notes.list[0].digest, path, sizeof(path));
	return unlink(path) < 0 && errno != ENOENT ?
		kho_fail_errno(err, -errno, "%s can't be removed", path) : 0;
}

int kho_refused_add(const char *folder, const struct kho_refused *refused, struct kho_err *err)
{
	char path[512];
	int r = make_folder(folder, err);

	note_path(folder, refused->digest, path, sizeof(path));
	if (r >= 0 && access(path, F_OK) < 0)
		r = drop_oldest(folder, err);
	return r < 0 ? r : kho_refused_write(path, refused, err);
}

int kho_refused_clear(const char *folder, const char *prefix, struct kho_err *err)
{
	_cleanup_(free_notes) struct notes notes = {};
	const struct kho_refused *found = NULL;
	char text[KHO_SHA256_TEXT], path[512];
	size_t size = strlen(prefix);
	int r;

	if (size < PREFIX_MIN || size >= KHO_SHA256_TEXT || prefix[strspn(prefix, "0123456789abcdef")])
		return kho_fail(err, -EINVAL, "\"%.70s\" is no digest, nor its first %d digits or "
				"more; see khoctl image list", prefix, PREFIX_MIN);
	r = read_notes(folder, &notes, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < notes.nr; i++) {
		kho_sha256_format(notes.list[i].digest, text);
		if (strncmp(text, prefix, size) != 0)
			continue;
		if (found)
			return kho_fail(err, -ENOTUNIQ, "several refused images' digests begin with "
					"%s; give more digits", prefix);
		found = &notes.list[i];
	}
	if (!found)
		return kho_fail(err, -ENOENT, "no refused image's digest begins with %s; see khoctl "
				"image list", prefix);
	note_path(folder, found->digest, path, sizeof(path));
	if (unlink(path) < 0)
		return kho_fail_errno(err, -errno, "%s can't be removed", path);
	return sync_folder(folder) < 0 ?
		kho_fail_errno(err, -errno, "%s can't be synced", folder) : 0;
}
