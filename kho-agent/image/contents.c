// SPDX-License-Identifier: GPL-2.0-only
/*
 * What's in an initramfs, in the order in which it's written. The image has the
 * merged /usr of Debian 12 and later: /bin, /sbin, /lib and /lib64 are links. Files
 * are taken from the root by their real path, with every link on the way there, so
 * they are found by the name they were asked for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "image/applets.h"
#include "image/plan.h"

#define MAX_FILE	(1u << 30)
#define MAX_ETC		(1u << 20)
#define MAX_DEPTH	32		/* of directories in an extra */
#define MODULE_DIR	"/usr/lib/kho-agent"

struct contents {
	const struct kho_image_plan *plan;
	struct kho_cpio *cpio;
};

/* ---- taking things from the root ---- */

static int found_link(void *ctx, const char *path, const char *target, struct kho_err *err)
{
	struct kho_cpio *cpio = ctx;

	if (S_ISLNK(kho_cpio_type(cpio, path)))
		return 0;
	return kho_cpio_add_link(cpio, path, target, err);
}

static int put_file(const struct contents *contents, const char *source, const char *dest,
		    uint32_t perm, struct kho_err *err)
{
	_cleanup_rootfs_file_ struct kho_rootfs_file file = { 0 };
	struct kho_cpio_entry entry = { .path = dest };
	int r;

	r = kho_rootfs_read(&contents->plan->root, source, MAX_FILE, &file, err);
	if (r < 0)
		return r;
	entry.mode = S_IFREG | (perm ? perm : file.entry.st.st_mode & 0777);
	entry.data = file.data;
	entry.size = file.size;
	return kho_cpio_add(contents->cpio, &entry, err);
}

/* A regular file and the links that lead to it; once is enough. */
static int take(const struct contents *contents, const char *path, struct kho_err *err)
{
	struct kho_rootfs_links links = { .found = found_link, .ctx = contents->cpio };
	struct kho_rootfs_entry entry;
	int r;

	r = kho_rootfs_find(&contents->plan->root, path, &links, &entry, err);
	if (r < 0)
		return r;
	if (kho_cpio_type(contents->cpio, entry.path))
		return 0;
	return put_file(contents, entry.path, entry.path, 0, err);
}

/* As take(), of what may be missing. */
static int take_if_there(const struct contents *contents, const char *path, struct kho_err *err)
{
	return kho_rootfs_has_file(&contents->plan->root, path) ? take(contents, path, err) : 0;
}

/* ---- skeleton ---- */

static int put_skeleton(const struct contents *contents, struct kho_err *err)
{
	static const struct kho_cpio_entry entries[] = {
		{ .path = "dev", .mode = S_IFDIR | 0755 },
		{ .path = "dev/console", .mode = S_IFCHR | 0600, .dev_major = 5, .dev_minor = 1 },
		{ .path = "dev/null", .mode = S_IFCHR | 0666, .dev_major = 1, .dev_minor = 3 },
		{ .path = "dev/kmsg", .mode = S_IFCHR | 0600, .dev_major = 1, .dev_minor = 11 },
		{ .path = "proc", .mode = S_IFDIR | 0555 },
		{ .path = "sys", .mode = S_IFDIR | 0555 },
		{ .path = "run", .mode = S_IFDIR | 0755 },
		{ .path = "tmp", .mode = S_IFDIR | 01777 },
		{ .path = "root", .mode = S_IFDIR | 0700 },
		{ .path = "mnt", .mode = S_IFDIR | 0755 },
		{ .path = "etc", .mode = S_IFDIR | 0755 },
		{ .path = "usr/bin", .mode = S_IFDIR | 0755 },
		{ .path = "usr/sbin", .mode = S_IFDIR | 0755 },
		{ .path = "usr/lib", .mode = S_IFDIR | 0755 },
		{ .path = "usr/lib64", .mode = S_IFDIR | 0755 },
		{ .path = "var/lib", .mode = S_IFDIR | 0755 },
		{ .path = "var/log", .mode = S_IFDIR | 0755 },
		{ .path = "var/tmp", .mode = S_IFDIR | 01777 },
	};
	static const char *const links[][2] = {
		{ "bin", "usr/bin" }, { "sbin", "usr/sbin" }, { "lib", "usr/lib" },
		{ "lib64", "usr/lib64" }, { "var/run", "/run" },
		{ "etc/mtab", "/proc/self/mounts" }, { "usr/bin/sh", "busybox" },
	};
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < KHO_ARRAY_SIZE(entries); i++)
		r = kho_cpio_add(contents->cpio, &entries[i], err);
	for (i = 0; r == 0 && i < KHO_ARRAY_SIZE(links); i++)
		r = kho_cpio_add_link(contents->cpio, links[i][0], links[i][1], err);
	return r;
}

