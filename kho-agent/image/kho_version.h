/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which version of KHO (kexec handover) a kernel speaks, by its files alone.
 *
 * A kernel with KHO takes in a handover tree whose root says "kho-vN" for its own N, and
 * no other. The text is in the kernel itself, so that's where it's looked for: in the
 * payload of the bzImage, unpacked piece by piece. Whether there's KHO at all is in the
 * kernel's configuration, which is cheaper to ask and is asked first.
 *
 *	"none"      the configuration has no CONFIG_KEXEC_HANDOVER
 *	"kho-v4"    what the kernel says
 *	"unknown"   it has KHO, but no version was found: a payload packed by something else
 *	            than gzip or zstd, two versions, or none
 */
#ifndef KHO_IMAGE_KHO_VERSION_H
#define KHO_IMAGE_KHO_VERSION_H

#include <stddef.h>

#include "base/err.h"
#include "spawn/image.h"

#define KHO_VERSION_TEXT	16	/* bytes, terminator included */
#define KHO_VERSION_NONE	"none"
#define KHO_VERSION_UNKNOWN	"unknown"

/*
 * @config is the text of /boot/config-*, @size 0 if it isn't known: that's as if it had
 * KHO. Reads nothing but its arguments.
 *   -ENOMEM
 */
int kho_version_find(const struct kho_image *kernel, const char *config, size_t size,
		     char ret[KHO_VERSION_TEXT], struct kho_err *err);

#endif
