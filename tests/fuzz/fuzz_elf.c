// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ELF reader and the reader of .modinfo on arbitrary bytes. What they accept
 * must lie within those bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "image/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

/* Starts in the file and ends there. */
static void require_string(const char *text, const uint8_t *data, size_t size)
{
	const char *end = (const char *)data + size;

	require(text >= (const char *)data && text < end);
	require(memchr(text, '\0', (size_t)(end - text)) != NULL);
}

static void check_program(const uint8_t *data, size_t size)
{
	struct kho_err err = {};
	struct kho_elf elf;
	size_t i;
	int r;

	r = kho_elf_parse(data, size, &elf, &err);
	if (r < 0) {
		require(err.code == r && err.msg[0]);
		return;
	}
	require(elf.nr_needed <= KHO_ELF_MAX_NEEDED && elf.nr_dlopen <= KHO_ELF_MAX_DLOPEN);
	if (elf.interp)
		require_string(elf.interp, data, size);
	if (elf.runpath)
		require_string(elf.runpath, data, size);
	for (i = 0; i < elf.nr_needed; i++)
		require_string(elf.needed[i], data, size);
	for (i = 0; i < elf.nr_dlopen; i++)
		require(strnlen(elf.dlopen[i], KHO_ELF_MAX_SONAME) < KHO_ELF_MAX_SONAME);
}

static void check_module(const uint8_t *data, size_t size)
{
	struct kho_err err = {};
	const char *value;
	int r;

	r = kho_elf_modinfo(data, size, "vermagic", &value, &err);
	if (r < 0)
		require(err.code == r && err.msg[0]);
	else
		require_string(value, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_program(data, size);
	check_module(data, size);
	return 0;
}