static int put_init(const struct contents *contents, struct kho_err *err)
{
	const char *init = contents->plan->spec->init;
	int r;

	r = put_file(contents, init ? init : KHO_IMAGE_INIT, "init", 0755, err);
	if (r < 0)
		return kho_wrap(err, r, "init of the image (install kho-agent, or name another)");
	return 0;
}

/* ---- /etc ---- */

struct etc_file {
	const char *path;
	const char *otherwise;	/* contents if the root has none; NULL: it's left out */
};

static int put_etc_file(const struct contents *contents, const struct etc_file *etc,
			struct kho_err *err)
{
	if (kho_rootfs_has_file(&contents->plan->root, etc->path))
		return take(contents, etc->path, err);
	if (!etc->otherwise)
		return 0;
	return kho_cpio_add_text(contents->cpio, etc->path, etc->otherwise, err);
}

/* Modules get the options and are refused as they are in the root. */
static int put_modprobe_conf(const struct contents *contents, const char *dir, struct kho_err *err)
{
	_cleanup_strset_ struct kho_strset names = { 0 };
	char path[PATH_MAX];
	size_t i, size;
	int r = 0;

	if (kho_rootfs_list(&contents->plan->root, dir, &names, NULL) < 0)
		return 0;
	for (i = 0; r == 0 && i < names.nr; i++) {
		const char *name = names.items[i].text;

		size = strlen(name);
		if (size < 5 || strcmp(name + size - 5, ".conf") != 0)
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", dir, name) < PATH_MAX)
			r = take_if_there(contents, path, err);
	}
	return r;
}

static int put_etc(const struct contents *contents, struct kho_err *err)
{
	static const struct etc_file files[] = {
		{ "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n" },
		{ "/etc/group", "root:x:0:\n" },
		{ "/etc/hostname", "localhost\n" },
		{ "/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n" },
		{ "/etc/machine-id", NULL },
		{ "/etc/nsswitch.conf", NULL },
		{ "/etc/localtime", NULL },
		{ "/etc/os-release", NULL },
		{ "/etc/ld.so.cache", NULL },	/* else libraries in odd places aren't found */
	};
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < KHO_ARRAY_SIZE(files); i++)
		r = put_etc_file(contents, &files[i], err);
	if (r == 0)
		r = put_modprobe_conf(contents, "/usr/lib/modprobe.d", err);
	return r < 0 ? r : put_modprobe_conf(contents, "/etc/modprobe.d", err);
}

/* ---- programs ---- */

static int put_programs(const struct contents *contents, struct kho_err *err)
{
	const struct kho_strset *files = &contents->plan->libs.files;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < files->nr; i++)
		r = take(contents, files->items[i].text, err);
	return r;
}

static bool has_program(const struct kho_cpio *cpio, const char *name)
{
	char bin[64], sbin[64];

	snprintf(bin, sizeof(bin), "usr/bin/%s", name);
	snprintf(sbin, sizeof(sbin), "usr/sbin/%s", name);
	return kho_cpio_type(cpio, bin) || kho_cpio_type(cpio, sbin);
}

