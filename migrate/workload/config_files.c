// SPDX-License-Identifier: GPL-2.0-only
/* Which files the configuration is read from, and in which order; config.h says it. */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/workload/config.h"

#define FILE_MAX	(256u << 10)
#define RUN_FOLDER	"/run/kho-agent"
#define MAIN_FILE	"kho-agent.conf"
#define DROP_INS	"kho-agent.conf.d"

static const char *const folders[] = { "/usr/lib/kho-agent", "/etc/kho-agent", RUN_FOLDER };

#define NR_FOLDERS (sizeof(folders) / sizeof(folders[0]))

/* What's done with each file. */
typedef int (*file_fn)(const char *path, void *ctx, struct kho_err *err);

static int read_file(const char *path, void *ctx, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = kho_file_read(path, FILE_MAX, &text, NULL, err);

	return r < 0 ? r : kho_config_parse(path, text, ctx, err);
}

/* Whether a later folder has a file of this name. */
static bool replaced(const char *path, size_t folder)
{
	const char *name = path + strlen(folders[folder]);
	char other[512];

	for (size_t i = folder + 1; i < NR_FOLDERS; i++) {
		snprintf(other, sizeof(other), "%s%s", folders[i], name);
		if (access(other, F_OK) == 0)
			return true;
	}
	return false;
}

static int compare(const void *a, const void *b)
{
	return strcmp(strrchr(*(char *const *)a, '/'), strrchr(*(char *const *)b, '/'));
}

static int for_each(const char *pattern, file_fn fn, void *ctx, struct kho_err *err)
{
	_cleanup_free_ char **paths = NULL;
	glob_t found[NR_FOLDERS] = {};
	char path[512];
	size_t nr = 0, total = 0;
	int r = 0;

	for (size_t i = 0; i < NR_FOLDERS; i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], pattern);
		glob(path, GLOB_NOSORT, NULL, &found[i]);
		total += found[i].gl_pathc;
	}
	paths = calloc(total ?: 1, sizeof(*paths));
	if (!paths)
		r = kho_fail(err, -ENOMEM, "no memory for the configuration");
	for (size_t i = 0; i < NR_FOLDERS && r >= 0; i++)
		for (size_t n = 0; n < found[i].gl_pathc; n++)
			if (!replaced(found[i].gl_pathv[n], i))
				paths[nr++] = found[i].gl_pathv[n];
	if (nr)
		qsort(paths, nr, sizeof(*paths), compare);
	for (size_t n = 0; n < nr && r >= 0; n++)
		r = fn(paths[n], ctx, err);
	for (size_t i = 0; i < NR_FOLDERS; i++)
		globfree(&found[i]);
	return r;
}

static int for_all(file_fn fn, void *ctx, struct kho_err *err)
{
	int r = for_each(MAIN_FILE, fn, ctx, err);

	return r < 0 ? r : for_each(DROP_INS "/*.conf", fn, ctx, err);
}

int kho_config_load(struct kho_config **ret, struct kho_err *err)
{
	struct kho_config *config = calloc(1, sizeof(*config));
	int r;

	if (!config)
		return kho_fail(err, -ENOMEM, "no memory for the configuration");
	r = for_all(read_file, config, err);
	if (r >= 0)
		r = kho_config_finish(config, err);
	if (r < 0) {
		free(config);
		return kho_wrap(err, r, "configuration");
	}
	*ret = config;
	return 0;
}

/* ---- for another kernel's agent ---- */

struct text {
	char *data;
	size_t size;
};

static int add_file(const char *path, void *ctx, struct kho_err *err)
{
	_cleanup_free_ char *part = NULL;
	struct text *text = ctx;
	size_t size;
	char *more;
	int r = kho_file_read(path, FILE_MAX, &part, &size, err);

	if (r < 0)
		return r;
	if (text->size + size >= KHO_CONFIG_MAX)
		return kho_fail(err, -EFBIG, "the files of the configuration have more than %u KiB; "
				"take comments out", KHO_CONFIG_MAX >> 10);
	more = realloc(text->data, text->size + size + 3);
	if (!more)
		return kho_fail(err, -ENOMEM, "no memory for the configuration");
	memcpy(more + text->size, part, size);
	text->data = more;
	text->size += size;
	/* the last line may lack its end; a backslash there goes on with an empty one */
	text->data[text->size++] = '\n';
	text->data[text->size++] = '\n';
	text->data[text->size] = '\0';
	return 0;
}

int kho_config_text(char **ret, struct kho_err *err)
{
	struct text text = {};
	int r = for_all(add_file, &text, err);

	if (r >= 0 && !text.data && !(text.data = strdup("")))
		r = kho_fail(err, -ENOMEM, "no memory for the configuration");
	if (r < 0) {
		free(text.data);
		return kho_wrap(err, r, "configuration");
	}
	*ret = text.data;
	return 0;
}

static int check_text(const char *text, struct kho_err *err)
{
	_cleanup_free_ struct kho_config *config = calloc(1, sizeof(*config));
	_cleanup_free_ char *copy = strdup(text);
	int r;

	if (!config || !copy)
		return kho_fail(err, -ENOMEM, "no memory for the configuration");
	r = kho_config_parse("the other kernel's configuration", copy, config, err);
	return r < 0 ? r : kho_config_finish(config, err);
}

/* An empty file of the same name counts instead of it. */
static int mask(const char *path, void *ctx, struct kho_err *err)
{
	const struct kho_file_content empty = { .data = "", .mode = 0644 };
	char other[512];

	(void)ctx;
	snprintf(other, sizeof(other), RUN_FOLDER "/" DROP_INS "%s", strrchr(path, '/'));
	return kho_file_write_atomic(other, &empty, err);
}

int kho_config_replace(const char *text, struct kho_err *err)
{
	const struct kho_file_content content = {
		.data = text, .size = strlen(text), .mode = 0644,
	};
	int r = check_text(text, err);

	if (r >= 0 && mkdir(RUN_FOLDER "/" DROP_INS, 0755) < 0 && errno != EEXIST)
		r = kho_fail_errno(err, -errno, RUN_FOLDER "/" DROP_INS);
	if (r >= 0)
		r = for_each(DROP_INS "/*.conf", mask, NULL, err);
	return r < 0 ? r : kho_file_write_atomic(RUN_FOLDER "/" MAIN_FILE, &content, err);
}
