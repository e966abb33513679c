/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Builds a target image (dir.h) out of an installed Debian system: its kernel,
 * and an initramfs in which our agent runs with what it needs.
 *
 *	/init			image/init.sh: mounts, module, hooks, the agent
 *	/usr/bin/busybox	and links for its tools where there's no real one
 *	/usr/sbin/kho-agent	and khoctl, kmod's tools, criu if it's installed, and
 *				what the caller names, with libraries and ld.so
 *	/usr/lib/modules/R	modules that were asked for, with what they need
 *	/usr/lib/kho-agent	multikernel.ko for this release
 *	/etc			passwd, group, hostname, machine-id and the like
 *
 * What's compressed in itself is in an archive of its own, which isn't compressed, before that of
 * all the rest: it would be no smaller, and the kernel would unpack it for nothing.
 *
 * Everything comes from one tree (@root) as that tree's own system would see it.
 * The same tree and spec make the same initramfs, byte for byte.
 */
#ifndef KHO_IMAGE_BUILD_H
#define KHO_IMAGE_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/compress.h"

#define KHO_IMAGE_DIR	"/var/lib/kho-agent/images"	/* where images are, by default */
#define KHO_STAGED	"/var/lib/kho-agent/staged"	/* leads to the newest that was staged */
#define KHO_IMAGE_INIT	"/usr/share/kho-agent/init"	/* where init.sh is installed */
#define KHO_IMAGE_HOOKS	"/etc/kho-agent/init.d"		/* scripts that /init runs */

/*
 * A file or directory (with all below it) put into the image. Links are put in as
 * they are; with no @dest, so are those on the way to @source.
 */
struct kho_image_extra {
	const char *source;		/* in the root */
	const char *dest;		/* in the image; NULL: where it is in the root */
	bool packed;			/* compressed in itself: isn't compressed once more */
};

/*
 * All paths but output_dir and root are looked up in root. Lists end with NULL;
 * NULL is an empty one. Nothing is owned.
 */
struct kho_image_spec {
	const char *name;		/* of the image, and of its directory */
	const char *output_dir;		/* where the image's directory goes */
	const char *root;		/* "/" */
	const char *release;		/* of the target kernel, as uname -r */
	const char *kernel;		/* NULL: the release's in /boot or its modules */
	const char *module;		/* multikernel.ko; NULL: the release's */
	const char *init;		/* NULL: KHO_IMAGE_INIT */
	const char *cmdline;		/* NULL: an empty one */
	const char *created_by;		/* program and version, for the manifest */
	int64_t created;		/* seconds since 1970, for the manifest */
	const char *const *modules;	/* by name; each must be there or built in */
	const char *const *optional_modules;	/* may be missing in this release */
	const char *const *modaliases;	/* of granted devices; each needs a driver */
	const char *const *programs;	/* by path or, on the usual path, by name */
	const char *const *optional_programs;
	const struct kho_image_extra *extras;
	size_t nr_extras;
	enum kho_compression compression;
	int level;			/* of compression; 0: the default */
	bool replace;			/* an image of the same name */
	bool has_system;		/* an extra brings all modules of the release */
};

/* What workloads and CRIU commonly need: for optional_modules. */
extern const char *const kho_image_common_modules[];

/*
 * Builds the image; it's at @output_dir/@name then. Errors of what it's made of,
 * each with the file's name in front, and
 *   -EINVAL  the spec contradicts itself: names, command line, kernel and release,
 *            multikernel.ko and release
 *   -ENOENT  something needed isn't installed
 *   -EEXIST  there's an image of that name and replace is false
 *   -EBUSY   another build is under way in output_dir
 * On failure nothing is left behind and an old image is as it was.
 */
int kho_image_build(const struct kho_image_spec *spec, struct kho_err *err);

#endif