static int put_applets(const struct contents *contents, struct kho_err *err)
{
	struct kho_cpio *cpio = contents->cpio;
	char path[64];
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < KHO_ARRAY_SIZE(kho_image_applets); i++) {
		if (has_program(cpio, kho_image_applets[i]))
			continue;
		snprintf(path, sizeof(path), "usr/bin/%s", kho_image_applets[i]);
		r = kho_cpio_add_link(cpio, path, "busybox", err);
	}
	return r;
}

/* ---- modules ---- */

static int take_module_file(const struct contents *contents, const char *name, bool optional,
			    struct kho_err *err)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", contents->plan->modules_dir, name) >= PATH_MAX)
		return kho_fail(err, -ENAMETOOLONG, "module %.60s...: its path is too long; "
				"shorten it", name);
	return optional ? take_if_there(contents, path, err) : take(contents, path, err);
}

/* The text that names what's in the image; modprobe reads the .bin files. */
static int put_modules_dep(const struct contents *contents, struct kho_err *err)
{
	struct kho_cpio_entry entry = { .mode = S_IFREG | 0644 };
	struct kho_sink_memory text;
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "/usr/lib/modules/%s/modules.dep",
		 contents->plan->spec->release);
	kho_sink_memory_init(&text, MAX_FILE);
	r = kho_modules_write_dep(contents->plan->modules, &text.sink, err);
	if (r == 0) {
		entry.path = path;
		entry.data = text.data;
		entry.size = text.size;
		r = kho_cpio_add(contents->cpio, &entry, err);
	}
	kho_sink_memory_done(&text);
	return r;
}

static int put_modules(const struct contents *contents, struct kho_err *err)
{
	static const char *const tables[] = {
		"modules.alias.bin", "modules.builtin", "modules.builtin.bin",
		"modules.builtin.alias.bin", "modules.builtin.modinfo", "modules.devname",
		"modules.softdep", "modules.weakdep",
	};
	const struct kho_modules *modules = contents->plan->modules;
	size_t i;
	int r;

	r = put_modules_dep(contents, err);
	if (r == 0)
		r = take_module_file(contents, "modules.dep.bin", false, err);
	for (i = 0; r == 0 && i < KHO_ARRAY_SIZE(tables); i++)
		r = take_module_file(contents, tables[i], true, err);
	for (i = 0; r == 0 && i < kho_modules_nr_wanted(modules); i++)
		r = take_module_file(contents, kho_modules_wanted(modules, i), false, err);
	return r < 0 ? kho_wrap(err, r, "modules of release %s", contents->plan->spec->release) : 0;
}

/* Where init looks for it, whatever it was called. */
static int put_our_module(const struct contents *contents, struct kho_err *err)
{
	const char *source = contents->plan->module;
	char dest[64];

	snprintf(dest, sizeof(dest), MODULE_DIR "/multikernel.ko%s",
		 kho_image_module_suffix(source));
	if (S_ISREG(kho_cpio_type(contents->cpio, source)))
		return kho_cpio_add_link(contents->cpio, dest, source, err);
	return put_file(contents, source, dest, 0644, err);
}

/* ---- extras ---- */

static int put_tree(const struct contents *contents, const char *source, const char *dest,
		    unsigned int depth, struct kho_err *err);

static int put_children(const struct contents *contents, const char *source, const char *dest,
			unsigned int depth, struct kho_err *err)
{
	_cleanup_strset_ struct kho_strset names = { 0 };
	char from[PATH_MAX], to[PATH_MAX];
	size_t i;
	int r;

	if (depth > MAX_DEPTH)
		return kho_fail(err, -ELOOP, "%s: more than %d directories deep; name less", source,
				MAX_DEPTH);
	r = kho_rootfs_list(&contents->plan->root, source, &names, err);
	for (i = 0; r == 0 && i < names.nr; i++) {
		const char *name = names.items[i].text;

		if (snprintf(from, sizeof(from), "%s/%s", source, name) >= PATH_MAX ||
		    snprintf(to, sizeof(to), "%s/%s", dest, name) >= PATH_MAX)
			return kho_fail(err, -ENAMETOOLONG, "%s: a path below it is too long; "
					"shorten it", source);
		r = put_tree(contents, from, to, depth + 1, err);
	}
	return r;
}

