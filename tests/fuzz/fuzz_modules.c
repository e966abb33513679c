// SPDX-License-Identifier: GPL-2.0-only
/*
 * depmod's texts, arbitrary: five parts of the input, with the byte 0xff between
 * them, are modules.dep, modules.alias, modules.softdep, modules.builtin and
 * modules.builtin.modinfo. Every module that's listed is then wanted.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "image/modules.h"

#define MAX_SIZE 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static struct kho_text take_part(const uint8_t **data, size_t *size)
{
	const uint8_t *end = *size ? memchr(*data, 0xff, *size) : NULL;
	struct kho_text part = { (const char *)*data, end ? (size_t)(end - *data) : *size };

	*data += part.size + (end != NULL);
	*size -= part.size + (end != NULL);
	return part;
}

/* Each wanted one once, by a path that stays where it belongs. */
static void check_wanted(const struct kho_modules *modules)
{
	size_t i, nr = kho_modules_nr_wanted(modules);
	const char *path;

	for (i = 0; i < nr; i++) {
		path = kho_modules_wanted(modules, i);
		require(path && path[0] && path[0] != '/' && !strstr(path, ".."));
	}
	require(!kho_modules_wanted(modules, nr));
}

/* The first name in each line of modules.dep. */
static void want_all(struct kho_modules *modules, const struct kho_text *dep)
{
	const char *at = dep->data, *end = at + dep->size, *line_end;
	struct kho_err err;
	char name[128];
	size_t length;
	int r;

	for (; at < end; at = line_end + 1) {
		line_end = memchr(at, '\n', (size_t)(end - at));
		line_end = line_end ? line_end : end;
		length = (size_t)(line_end - at) < sizeof(name) ? (size_t)(line_end - at) :
		         sizeof(name) - 1;
		memcpy(name, at, length);
		name[length] = '\0';
		name[strcspn(name, ":")] = '\0';
		err = (struct kho_err){};
		r = kho_modules_want(modules, name, &err);
		require(r == 0 || (err.code == r && err.msg[0]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kho_modules *modules = NULL;
	struct kho_modules_text text = {};
	struct kho_sink_memory memory;
	struct kho_err err = {};
	int r;

	if (size > MAX_SIZE)
		return 0;
	text.dep = take_part(&data, &size);
	text.alias = take_part(&data, &size);
	text.softdep = take_part(&data, &size);
	text.builtin = take_part(&data, &size);
	text.builtin_info = take_part(&data, &size);
	r = kho_modules_parse(&text, &modules, &err);
	if (r < 0) {
		require(err.code == r && err.msg[0] && !modules);
		return 0;
	}
	want_all(modules, &text.dep);
	(void)kho_modules_want_alias(modules, "pci:v00001AF4d00001041sv1", &err);
	check_wanted(modules);
	kho_sink_memory_init(&memory, 2 * MAX_SIZE);
	require(kho_modules_write_dep(modules, &memory.sink, &err) == 0);
	kho_sink_memory_done(&memory);
	kho_modules_free(modules);
	return 0;
}
