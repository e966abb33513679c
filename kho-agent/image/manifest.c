// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writer and parser of manifests. One table says which texts there are; the
 * parser insists on every one of them and on as many items of a list as were counted, so
 * a manifest that was cut off is refused.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "image/manifest.h"

#define LINE_MAX_SIZE	512

struct text_key {
	const char *name;
	size_t offset;
	size_t size;
	bool optional;
};

#define TEXT_KEY(key, member, optional) \
	{ key, offsetof(struct kho_manifest, member), \
	  sizeof(((struct kho_manifest *)0)->member), optional }

static const struct text_key text_keys[] = {
	TEXT_KEY("name", name, false),
	TEXT_KEY("release", release, false),
	TEXT_KEY("created", created, false),
	TEXT_KEY("created-by", created_by, false),
	TEXT_KEY("compression", compression, false),
	TEXT_KEY("kho", kho, true),
	TEXT_KEY("system", system, true),
	TEXT_KEY("boot-cpu", boot_cpu, true),
};

static const char *const file_names[KHO_IMAGE_NR_FILES] = {
	[KHO_IMAGE_KERNEL] = "vmlinuz",
	[KHO_IMAGE_INITRAMFS] = "initramfs.img",
	[KHO_IMAGE_CMDLINE] = "cmdline",
};

/* Sections that are lists of "text =", each with its count in [image]. */
static const struct list_key {
	const char *name;
	size_t offset;
	size_t max;
	bool needed;
} list_keys[] = {
	{ "modules", offsetof(struct kho_manifest, modules), KHO_MANIFEST_MODULES, true },
	{ "devices", offsetof(struct kho_manifest, devices), KHO_MANIFEST_DEVICES, false },
	{ "built-in", offsetof(struct kho_manifest, builtin), KHO_MANIFEST_BUILTIN, false },
};

#define NR_LISTS	KHO_ARRAY_SIZE(list_keys)

/* From SECTION_LISTS on: the list with that number. */
enum section { SECTION_NONE, SECTION_IMAGE, SECTION_FILES, SECTION_LISTS };

/* What has been seen so far; bits by position in the tables above. */
struct parser {
	struct kho_manifest *manifest;
	unsigned int section;
	size_t line;
	bool format;
	unsigned int counted;
	uint32_t counts[NR_LISTS];	/* as the manifest says */
	unsigned int texts;
	unsigned int files;
};

const char *kho_image_file_name(enum kho_image_file file)
{
	return file < KHO_IMAGE_NR_FILES ? file_names[file] : "?";
}

/* What can be part of a path or of a command without surprise. */
static bool is_plain(const char *text, size_t max)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._+~-";
	size_t size = strlen(text);

	return size > 0 && size < max && strspn(text, allowed) == size && text[0] != '.' &&
	       text[0] != '-';
}

int kho_image_check_name(const char *name, struct kho_err *err)
{
	if (!is_plain(name, KHO_IMAGE_NAME_MAX))
		return kho_fail(err, -EINVAL, "'%.64s' is no name for an image; use 1 to %d "
				"letters, digits, '.', '_', '+', '~', '-', and begin with none of . and -",
				name, KHO_IMAGE_NAME_MAX - 1);
	return 0;
}

int kho_image_check_release(const char *release, struct kho_err *err)
{
	if (!is_plain(release, KHO_RELEASE_MAX))
		return kho_fail(err, -EINVAL, "'%.64s' is no kernel release; give what uname -r "
				"says under that kernel", release);
	return 0;
}

/* ---- writing ---- */

static char *text_of(const struct kho_manifest *manifest, const struct text_key *key)
{
	return (char *)(uintptr_t)manifest + key->offset;
}

static struct kho_strset *list_of(const struct kho_manifest *manifest,
				  const struct list_key *key)
{
	return (struct kho_strset *)((uintptr_t)manifest + key->offset);
}

static bool is_written(const struct kho_manifest *manifest, const struct list_key *key)
{
	return key->needed || manifest->has_devices;
}

