// SPDX-License-Identifier: GPL-2.0-only
/* Bounds-checked access to an ELF file's bytes; elf_file.h has the contract. */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "image/elf_file.h"

int kho_elf_file_copy(const struct kho_elf_file *file, uint64_t offset, size_t size, void *ret,
		      struct kho_err *err)
{
	if (!kho_within(offset, size, file->size))
		return kho_fail(err, -EBADMSG, "ELF: %zu bytes at offset %llu lie outside the file"
				"; it's truncated or damaged, install it anew",
				size, (unsigned long long)offset);
	memcpy(ret, file->data + offset, size);
	return 0;
}

int kho_elf_file_string(const struct kho_elf_file *file, uint64_t offset, uint64_t limit,
			const char **ret, struct kho_err *err)
{
	if (limit > file->size || offset >= limit ||
	    !memchr(file->data + offset, '\0', limit - offset))
		return kho_fail(err, -EBADMSG, "ELF: the string at offset %llu does not end within "
				"its table; the file is damaged, install it anew",
				(unsigned long long)offset);
	*ret = (const char *)file->data + offset;
	return 0;
}

static int check_header(const Elf64_Ehdr *header, struct kho_err *err)
{
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB)
		return kho_fail(err, -EOPNOTSUPP, "ELF: not 64-bit little-endian; "
				"install the amd64 package");
	if (header->e_machine != EM_X86_64)
		return kho_fail(err, -EOPNOTSUPP, "ELF: machine %u is not x86-64 (%u); "
				"install the amd64 package", header->e_machine, EM_X86_64);
	return 0;
}

int kho_elf_file_open(const void *data, size_t size, struct kho_elf_file *ret,
		      struct kho_err *err)
{
	struct kho_elf_file file = { .data = data, .size = size };
	int r;

	if (size < SELFMAG || memcmp(data, ELFMAG, SELFMAG) != 0)
		return kho_fail(err, -ENOEXEC, "not an ELF file; give a program built for x86-64");
	r = kho_elf_file_copy(&file, 0, sizeof(file.header), &file.header, err);
	if (r < 0)
		return r;
	r = check_header(&file.header, err);
	if (r < 0)
		return r;
	*ret = file;
	return 0;
}
