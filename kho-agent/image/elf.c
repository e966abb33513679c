// SPDX-License-Identifier: GPL-2.0-only
/*
 * Program headers lead to the interpreter, the notes and the dynamic section. The
 * dynamic section speaks in virtual addresses; the loadable segments turn those
 * into file offsets.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/bits.h"
#include "image/elf_file.h"

#define MAX_SEGMENTS	256
#define MAX_DYNAMIC	4096

/* What of the dynamic section is needed before its strings can be read. */
struct dynamic {
	uint64_t offset;
	size_t nr;
	uint64_t strtab;	/* file offset */
	uint64_t strtab_end;	/* file offset */
};

static int segment(const struct kho_elf_file *file, size_t i, Elf64_Phdr *ret, struct kho_err *err)
{
	/* no overflow: checked by check_segments() */
	return kho_elf_file_copy(file, file->header.e_phoff + i * sizeof(*ret), sizeof(*ret), ret,
				 err);
}

static int check_segments(const struct kho_elf_file *file, struct kho_err *err)
{
	const Elf64_Ehdr *header = &file->header;
	uint64_t size = (uint64_t)header->e_phnum * sizeof(Elf64_Phdr);

	if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
		return kho_fail(err, -EOPNOTSUPP, "ELF: type %u is neither program nor shared "
				"library; give one of those", header->e_type);
	if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 ||
	    header->e_phnum > MAX_SEGMENTS || !kho_within(header->e_phoff, size, file->size))
		return kho_fail(err, -EBADMSG, "ELF: %u program headers of %u bytes at offset %llu"
				"; the file is damaged, install it anew", header->e_phnum,
				header->e_phentsize, (unsigned long long)header->e_phoff);
	return 0;
}

/* The file offset of what is loaded at @addr, and where its segment ends. */
static int offset_of(const struct kho_elf_file *file, uint64_t addr, uint64_t *ret_offset,
		     uint64_t *ret_end, struct kho_err *err)
{
	Elf64_Phdr ph;
	size_t i;
	int r;

	for (i = 0; i < file->header.e_phnum; i++) {
		r = segment(file, i, &ph, err);
		if (r < 0)
			return r;
		if (ph.p_type != PT_LOAD || addr < ph.p_vaddr ||
		    addr - ph.p_vaddr >= ph.p_filesz ||
		    !kho_within(ph.p_offset, ph.p_filesz, file->size))
			continue;
		*ret_offset = ph.p_offset + (addr - ph.p_vaddr);
		*ret_end = ph.p_offset + ph.p_filesz;
		return 0;
	}
	return kho_fail(err, -EBADMSG, "ELF: no segment of the file holds address %#llx; "
			"the file is damaged, install it anew", (unsigned long long)addr);
}

static int find_strings(const struct kho_elf_file *file, struct dynamic *dyn, struct kho_err *err)
{
	uint64_t addr = 0, size = 0, end = 0;
	Elf64_Dyn entry;
	size_t i;
	int r;

	for (i = 0; i < dyn->nr; i++) {
		r = kho_elf_file_copy(file, dyn->offset + i * sizeof(entry), sizeof(entry), &entry,
				      err);
		if (r < 0)
			return r;
		if (entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag == DT_STRTAB)
			addr = entry.d_un.d_ptr;
		if (entry.d_tag == DT_STRSZ)
			size = entry.d_un.d_val;
	}
	dyn->nr = i;
	r = offset_of(file, addr, &dyn->strtab, &end, err);
	if (r < 0)
		return r;
	if (size > end - dyn->strtab)
		return kho_fail(err, -EBADMSG, "ELF: its string table of %llu bytes is larger than "
				"its segment; the file is damaged, install it anew",
				(unsigned long long)size);
	dyn->strtab_end = dyn->strtab + size;
	return 0;
}

static int read_string(const struct kho_elf_file *file, const struct dynamic *dyn, uint64_t value,
		       const char **ret, struct kho_err *err)
{
	uint64_t size = dyn->strtab_end - dyn->strtab;

	/* a value beyond the table must not wrap around */
	if (value > size)
		value = size;
	return kho_elf_file_string(file, dyn->strtab + value, dyn->strtab_end, ret, err);
}

