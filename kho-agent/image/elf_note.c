// SPDX-License-Identifier: GPL-2.0-only
/*
 * Notes by which a program announces what it may dlopen(). The description is a
 * JSON array of objects like
 *
 *	{"feature":"xz","priority":"recommended","soname":["liblzma.so.5"]}
 *
 * Only two members matter here, so it's scanned rather than parsed: each object
 * for "priority" and the first string after "soname". What doesn't look so is
 * skipped, and an optional library is then not in the image.
 */
#include <stdbool.h>
#include <string.h>

#include "base/bits.h"
#include "image/elf_file.h"

#define DLOPEN_NOTE	0x407c0c0aU
#define DLOPEN_VENDOR	"FDO"
#define MAX_JSON	4096

struct span {
	const char *at;
	const char *end;
};

static struct span find(struct span in, const char *what)
{
	const char *hit = memmem(in.at, (size_t)(in.end - in.at), what, strlen(what));

	return (struct span){ hit ? hit + strlen(what) : in.end, in.end };
}

/* What stands between the next two quotes; an empty span if there are no two. */
static struct span next_string(struct span in)
{
	struct span rest = find(in, "\"");
	const char *close = memchr(rest.at, '"', (size_t)(rest.end - rest.at));

	return close ? (struct span){ rest.at, close } : (struct span){ in.end, in.end };
}

static bool is_soname(struct span name)
{
	size_t size = (size_t)(name.end - name.at);

	return size > 0 && size < KHO_ELF_MAX_SONAME && !memchr(name.at, '/', size) &&
	       !memchr(name.at, '\\', size) && !memchr(name.at, '\0', size);
}

static bool is_wanted(struct span object)
{
	struct span priority = next_string(find(object, "\"priority\""));
	size_t size = (size_t)(priority.end - priority.at);

	return (size == strlen("required") && memcmp(priority.at, "required", size) == 0) ||
	       (size == strlen("recommended") && memcmp(priority.at, "recommended", size) == 0);
}

static void add_object(struct span object, struct kho_elf *elf)
{
	struct span name = next_string(find(object, "\"soname\""));

	if (!is_soname(name) || !is_wanted(object) || elf->nr_dlopen == KHO_ELF_MAX_DLOPEN)
		return;
	memcpy(elf->dlopen[elf->nr_dlopen], name.at, (size_t)(name.end - name.at));
	elf->dlopen[elf->nr_dlopen][name.end - name.at] = '\0';
	elf->nr_dlopen++;
}

static void add_json(struct span json, struct kho_elf *elf)
{
	const char *close;

	for (;;) {
		json = find(json, "{");
		close = memchr(json.at, '}', (size_t)(json.end - json.at));
		if (!close)
			return;
		add_object((struct span){ json.at, close }, elf);
		json.at = close + 1;
	}
}

static void add_note(const struct kho_elf_file *file, const Elf64_Nhdr *note, uint64_t name,
		     uint64_t desc, struct kho_elf *elf)
{
	const char *json = (const char *)file->data + desc;

	if (note->n_type == DLOPEN_NOTE && note->n_namesz == sizeof(DLOPEN_VENDOR) &&
	    note->n_descsz <= MAX_JSON &&
	    memcmp(file->data + name, DLOPEN_VENDOR, sizeof(DLOPEN_VENDOR)) == 0)
		add_json((struct span){ json, json + note->n_descsz }, elf);
}

void kho_elf_file_notes(const struct kho_elf_file *file, uint64_t offset, uint64_t size,
			struct kho_elf *elf)
{
	uint64_t end, name, desc;
	Elf64_Nhdr note;

	if (!kho_within(offset, size, file->size))
		return;
	end = offset + size;
	while (kho_within(offset, sizeof(note), end)) {
		memcpy(&note, file->data + offset, sizeof(note));
		name = offset + sizeof(note);
		desc = name + kho_align_up(note.n_namesz, 4);
		if (!kho_within(desc, note.n_descsz, end))
			return;
		add_note(file, &note, name, desc, elf);
		offset = desc + kho_align_up(note.n_descsz, 4);
	}
}
