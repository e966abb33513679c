/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bounds-checked access to an ELF file's bytes, shared by elf.c, elf_note.c and
 * elf_modinfo.c. Structures are copied out, since nothing says that the bytes are
 * aligned.
 */
#ifndef KHO_IMAGE_ELF_FILE_H
#define KHO_IMAGE_ELF_FILE_H

#include <elf.h>

#include "image/elf.h"

struct kho_elf_file {
	const uint8_t *data;
	size_t size;
	Elf64_Ehdr header;
};

/* -ENOEXEC, -EOPNOTSUPP, -EBADMSG; the type (ET_*) isn't looked at. */
int kho_elf_file_open(const void *data, size_t size, struct kho_elf_file *ret,
		      struct kho_err *err);

/* Copies @size bytes at @offset to @ret, or -EBADMSG. */
int kho_elf_file_copy(const struct kho_elf_file *file, uint64_t offset, size_t size, void *ret,
		      struct kho_err *err);

/* The string at @offset, which must end before @limit; -EBADMSG. */
int kho_elf_file_string(const struct kho_elf_file *file, uint64_t offset, uint64_t limit,
			const char **ret, struct kho_err *err);

/* Adds what the notes in [@offset, @offset + @size) announce to @elf. */
void kho_elf_file_notes(const struct kho_elf_file *file, uint64_t offset, uint64_t size,
			struct kho_elf *elf);

#endif
