/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an ELF program or library needs to run, and what a kernel module says of
 * itself, read out of the file's bytes. Pure: no I/O, no allocation. The bytes
 * are hostile until checked; every string returned points into them and ends
 * within them.
 *
 * Beside DT_NEEDED there are libraries that a program opens by dlopen() and
 * announces in notes (systemd.io/ELF_DLOPEN_METADATA): kmod's decompressors are
 * such. The JSON in a note is searched for its sonames and priorities only.
 */
#ifndef KHO_IMAGE_ELF_H
#define KHO_IMAGE_ELF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define KHO_ELF_MAX_NEEDED	128
#define KHO_ELF_MAX_DLOPEN	32
#define KHO_ELF_MAX_SONAME	64	/* of a dlopen note, terminator included */

struct kho_elf {
	const char *interp;		/* path of the dynamic loader; NULL: none */
	const char *runpath;		/* DT_RUNPATH or else DT_RPATH; NULL: none */
	size_t nr_needed;
	const char *needed[KHO_ELF_MAX_NEEDED];
	/* "required" and "recommended" ones; the first alternative of each */
	size_t nr_dlopen;
	char dlopen[KHO_ELF_MAX_DLOPEN][KHO_ELF_MAX_SONAME];
};

/*
 * Of an x86-64 program or shared library. The strings live as long as @data.
 *   -ENOEXEC     not an ELF file
 *   -EOPNOTSUPP  ELF, but not 64-bit, little-endian x86-64 program or library
 *   -EBADMSG     an offset, a size or a string lies outside the file
 *   -E2BIG       more than KHO_ELF_MAX_NEEDED libraries
 * A note that can't be understood is skipped: it's only a hint.
 */
int kho_elf_parse(const void *data, size_t size, struct kho_elf *ret, struct kho_err *err);

/*
 * The value of @key ("vermagic", "depends") in the .modinfo section of an
 * uncompressed x86-64 kernel module. Errors as above, and
 *   -ENOENT      there's no such section or key
 */
int kho_elf_modinfo(const void *data, size_t size, const char *key, const char **ret,
		    struct kho_err *err);

#endif
