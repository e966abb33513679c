// SPDX-License-Identifier: GPL-2.0-only
/* Makes the small ELF files of fake_elf.h. */
#include "unit/fake_elf.h"

#include <check.h>
#include <elf.h>
#include <string.h>

static void put(struct fake_elf *elf, size_t offset, const void *data, size_t size)
{
	ck_assert_uint_le(offset + size, FAKE_ELF_MAX);
	memcpy(elf->data + offset, data, size);
	if (elf->size < offset + size)
		elf->size = offset + size;
}

static void put_header(struct fake_elf *elf, uint16_t type, uint16_t nr_segments)
{
	Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = type,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = nr_segments ? FAKE_ELF_PHDRS : 0,
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = nr_segments,
		.e_shentsize = sizeof(Elf64_Shdr),
	};

	put(elf, 0, &header, sizeof(header));
}

static void put_segment(struct fake_elf *elf, size_t i, uint32_t type, uint64_t offset,
			uint64_t size)
{
	Elf64_Phdr ph = {
		.p_type = type,
		.p_offset = offset,
		.p_vaddr = FAKE_ELF_BASE + offset,
		.p_filesz = size,
		.p_memsz = size,
	};

	put(elf, FAKE_ELF_PHDRS + i * sizeof(ph), &ph, sizeof(ph));
}

struct tables {
	struct fake_elf *elf;
	size_t nr_entries;
	size_t strings;		/* bytes used */
};

static void put_entry(struct tables *tables, int64_t tag, uint64_t value)
{
	Elf64_Dyn entry = { .d_tag = tag, .d_un.d_val = value };

	put(tables->elf, FAKE_ELF_DYNAMIC + tables->nr_entries++ * sizeof(entry), &entry,
	    sizeof(entry));
}

static void put_string(struct tables *tables, int64_t tag, const char *text)
{
	if (!text)
		return;
	put_entry(tables, tag, tables->strings);
	put(tables->elf, FAKE_ELF_STRINGS + tables->strings, text, strlen(text) + 1);
	tables->strings += strlen(text) + 1;
}

static void put_dynamic(struct tables *tables, const struct fake_elf_spec *spec)
{
	const char *const *needed;

	for (needed = spec->needed; needed && *needed; needed++)
		put_string(tables, DT_NEEDED, *needed);
	put_string(tables, DT_RPATH, spec->rpath);
	put_string(tables, DT_RUNPATH, spec->runpath);
	put_entry(tables, DT_STRTAB, FAKE_ELF_BASE + FAKE_ELF_STRINGS);
	put_entry(tables, DT_STRSZ, tables->strings);
	put_entry(tables, DT_NULL, 0);
}

static size_t put_note(struct fake_elf *elf, const char *json)
{
	Elf64_Nhdr note = {
		.n_namesz = 4,
		.n_descsz = (uint32_t)strlen(json) + 1,
		.n_type = 0x407c0c0a,
	};
	static const uint8_t zeroes[4];

	put(elf, FAKE_ELF_NOTE, &note, sizeof(note));
	put(elf, FAKE_ELF_NOTE + sizeof(note), "FDO", 4);
	put(elf, FAKE_ELF_NOTE + sizeof(note) + 4, json, note.n_descsz);
	if (note.n_descsz % 4)
		put(elf, elf->size, zeroes, 4 - note.n_descsz % 4);
	return elf->size - FAKE_ELF_NOTE;
}

void fake_elf_init(struct fake_elf *elf, const struct fake_elf_spec *spec)
{
	struct tables tables = { .elf = elf, .strings = 1 };
	uint16_t nr = 2;

	*elf = (struct fake_elf){ 0 };
	put_dynamic(&tables, spec);
	put(elf, FAKE_ELF_STRINGS, "", 1);
	put_segment(elf, 1, PT_DYNAMIC, FAKE_ELF_DYNAMIC, tables.nr_entries * sizeof(Elf64_Dyn));
	if (spec->interp) {
		put(elf, FAKE_ELF_INTERP, spec->interp, strlen(spec->interp) + 1);
		put_segment(elf, nr++, PT_INTERP, FAKE_ELF_INTERP, strlen(spec->interp) + 1);
	}
	if (spec->dlopen_json) {
		size_t size = put_note(elf, spec->dlopen_json);

		put_segment(elf, nr++, PT_NOTE, FAKE_ELF_NOTE, size);
	}
	put_header(elf, ET_DYN, nr);
	put_segment(elf, 0, PT_LOAD, 0, elf->size);
}

void fake_module_init(struct fake_elf *elf, const char *const *modinfo)
{
	static const char names[] = "\0.modinfo\0.shstrtab";
	Elf64_Ehdr *header = (Elf64_Ehdr *)(void *)elf->data;
	Elf64_Shdr sections[3] = { 0 };
	size_t info = FAKE_ELF_STRINGS, at = info;

	*elf = (struct fake_elf){ 0 };
	put_header(elf, ET_REL, 0);
	put(elf, FAKE_ELF_DYNAMIC, names, sizeof(names));
	for (; *modinfo; modinfo++) {
		put(elf, at, *modinfo, strlen(*modinfo) + 1);
		at += strlen(*modinfo) + 1;
	}
	sections[1] = (Elf64_Shdr){ .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_offset = info,
				    .sh_size = at - info };
	sections[2] = (Elf64_Shdr){ .sh_name = 10, .sh_type = SHT_STRTAB,
				    .sh_offset = FAKE_ELF_DYNAMIC, .sh_size = sizeof(names) };
	at = (at + 7) & ~(size_t)7;
	put(elf, at, sections, sizeof(sections));
	header->e_shoff = at;
	header->e_shnum = 3;
	header->e_shstrndx = 2;
}
