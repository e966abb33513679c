// SPDX-License-Identifier: GPL-2.0-only
/* Which files the configuration is read from, and in which order; config.h says it. */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/workload/config.h"

#define FILE_MAX	(256u << 10)

static const char *const folders[] = { "/usr/lib/kho-agent", "/etc/kho-agent", "/run/kho-agent" };

#define NR_FOLDERS (sizeof(folders) / sizeof(folders[0]))

/* @copy gets the text; NULL: nobody wants it. */
static int read_file(const char *path, struct kho_config *config, FILE *copy,
		     struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = kho_file_read(path, FILE_MAX, &text, NULL, err);

	if (r < 0)
		return r;
	/* an empty line ends what a backslash at the end of a file would go on with */
	if (copy)
		fprintf(copy, "%s\n\n", text);
	return kho_config_parse(path, text, config, err);
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

static int read_all(struct kho_config *config, const char *pattern, FILE *copy,
		    struct kho_err *err)
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
		r = read_file(paths[n], config, copy, err);
	for (size_t i = 0; i < NR_FOLDERS; i++)
		globfree(&found[i]);
	return r;
}

static int load(struct kho_config *config, FILE *copy, struct kho_err *err)
{
	int r = read_all(config, "kho-agent.conf", copy, err);

	if (r >= 0)
		r = read_all(config, "kho-agent.conf.d/*.conf", copy, err);
	return r < 0 ? r : kho_config_finish(config, err);
}

int kho_config_load(struct kho_config **ret, struct kho_err *err)
{
	return kho_config_load_text(ret, NULL, err);
}

int kho_config_load_text(struct kho_config **ret, char **ret_text, struct kho_err *err)
{
	_cleanup_free_ struct kho_config *config = calloc(1, sizeof(*config));
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *copy = ret_text ? open_memstream(&text, &size) : NULL;
	int r;

	if (!config || (ret_text && !copy))
		r = kho_fail(err, -ENOMEM, "no memory for the configuration");
	else
		r = load(config, copy, err);
	if (copy && fclose(copy) != 0 && r >= 0)
		r = kho_fail(err, -ENOMEM, "no memory for the configuration");
	if (r < 0)
		return kho_wrap(err, r, "configuration");
	if (ret_text)
		*ret_text = TAKE_PTR(text);
	*ret = TAKE_PTR(config);
	return 0;
}
