/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The target kernel's file: an x86-64 bzImage, as the Linux boot protocol
 * (Documentation/arch/x86/boot.rst) describes it.
 *
 *	0                 0x1f1                 setup_size            data + size
 *	+-----------------+---------------------+---------------------+
 *	| boot sector, PE | setup header, setup | 64-bit kernel ...   |
 *	+-----------------+---------------------+---------------------+
 *
 * Parsing reads the file's bytes and nothing else. Everything that later code
 * relies on is checked here: sizes are within the file, alignments are powers
 * of two, the load limits make sense. What isn't an x86-64 bzImage that can be
 * entered in 64-bit mode at any address is named and refused.
 */
#ifndef KHO_SPAWN_IMAGE_H
#define KHO_SPAWN_IMAGE_H

#include <stddef.h>
#include <stdint.h>

struct kho_err;

#define KHO_IMAGE_ENTRY_64	0x200ULL	/* of the loaded kernel: its 64-bit entry */

struct kho_image {
	const uint8_t *data;		/* the caller's, not owned; must outlive this */
	size_t size;			/* bytes of the file */
	size_t setup_size;		/* bytes before the 64-bit kernel */
	size_t kernel_size;		/* bytes to load */
	size_t header_size;		/* bytes of the setup header, from 0x1f1 */
	uint64_t pref_address;		/* physical; never runs below it */
	uint64_t init_size;		/* bytes needed from the load address on */
	uint64_t alignment;		/* of the load address, power of two */
	uint32_t cmdline_size;		/* longest command line, without its NUL */
	uint16_t protocol;		/* 0x020f: 2.15 */
	char release[65];		/* as uname -r: "6.12.107+deb13-cloud-amd64" */
	char version[256];		/* whole version text */
};

/*
 * Fills @ret from the file in @data, which stays referenced.
 *
 * -ENOEXEC  not a bzImage, or one for another machine or mode
 * -ENODATA  it's truncated
 * -EBADMSG  its header contradicts itself
 */
int kho_image_parse(const void *data, size_t size, struct kho_image *ret, struct kho_err *err);

#endif
