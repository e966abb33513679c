/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a build has found out before it writes the first byte: the kernel, the
 * modules and programs that go in, the module of ours. Shared by plan.c, which
 * finds out, contents.c, which writes the initramfs, and build.c.
 */
#ifndef KHO_IMAGE_PLAN_H
#define KHO_IMAGE_PLAN_H

#include "image/build.h"
#include "image/cpio.h"
#include "image/kho_version.h"
#include "image/libs.h"
#include "image/modules.h"
#include "image/rootfs.h"

struct kho_image_plan {
	const struct kho_image_spec *spec;	/* not owned */
	struct kho_rootfs root;
	struct kho_rootfs_file kernel;
	enum kho_compression compression;
	char kho[KHO_VERSION_TEXT];	/* that the kernel speaks */
	bool any_boot_cpu;		/* the kernel has an option of that name */
	struct kho_modules *modules;
	struct kho_libs libs;			/* all programs and libraries; points to root */
	char modules_dir[PATH_MAX];		/* /usr/lib/modules/<release> */
	char module[PATH_MAX];			/* multikernel.ko in the root */
};

/* Errors as kho_image_build(). */
int kho_image_plan_new(const struct kho_image_spec *spec, struct kho_image_plan **ret,
		       struct kho_err *err);
void kho_image_plan_free(struct kho_image_plan *plan);

/* What follows ".ko" in a module's file name: "", ".xz", ".zst", ".gz"; NULL: no module. */
const char *kho_image_module_suffix(const char *path);

/*
 * Write the initramfs, but don't finish the archive: what's to be compressed, and what is compressed
 * in itself.
 */
int kho_image_contents_write(const struct kho_image_plan *plan, struct kho_cpio *cpio,
			     struct kho_err *err);
int kho_image_packed_write(const struct kho_image_plan *plan, struct kho_cpio *cpio,
			   struct kho_err *err);

#endif