static bool is_printable(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

static int put(struct kho_sink *sink, struct kho_err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int put(struct kho_sink *sink, struct kho_err *err, const char *fmt, ...)
{
	char line[LINE_MAX_SIZE];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(line))
		return kho_fail(err, -EINVAL, "manifest: a line would be longer than %d; "
				"shorten names", LINE_MAX_SIZE);
	return sink->write(sink, line, (size_t)n, err);
}

static int put_texts(const struct kho_manifest *manifest, struct kho_sink *sink,
		     struct kho_err *err)
{
	size_t i;
	int r;

	r = put(sink, err, "# target image of kho-agent\n[image]\nformat = %d\n",
		KHO_MANIFEST_FORMAT);
	for (i = 0; r == 0 && i < KHO_ARRAY_SIZE(text_keys); i++) {
		const char *text = text_of(manifest, &text_keys[i]);

		if (text_keys[i].optional && !text[0])
			continue;
		if (!is_printable(text) || text[0] == '\0' || text[0] == ' ')
			return kho_fail(err, -EINVAL, "manifest: %s is empty, begins with a blank "
					"or has control characters; give a plain text",
					text_keys[i].name);
		r = put(sink, err, "%s = %s\n", text_keys[i].name, text);
	}
	for (i = 0; r == 0 && i < NR_LISTS; i++)
		if (is_written(manifest, &list_keys[i]))
			r = put(sink, err, "%s = %zu\n", list_keys[i].name,
				list_of(manifest, &list_keys[i])->nr);
	return r;
}

static int put_files(const struct kho_manifest *manifest, struct kho_sink *sink,
		     struct kho_err *err)
{
	char digest[KHO_SHA256_TEXT];
	size_t i;
	int r;

	r = put(sink, err, "\n[files]\n");
	for (i = 0; r == 0 && i < KHO_IMAGE_NR_FILES; i++) {
		kho_sha256_format(manifest->files[i].sha256, digest);
		r = put(sink, err, "%s = %s %llu\n", file_names[i], digest,
			(unsigned long long)manifest->files[i].size);
	}
	return r;
}

static int put_list(const struct list_key *key, const struct kho_strset *list,
		    struct kho_sink *sink, struct kho_err *err)
{
	int r = put(sink, err, "\n[%s]\n", key->name);

	for (size_t i = 0; r == 0 && i < list->nr; i++) {
		const char *text = list->items[i].text;

		if (!is_printable(text) || strchr(text, '=') || strchr("#[ ", text[0]))
			return kho_fail(err, -EINVAL, "manifest: the module's path %.64s can't be "
					"written down; rename it", text);
		r = put(sink, err, "%s =\n", text);
	}
	return r;
}

int kho_manifest_write(const struct kho_manifest *manifest, struct kho_sink *sink,
		       struct kho_err *err)
{
	size_t i;
	int r;

	r = put_texts(manifest, sink, err);
	if (r == 0)
		r = put_files(manifest, sink, err);
	for (i = 0; r == 0 && i < NR_LISTS; i++)
		if (is_written(manifest, &list_keys[i]))
			r = put_list(&list_keys[i], list_of(manifest, &list_keys[i]), sink, err);
	return r;
}

/* ---- parsing ---- */

static int bad_line(const struct parser *parser, struct kho_err *err, const char *why)
{
	return kho_fail(err, -EBADMSG, "manifest: line %zu: %s; build the image anew", parser->line,
			why);
}

static int parse_section(struct parser *parser, char *line, struct kho_err *err)
{
	size_t size = strlen(line), i;

	if (line[size - 1] != ']')
		return bad_line(parser, err, "section without ']'");
	parser->section = SECTION_NONE;
	if (strcmp(line, "[image]") == 0)
		parser->section = SECTION_IMAGE;
	else if (strcmp(line, "[files]") == 0)
		parser->section = SECTION_FILES;
	line[size - 1] = '\0';
	for (i = 0; i < NR_LISTS; i++)
		if (strcmp(line + 1, list_keys[i].name) == 0)
			parser->section = SECTION_LISTS + (unsigned int)i;
	return 0;
}

static int parse_format(struct parser *parser, const char *value, struct kho_err *err)
{
	uint32_t format;

	if (kho_parse_u32(value, &format, NULL) < 0 || format == 0)
		return bad_line(parser, err, "format is no number");
	if (format > KHO_MANIFEST_FORMAT)
		return kho_fail(err, -EPROTONOSUPPORT, "manifest: format %u is later than %d, the "
				"latest known here; use a newer kho-agent, or build the image anew",
				format, KHO_MANIFEST_FORMAT);
	parser->format = true;
	return 0;
}

static int parse_count(struct parser *parser, size_t list, const char *value,
		       struct kho_err *err)
{
	char why[32];

	snprintf(why, sizeof(why), "%s is no number", list_keys[list].name);
	if (kho_parse_u32(value, &parser->counts[list], NULL) < 0)
		return bad_line(parser, err, why);
	parser->counted |= 1u << list;
	return 0;
}

static int parse_text(struct parser *parser, const char *key, const char *value,
		      struct kho_err *err)
{
	size_t i;

	if (strcmp(key, "format") == 0)
		return parse_format(parser, value, err);
	for (i = 0; i < NR_LISTS; i++)
		if (strcmp(key, list_keys[i].name) == 0)
			return parse_count(parser, i, value, err);
	for (i = 0; i < KHO_ARRAY_SIZE(text_keys); i++) {
		if (strcmp(key, text_keys[i].name) != 0)
			continue;
		if (parser->texts & 1u << i)
			return bad_line(parser, err, "the key stands there twice");
		if (value[0] == '\0' || strlen(value) >= text_keys[i].size)
			return bad_line(parser, err, "the text is empty or too long");
		memcpy(text_of(parser->manifest, &text_keys[i]), value, strlen(value) + 1);
		parser->texts |= 1u << i;
	}
	return 0;
}

static int parse_digest(const char *value, struct kho_image_digest *ret)
{
	if (strlen(value) < KHO_SHA256_TEXT || kho_sha256_parse(value, ret->sha256) < 0 ||
	    value[KHO_SHA256_TEXT - 1] != ' ')
		return -EINVAL;
	return kho_parse_u64(value + KHO_SHA256_TEXT, &ret->size, NULL);
}

static int parse_file(struct parser *parser, const char *key, const char *value,
		      struct kho_err *err)
{
	size_t i;

	for (i = 0; i < KHO_IMAGE_NR_FILES; i++) {
		if (strcmp(key, file_names[i]) != 0)
			continue;
		if (parser->files & 1u << i)
			return bad_line(parser, err, "the file stands there twice");
		if (parse_digest(value, &parser->manifest->files[i]) < 0)
			return bad_line(parser, err, "no SHA-256 and size");
		parser->files |= 1u << i;
	}
	return 0;
}

static int parse_item(struct parser *parser, const char *text, struct kho_err *err)
{
	const struct list_key *key = &list_keys[parser->section - SECTION_LISTS];
	struct kho_strset *list = list_of(parser->manifest, key);
	int r;

	if (list->nr == key->max)
		return bad_line(parser, err, "too many modules or devices");
	r = kho_strset_add(list, text, 0);
	if (r < 0)
		return kho_fail_errno(err, r, "manifest: list of modules; free memory and try "
				      "again");
	return 0;
}

/* Cuts "key = value" at the first '='; blanks around both go. */
static char *split(char *line)
{
	char *equals = strchr(line, '='), *end;

	if (!equals)
		return NULL;
	for (end = equals; end > line && end[-1] == ' '; end--)
		;
	*end = '\0';
	return equals + 1 + strspn(equals + 1, " ");
}

static int parse_line(struct parser *parser, char *line, struct kho_err *err)
{
	char *value;

	if (line[0] == '\0' || line[0] == '#')
		return 0;
	if (!is_printable(line))
		return bad_line(parser, err, "it has control characters");
	if (line[0] == '[')
		return parse_section(parser, line, err);
	value = split(line);
	if (!value || line[0] == '\0')
		return bad_line(parser, err, "neither a section nor 'key = value'");
	switch (parser->section) {
	case SECTION_IMAGE:
		return parse_text(parser, line, value, err);
	case SECTION_FILES:
		return parse_file(parser, line, value, err);
	case SECTION_NONE:
		return 0;
	default:
		return parse_item(parser, line, err);
	}
}

static int check_complete(const struct parser *parser, struct kho_err *err)
{
	struct kho_manifest *manifest = parser->manifest;
	bool counted = true, texts = true;
	size_t i, nr;

	for (i = 0; i < KHO_ARRAY_SIZE(text_keys); i++)
		texts = texts && (text_keys[i].optional || parser->texts & 1u << i);
	for (i = 0; i < NR_LISTS; i++)
		counted = counted && (!list_keys[i].needed || parser->counted & 1u << i);
	if (!parser->format || !counted || !texts ||
	    parser->files != (1u << KHO_IMAGE_NR_FILES) - 1)
		return kho_fail(err, -EBADMSG, "manifest: it's incomplete (format, a text or a "
				"file is missing); build the image anew");
	for (i = 0; i < NR_LISTS; i++) {
		nr = list_of(manifest, &list_keys[i])->nr;
		if (nr != parser->counts[i])
			return kho_fail(err, -EBADMSG, "manifest: %zu of %u %s are listed; build "
					"the image anew", nr, parser->counts[i], list_keys[i].name);
	}
	manifest->has_devices = parser->counted == (1u << NR_LISTS) - 1;
	if (kho_image_check_name(manifest->name, err) < 0 ||
	    kho_image_check_release(manifest->release, err) < 0)
		return kho_wrap(err, -EBADMSG, "manifest");
	return 0;
}

int kho_manifest_parse(const char *data, size_t size, struct kho_manifest *ret,
		       struct kho_err *err)
{
	_cleanup_(kho_manifest_done) struct kho_manifest manifest = { 0 };
	struct parser parser = { .manifest = &manifest };
	_cleanup_free_ char *text = NULL;
	char *rest, *line;
	int r;

	if (size > KHO_MANIFEST_MAX || (size && memchr(data, '\0', size)))
		return kho_fail(err, -EBADMSG, "manifest: %zu bytes with a NUL or more than %u; "
				"build the image anew", size, KHO_MANIFEST_MAX);
	text = strndup(size ? data : "", size);
	if (!text)
		return kho_fail(err, -ENOMEM, "manifest: out of memory; free some and try again");
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		parser.line++;
		r = parse_line(&parser, line, err);
		if (r < 0)
			return r;
	}
	r = check_complete(&parser, err);
	if (r < 0)
		return r;
	*ret = manifest;
	manifest = (struct kho_manifest){ 0 };
	return 0;
}

void kho_manifest_done(struct kho_manifest *manifest)
{
	kho_strset_done(&manifest->modules);
	kho_strset_done(&manifest->devices);
	kho_strset_done(&manifest->builtin);
}
