// SPDX-License-Identifier: GPL-2.0-only
/*
 * The closure is a queue that is also the result: files from nr_scanned on are
 * read, and what they need is put at the end unless it's there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "image/elf.h"
#include "image/glob.h"
#include "image/libs.h"

#define LD_CONF		"/etc/ld.so.conf"
#define MAX_CONF	(64u << 10)
#define BLANK		" \t\r"
#define MAX_DEPTH	4	/* of files that include files */

static const char *const system_dirs[] = {
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu",
	"/lib64", "/usr/lib64", "/lib", "/usr/lib",
};

static int out_of_memory(struct kho_err *err, int code)
{
	return kho_fail_errno(err, code, "list of libraries; free memory and try again");
}

/* ---- ld.so.conf ---- */

static int read_conf(struct kho_libs *libs, const char *path, unsigned int depth,
		     struct kho_err *err);

/* "include /etc/ld.so.conf.d/ *.conf": a pattern in the last component only. */
static int include(struct kho_libs *libs, const char *pattern, unsigned int depth,
		   struct kho_err *err)
{
	_cleanup_strset_ struct kho_strset names = { 0 };
	const char *slash = strrchr(pattern, '/');
	char dir[PATH_MAX], path[PATH_MAX];
	size_t i;
	int r;

	if (!slash || depth == MAX_DEPTH)
		return 0;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - pattern), pattern);
	r = kho_rootfs_list(libs->root, dir, &names, NULL);
	if (r < 0)
		return 0;	/* as ld.so: what can't be read isn't there */
	for (i = 0; i < names.nr; i++) {
		if (!kho_glob_match(slash + 1, names.items[i].text))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", dir, names.items[i].text) >= PATH_MAX)
			continue;
		r = read_conf(libs, path, depth + 1, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_line(struct kho_libs *libs, char *line, unsigned int depth, struct kho_err *err)
{
	char *rest, *word;
	int r = 0;

	line[strcspn(line, "#")] = '\0';
	word = strtok_r(line, BLANK, &rest);
	if (!word)
		return 0;
	if (strcmp(word, "include") == 0) {
		while (r == 0 && (word = strtok_r(NULL, BLANK, &rest)))
			r = include(libs, word, depth, err);
		return r;
	}
	/* "hwcap" lines and relative directories are not for us */
	if (word[0] == '/')
		r = kho_strset_add(&libs->dirs, word, 0);
	return r < 0 ? out_of_memory(err, r) : 0;
}

static int read_conf(struct kho_libs *libs, const char *path, unsigned int depth,
		     struct kho_err *err)
{
	_cleanup_rootfs_file_ struct kho_rootfs_file file = { 0 };
	char *line, *rest;
	int r;

	r = kho_rootfs_read(libs->root, path, MAX_CONF, &file, NULL);
	if (r < 0)
		return 0;	/* as ld.so: what can't be read isn't there */
	for (line = strtok_r(file.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		r = read_line(libs, line, depth, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int kho_libs_init(struct kho_libs *libs, const struct kho_rootfs *root, struct kho_err *err)
{
	size_t i;
	int r;

	*libs = (struct kho_libs){ .root = root };
	r = read_conf(libs, LD_CONF, 0, err);
	for (i = 0; r >= 0 && i < KHO_ARRAY_SIZE(system_dirs); i++)
		r = kho_strset_add(&libs->dirs, system_dirs[i], 0);
	if (r < 0) {
		kho_libs_done(libs);
		return out_of_memory(err, r);
	}
	return 0;
}

void kho_libs_done(struct kho_libs *libs)
{
	kho_strset_done(&libs->dirs);
	kho_strset_done(&libs->files);
}

/* ---- what one file needs ---- */

static int add_file(struct kho_libs *libs, const char *path, struct kho_err *err)
{
	int r = kho_strset_add(&libs->files, path, 0);

	return r < 0 ? out_of_memory(err, r) : 0;
}

/*
 * Whether @dir has a file @name that ld.so would load or stumble over: one for
 * another machine is passed over, a damaged one is not.
 */
static bool has_library(const struct kho_libs *libs, const char *dir, const char *name,
			char path[PATH_MAX])
{
	_cleanup_rootfs_file_ struct kho_rootfs_file file = { 0 };
	struct kho_elf elf;
	int r;

	if (snprintf(path, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
		return false;
	r = kho_rootfs_read(libs->root, path, KHO_LIBS_MAX_FILE, &file, NULL);
	if (r < 0)
		return false;
	r = kho_elf_parse(file.data, file.size, &elf, NULL);
	return r != -ENOEXEC && r != -EOPNOTSUPP;
}

/* One directory of a run path: "$ORIGIN" is where the object itself lies. */
static bool expand(const char *dir, size_t size, const char *object, char ret[PATH_MAX])
{
	static const char *const names[] = { "$ORIGIN", "${ORIGIN}" };
	const char *slash = strrchr(object, '/');
	int origin = slash ? (int)(slash - object) : 0;
	size_t i, skip;
	int n = -1;

	for (i = 0; i < KHO_ARRAY_SIZE(names); i++) {
		skip = strlen(names[i]);
		if (size >= skip && memcmp(dir, names[i], skip) == 0)
			n = snprintf(ret, PATH_MAX, "%.*s%.*s", origin, object,
				     (int)(size - skip), dir + skip);
	}
	if (n < 0 && size > 0 && dir[0] == '/')
		n = snprintf(ret, PATH_MAX, "%.*s", (int)size, dir);
	return n >= 0 && n < PATH_MAX && !strchr(ret, '$');
}

static bool find_in_runpath(const struct kho_libs *libs, const char *object, const char *runpath,
			    const char *name, char ret[PATH_MAX])
{
	char dir[PATH_MAX];
	size_t size;

	for (; runpath; runpath = runpath[size] ? runpath + size + 1 : NULL) {
		size = strcspn(runpath, ":");
		if (size < PATH_MAX && expand(runpath, size, object, dir) &&
		    has_library(libs, dir, name, ret))
			return true;
	}
	return false;
}

static bool find_library(const struct kho_libs *libs, const char *object,
			 const struct kho_elf *elf, const char *name, char ret[PATH_MAX])
{
	size_t i;

	if (strchr(name, '/'))
		return name[0] == '/' && has_library(libs, "", name + 1, ret);
	if (find_in_runpath(libs, object, elf->runpath, name, ret))
		return true;
	for (i = 0; i < libs->dirs.nr; i++) {
		if (has_library(libs, libs->dirs.items[i].text, name, ret))
			return true;
	}
	return false;
}

/* @object is the real path of the file that @elf was read from. */
static int add_needs(struct kho_libs *libs, const char *object, const struct kho_elf *elf,
		     struct kho_err *err)
{
	char path[PATH_MAX];
	size_t i;
	int r = 0;

	if (elf->interp)
		r = add_file(libs, elf->interp, err);
	for (i = 0; r == 0 && i < elf->nr_needed; i++) {
		if (!find_library(libs, object, elf, elf->needed[i], path))
			return kho_fail(err, -ENOENT, "%s%s needs %s, which is in no library "
					"directory; install the package that has it",
					libs->root->path, object, elf->needed[i]);
		r = add_file(libs, path, err);
	}
	for (i = 0; r == 0 && i < elf->nr_dlopen; i++) {
		if (find_library(libs, object, elf, elf->dlopen[i], path))
			r = add_file(libs, path, err);
	}
	return r;
}

/* "#!/bin/sh -e": the interpreter has to be there as well. */
static int add_script(struct kho_libs *libs, struct kho_rootfs_file *file, struct kho_err *err)
{
	char *rest, *interp;

	file->data[strcspn(file->data, "\n")] = '\0';
	interp = strtok_r(file->data + 2, BLANK, &rest);
	if (!interp || interp[0] != '/')
		return kho_fail(err, -ENOEXEC, "script %s%s names no interpreter; mend its first "
				"line", libs->root->path, file->entry.path);
	return add_file(libs, interp, err);
}

static int scan(struct kho_libs *libs, const char *path, struct kho_err *err)
{
	_cleanup_rootfs_file_ struct kho_rootfs_file file = { 0 };
	struct kho_elf elf;
	int r;

	r = kho_rootfs_read(libs->root, path, KHO_LIBS_MAX_FILE, &file, err);
	if (r < 0)
		return r;
	if (file.size > 2 && memcmp(file.data, "#!", 2) == 0)
		return add_script(libs, &file, err);
	r = kho_elf_parse(file.data, file.size, &elf, err);
	if (r < 0)
		return kho_wrap(err, r, "%s%s", libs->root->path, path);
	return add_needs(libs, file.entry.path, &elf, err);
}

int kho_libs_add(struct kho_libs *libs, const char *path, struct kho_err *err)
{
	int r;

	r = add_file(libs, path, err);
	while (r == 0 && libs->nr_scanned < libs->files.nr) {
		r = scan(libs, libs->files.items[libs->nr_scanned].text, err);
		libs->nr_scanned++;
	}
	return r;
}
