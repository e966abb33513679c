/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small x86-64 ELF files for tests: a program or library with a dynamic section,
 * an interpreter and dlopen notes as asked, or a kernel module with a .modinfo
 * section. Tests damage them as they like; the FAKE_ELF_* offsets say where.
 */
#ifndef TESTS_FAKE_ELF_H
#define TESTS_FAKE_ELF_H

#include <stddef.h>
#include <stdint.h>

#define FAKE_ELF_MAX		4096u
#define FAKE_ELF_BASE		0x10000u	/* virtual address of offset 0 */
#define FAKE_ELF_PHDRS		0x40u		/* LOAD, DYNAMIC, then INTERP, NOTE if any */
#define FAKE_ELF_DYNAMIC	0x200u
#define FAKE_ELF_STRINGS	0x400u
#define FAKE_ELF_INTERP		0x800u
#define FAKE_ELF_NOTE		0xa00u

struct fake_elf {
	uint8_t data[FAKE_ELF_MAX];
	size_t size;
};

struct fake_elf_spec {
	const char *interp;		/* NULL: none */
	const char *runpath;		/* NULL: none */
	const char *rpath;		/* NULL: none */
	const char *const *needed;	/* ends with NULL; NULL: none */
	const char *dlopen_json;	/* one note; NULL: none */
};

void fake_elf_init(struct fake_elf *elf, const struct fake_elf_spec *spec);

/* @modinfo: "key=value" strings, ends with NULL. */
void fake_module_init(struct fake_elf *elf, const char *const *modinfo);

#endif