static int add_needed(struct kho_elf *elf, const char *name, struct kho_err *err)
{
	if (elf->nr_needed == KHO_ELF_MAX_NEEDED)
		return kho_fail(err, -E2BIG, "ELF: needs more than %d libraries; link it with "
				"fewer", KHO_ELF_MAX_NEEDED);
	if (name[0] == '\0')
		return kho_fail(err, -EBADMSG, "ELF: needs a library without a name; "
				"the file is damaged, install it anew");
	elf->needed[elf->nr_needed++] = name;
	return 0;
}

static int read_entry(const struct kho_elf_file *file, const struct dynamic *dyn, size_t i,
		      struct kho_elf *elf, struct kho_err *err)
{
	const char *text;
	Elf64_Dyn entry;
	int r;

	r = kho_elf_file_copy(file, dyn->offset + i * sizeof(entry), sizeof(entry), &entry, err);
	if (r < 0)
		return r;
	if (entry.d_tag != DT_NEEDED && entry.d_tag != DT_RUNPATH && entry.d_tag != DT_RPATH)
		return 0;
	r = read_string(file, dyn, entry.d_un.d_val, &text, err);
	if (r < 0)
		return r;
	if (entry.d_tag == DT_NEEDED)
		return add_needed(elf, text, err);
	if (entry.d_tag == DT_RUNPATH || !elf->runpath)
		elf->runpath = text;
	return 0;
}

static int read_dynamic(const struct kho_elf_file *file, const Elf64_Phdr *ph,
			struct kho_elf *elf, struct kho_err *err)
{
	struct dynamic dyn = {
		.offset = ph->p_offset,
		.nr = ph->p_filesz / sizeof(Elf64_Dyn),
	};
	size_t i;
	int r;

	if (!kho_within(ph->p_offset, ph->p_filesz, file->size) || dyn.nr > MAX_DYNAMIC)
		return kho_fail(err, -EBADMSG, "ELF: its dynamic section of %llu bytes lies "
				"outside the file or is too large; the file is damaged, install it anew",
				(unsigned long long)ph->p_filesz);
	r = find_strings(file, &dyn, err);
	for (i = 0; r == 0 && i < dyn.nr; i++)
		r = read_entry(file, &dyn, i, elf, err);
	return r;
}

static int read_interp(const struct kho_elf_file *file, const Elf64_Phdr *ph,
		       struct kho_elf *elf, struct kho_err *err)
{
	const char *interp;
	int r;

	if (!kho_within(ph->p_offset, ph->p_filesz, file->size))
		return kho_fail(err, -EBADMSG, "ELF: its interpreter's name lies outside the file; "
				"it's truncated or damaged, install it anew");
	r = kho_elf_file_string(file, ph->p_offset, ph->p_offset + ph->p_filesz, &interp, err);
	if (r < 0)
		return r;
	if (interp[0] != '/')
		return kho_fail(err, -EBADMSG, "ELF: its interpreter isn't an absolute path; "
				"the file is damaged, install it anew");
	elf->interp = interp;
	return 0;
}

static int read_segment(const struct kho_elf_file *file, const Elf64_Phdr *ph,
			struct kho_elf *elf, struct kho_err *err)
{
	switch (ph->p_type) {
	case PT_INTERP:
		return read_interp(file, ph, elf, err);
	case PT_DYNAMIC:
		return read_dynamic(file, ph, elf, err);
	case PT_NOTE:
		kho_elf_file_notes(file, ph->p_offset, ph->p_filesz, elf);
		return 0;
	default:
		return 0;
	}
}

int kho_elf_parse(const void *data, size_t size, struct kho_elf *ret, struct kho_err *err)
{
	struct kho_elf_file file;
	struct kho_elf elf = { 0 };
	Elf64_Phdr ph;
	size_t i;
	int r;

	r = kho_elf_file_open(data, size, &file, err);
	if (r < 0)
		return r;
	r = check_segments(&file, err);
	if (r < 0)
		return r;
	for (i = 0; i < file.header.e_phnum; i++) {
		r = segment(&file, i, &ph, err);
		if (r == 0)
			r = read_segment(&file, &ph, &elf, err);
		if (r < 0)
			return r;
	}
	*ret = elf;
	return 0;
}