static int put_link(const struct contents *contents, const char *source, const char *dest,
		    struct kho_err *err)
{
	char target[PATH_MAX];
	ssize_t size;

	size = readlinkat(contents->plan->root.fd, source + 1, target, sizeof(target) - 1);
	if (size < 0)
		return kho_fail_errno(err, -errno, "%s can't be read", source);
	target[size] = '\0';
	return found_link(contents->cpio, dest, target, err);
}

/* @source is a real path, but may itself be a link: it's then put in as one. */
static int put_tree(const struct contents *contents, const char *source, const char *dest,
		    unsigned int depth, struct kho_err *err)
{
	struct stat st;
	int r;

	if (fstatat(contents->plan->root.fd, source + 1, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return kho_fail_errno(err, -errno, "%s can't be looked at", source);
	if (S_ISLNK(st.st_mode))
		return put_link(contents, source, dest, err);
	if (S_ISREG(st.st_mode) && S_ISREG(kho_cpio_type(contents->cpio, dest)) &&
	    strcmp(source, dest) == 0)
		return 0;	/* a program or module already */
	if (S_ISREG(st.st_mode))
		return put_file(contents, source, dest, 0, err);
	if (!S_ISDIR(st.st_mode))
		return kho_fail(err, -EINVAL, "%s is neither a file nor a directory nor a link; "
				"leave it out", source);
	r = kho_cpio_add_dir(contents->cpio, dest, st.st_mode & 01777, err);
	return r < 0 ? r : put_children(contents, source, dest, depth, err);
}

static int put_extra(const struct contents *contents, const struct kho_image_extra *extra,
		     struct kho_err *err)
{
	struct kho_rootfs_links links = { .found = found_link, .ctx = contents->cpio };
	struct kho_rootfs_entry entry;
	int r;

	r = kho_rootfs_find(&contents->plan->root, extra->source, extra->dest ? NULL : &links,
			    &entry, err);
	if (r == 0 && entry.path[1] == '\0')
		r = kho_fail(err, -EINVAL, "the whole root can't go into an image; name what's "
			     "needed");
	if (r == 0)
		r = put_tree(contents, entry.path, extra->dest ? extra->dest : entry.path, 0, err);
	return r < 0 ? kho_wrap(err, r, "extra file %s", extra->source) : 0;
}

static int put_extras_that(const struct contents *contents, bool packed, struct kho_err *err)
{
	const struct kho_image_spec *spec = contents->plan->spec;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < spec->nr_extras; i++)
		if (spec->extras[i].packed == packed)
			r = put_extra(contents, &spec->extras[i], err);
	return r;
}

static int put_extras(const struct contents *contents, struct kho_err *err)
{
	return put_extras_that(contents, false, err);
}

int kho_image_packed_write(const struct kho_image_plan *plan, struct kho_cpio *cpio,
			   struct kho_err *err)
{
	const struct contents contents = { .plan = plan, .cpio = cpio };

	return put_extras_that(&contents, true, err);
}

int kho_image_contents_write(const struct kho_image_plan *plan, struct kho_cpio *cpio,
			     struct kho_err *err)
{
	static int (*const parts[])(const struct contents *, struct kho_err *) = {
		put_skeleton, put_init, put_programs, put_etc, put_modules, put_our_module,
		put_extras, put_applets,
	};
	struct contents contents = { .plan = plan, .cpio = cpio };
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < KHO_ARRAY_SIZE(parts); i++)
		r = parts[i](&contents, err);
	return r;
}
