// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module's .modinfo section: "key=value" strings, each ended by a NUL, with
 * padding between them.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/bits.h"
#include "image/elf_file.h"

static int section(const struct kho_elf_file *file, size_t i, Elf64_Shdr *ret, struct kho_err *err)
{
	/* no overflow: checked by find_modinfo() */
	return kho_elf_file_copy(file, file->header.e_shoff + i * sizeof(*ret), sizeof(*ret), ret,
				 err);
}

static bool is_modinfo(const struct kho_elf_file *file, const Elf64_Shdr *names,
		       const Elf64_Shdr *sh)
{
	static const char wanted[] = ".modinfo";

	return kho_within(names->sh_offset, names->sh_size, file->size) &&
	       kho_within(sh->sh_name, sizeof(wanted), names->sh_size) &&
	       memcmp(file->data + names->sh_offset + sh->sh_name, wanted, sizeof(wanted)) == 0;
}

static int find_modinfo(const struct kho_elf_file *file, Elf64_Shdr *ret, struct kho_err *err)
{
	const Elf64_Ehdr *header = &file->header;
	uint64_t size = (uint64_t)header->e_shnum * sizeof(*ret);
	Elf64_Shdr names, sh = { 0 };
	size_t i;
	int r;

	if (header->e_shentsize != sizeof(*ret) || header->e_shstrndx >= header->e_shnum ||
	    !kho_within(header->e_shoff, size, file->size))
		return kho_fail(err, -EBADMSG, "ELF: its section headers lie outside the file; "
				"it's truncated or damaged, build or install it anew");
	r = section(file, header->e_shstrndx, &names, err);
	for (i = 0; r == 0 && i < header->e_shnum; i++) {
		r = section(file, i, &sh, err);
		if (r == 0 && is_modinfo(file, &names, &sh))
			break;
	}
	if (r < 0)
		return r;
	if (i == header->e_shnum)
		return kho_fail(err, -ENOENT, "ELF: no .modinfo section; give a kernel module");
	if (sh.sh_type == SHT_NOBITS || !kho_within(sh.sh_offset, sh.sh_size, file->size))
		return kho_fail(err, -EBADMSG, "ELF: its .modinfo section lies outside the file; "
				"it's truncated or damaged, build or install it anew");
	*ret = sh;
	return 0;
}

/* The value if the string [@text, @end) is "@key=...", else NULL. */
static const char *value_of(const char *text, const char *end, const char *key)
{
	size_t size = strlen(key);

	if ((size_t)(end - text) <= size || memcmp(text, key, size) != 0 || text[size] != '=')
		return NULL;
	return text + size + 1;
}

int kho_elf_modinfo(const void *data, size_t size, const char *key, const char **ret,
		    struct kho_err *err)
{
	const char *at, *end, *stop, *value;
	struct kho_elf_file file;
	Elf64_Shdr info = { 0 };
	int r;

	r = kho_elf_file_open(data, size, &file, err);
	if (r < 0)
		return r;
	if (file.header.e_type != ET_REL)
		return kho_fail(err, -EOPNOTSUPP, "ELF: type %u is no kernel module; give a .ko "
				"file", file.header.e_type);
	r = find_modinfo(&file, &info, err);
	if (r < 0)
		return r;
	end = (const char *)file.data + info.sh_offset + info.sh_size;
	for (at = end - info.sh_size; at < end; at = stop + 1) {
		stop = memchr(at, '\0', (size_t)(end - at));
		if (!stop)
			break;
		value = value_of(at, stop, key);
		if (value) {
			*ret = value;
			return 0;
		}
	}
	return kho_fail(err, -ENOENT, "ELF: the module has no '%s'; build it with kbuild", key);
}
