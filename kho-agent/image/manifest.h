/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A target image's manifest: what's in it, and the digests by which it's known
 * to be whole. A text of sections and "key = value" lines:
 *
 *	# target image of kho-agent
 *	[image]
 *	format = 1
 *	name = trixie-backports
 *	release = 7.3.4+deb13-cloud-amd64
 *	created = 2026-11-22T22:24:00Z
 *	created-by = khoctl 0.1
 *	compression = zstd
 *	kho = kho-v4
 *	boot-cpu = any
 *	modules = 1
 *	devices = 1
 *	built-in = 1
 *
 *	[files]
 *	vmlinuz = <SHA-256> <size>
 *	initramfs.img = <SHA-256> <size>
 *	cmdline = <SHA-256> <size>
 *
 *	[modules]
 *	kernel/drivers/block/virtio_blk.ko.xz =
 *
 *	[devices]
 *	virtio:d00000002v* =
 *
 *	[built-in]
 *	virtio_pci =
 *
 * [devices] has the patterns of the PCI and virtio devices that there are drivers for,
 * [built-in] what the kernel has without modules: some kernels have no patterns of those.
 * Manifests made before these were known have neither key nor section.
 *
 * kho is what kho_version.h found in the kernel; manifests made before it was looked for
 * don't have it. "system = yes" is in those of images with the whole system. boot-cpu is
 * there if the kernel can be told that it may have been booted on any CPU
 * (kernel/patches/0003), by its configuration.
 *
 * Keys and sections that aren't known are passed over, so that a later version
 * can add some; one that would mislead a reader counts format up.
 */
#ifndef KHO_IMAGE_MANIFEST_H
#define KHO_IMAGE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/kho_version.h"
#include "image/sha256.h"
#include "image/sink.h"
#include "image/strset.h"

#define KHO_MANIFEST_FORMAT	1
#define KHO_BOOT_CPU_ANY	"any"
#define KHO_MANIFEST_MAX	(2u << 20)	/* bytes */
#define KHO_MANIFEST_MODULES	2048		/* at most */
#define KHO_MANIFEST_DEVICES	32768
#define KHO_MANIFEST_BUILTIN	4096

/* Each longest text, with its terminator. */
#define KHO_IMAGE_NAME_MAX	64
#define KHO_RELEASE_MAX		65

enum kho_image_file {
	KHO_IMAGE_KERNEL,
	KHO_IMAGE_INITRAMFS,
	KHO_IMAGE_CMDLINE,
	KHO_IMAGE_NR_FILES
};

struct kho_image_digest {
	uint8_t sha256[KHO_SHA256_SIZE];
	uint64_t size;				/* bytes */
};

struct kho_manifest {
	char name[KHO_IMAGE_NAME_MAX];
	char release[KHO_RELEASE_MAX];		/* as uname -r */
	char created[32];			/* UTC, as above */
	char created_by[KHO_IMAGE_NAME_MAX];
	char compression[16];
	char kho[KHO_VERSION_TEXT];		/* "": not known */
	char system[4];				/* "yes": the whole system is in it; or "" */
	char boot_cpu[8];			/* "any", or "" */
	struct kho_image_digest files[KHO_IMAGE_NR_FILES];
	struct kho_strset modules;		/* paths below /usr/lib/modules/<release> */
	bool has_devices;			/* else the next two aren't known */
	struct kho_strset devices;		/* patterns, '-' as '_' */
	struct kho_strset builtin;		/* names of modules, likewise */
};

/* "vmlinuz", "initramfs.img", "cmdline" */
const char *kho_image_file_name(enum kho_image_file file);

/*
 * -EINVAL unless it's of letters, digits, '.', '_', '+', '~', '-', begins with
 * neither '.' nor '-', and is short enough.
 */
int kho_image_check_name(const char *name, struct kho_err *err);
int kho_image_check_release(const char *release, struct kho_err *err);

/*
 *   -EBADMSG          not a manifest: the line is named, or what's missing
 *   -EPROTONOSUPPORT  of a later format
 * On success @ret is to be freed by kho_manifest_done().
 */
int kho_manifest_parse(const char *data, size_t size, struct kho_manifest *ret,
		       struct kho_err *err);
void kho_manifest_done(struct kho_manifest *manifest);

/* -EINVAL: a text is empty or can't be written in a line. Or what the sink returns. */
int kho_manifest_write(const struct kho_manifest *manifest, struct kho_sink *sink,
		       struct kho_err *err);

#endif
