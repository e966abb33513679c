/* SPDX-License-Identifier: GPL-2.0-only */
/* Kexec: another kernel in the place of this one. Negative errnos come with a message. */
#ifndef KHO_SYSTEM_KEXEC_H
#define KHO_SYSTEM_KEXEC_H

#include <stddef.h>

#include "base/err.h"

struct kho_kexec_image {
	const void *kernel, *initramfs;
	size_t kernel_size, initramfs_size;
	const char *cmdline;
};

/*
 * Whether a kernel may be loaded.
 *   -EPERM  kexec is switched off, until the next boot
 *   -EBUSY  somebody has loaded one
 */
int kho_kexec_check(struct kho_err *err);

/*
 * Loads it; the image's memory may be freed then. -ENOSPC: with KHO it has to fit into
 * scratch memory, and doesn't.
 */
int kho_kexec_load(const struct kho_kexec_image *image, struct kho_err *err);

/* Nothing's loaded any more. */
void kho_kexec_unload(void);

/* Jumps, at once: nothing is told or ended before. Returns only if it fails. */
int kho_kexec_jump(struct kho_err *err);

#endif
