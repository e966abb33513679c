// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes depmod's texts apart, in place in copies of them:
 *
 *	modules.dep              kernel/a.ko.xz: kernel/b.ko.xz kernel/c.ko.xz
 *	modules.builtin          kernel/d.ko
 *	modules.builtin.modinfo  d.alias=pattern NUL d.license=GPL NUL ...
 *	modules.alias            alias PATTERN a
 *	modules.softdep          softdep a pre: e post: f
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/modules_index.h"

#define BLANK " \t"

static const char *const text_names[KHO_TEXT_NR] = {
	[KHO_TEXT_DEP] = "modules.dep",
	[KHO_TEXT_BUILTIN] = "modules.builtin",
	[KHO_TEXT_BUILTIN_INFO] = "modules.builtin.modinfo",
	[KHO_TEXT_ALIAS] = "modules.alias",
	[KHO_TEXT_SOFTDEP] = "modules.softdep",
};

static int out_of_memory(struct kho_err *err)
{
	return kho_fail(err, -ENOMEM, "list of modules: out of memory; free some and try again");
}

static int bad_line(struct kho_err *err, int text, size_t line)
{
	return kho_fail(err, -EBADMSG, "%s: line %zu is not as depmod writes it; run depmod",
			text_names[text], line);
}

bool kho_module_name(const char *path, size_t size, char ret[KHO_MODULE_NAME_MAX])
{
	const char *base = memrchr(path, '/', size);
	const char *end = path + size, *dot;
	size_t i;

	base = base ? base + 1 : path;
	dot = memmem(base, (size_t)(end - base), ".ko", 3);
	if (dot)
		end = dot;
	if (end == base || end - base >= KHO_MODULE_NAME_MAX)
		return false;
	for (i = 0; base + i < end; i++)
		ret[i] = base[i] == '-' ? '_' : base[i];
	ret[i] = '\0';
	return true;
}

void kho_module_normalise(char *alias)
{
	bool in_class = false;

	for (; *alias; alias++) {
		if (*alias == '[')
			in_class = true;
		else if (*alias == ']')
			in_class = false;
		else if (*alias == '-' && !in_class)
			*alias = '_';
	}
}

/* Paths go into the image, so they stay below the release's directory. */
static bool path_is_safe(const char *path)
{
	return path[0] != '/' && path[0] != '\0' && !strstr(path, "..") && !strstr(path, "//") &&
	       strstr(path, ".ko");
}

static int add_pair(struct kho_module_pairs *pairs, const char *key, const char *value,
		    struct kho_err *err)
{
	struct kho_module_pair *list;
	size_t capacity;

	if (pairs->nr == pairs->capacity) {
		capacity = pairs->capacity ? pairs->capacity * 2 : 256;
		list = reallocarray(pairs->list, capacity, sizeof(*list));
		if (!list)
			return out_of_memory(err);
		pairs->list = list;
		pairs->capacity = capacity;
	}
	pairs->list[pairs->nr++] = (struct kho_module_pair){ key, value };
	return 0;
}

/* ---- one line or entry each: 0, or a negative errno with or without message ---- */

static int parse_dep(struct kho_modules *modules, char *line, struct kho_err *err)
{
	char *colon = strchr(line, ':');
	char name[KHO_MODULE_NAME_MAX];
	int r;

	if (!colon)
		return -EBADMSG;
	*colon = '\0';
	if (!path_is_safe(line) || !kho_module_name(line, strlen(line), name))
		return -EBADMSG;
	r = kho_strset_add(&modules->names, name, modules->nr);
	if (r < 0)
		return out_of_memory(err);
	/* depmod lists the one to be preferred only; of others the first counts */
	if (r > 0)
		modules->list[modules->nr++] = (struct kho_module){
			.path = line,
			.deps = colon + 1,
		};
	return 0;
}

static int parse_builtin(struct kho_modules *modules, char *line, struct kho_err *err)
{
	char name[KHO_MODULE_NAME_MAX];

	if (!kho_module_name(line, strlen(line), name))
		return -EBADMSG;
	return kho_strset_add(&modules->builtin, name, 0) < 0 ? out_of_memory(err) : 0;
}

static int parse_builtin_info(struct kho_modules *modules, char *entry, struct kho_err *err)
{
	static const char alias[] = "alias=";
	char *dot = strchr(entry, '.');

	if (!dot)
		return -EBADMSG;
	if (strncmp(dot + 1, alias, strlen(alias)) != 0)
		return 0;
	*dot = '\0';
	kho_module_normalise(dot + 1 + strlen(alias));
	return add_pair(&modules->aliases, dot + 1 + strlen(alias), entry, err);
}

static int parse_alias(struct kho_modules *modules, char *line, struct kho_err *err)
{
	char *rest, *pattern, *name;

	if (strcmp(strtok_r(line, BLANK, &rest), "alias") != 0)
		return -EBADMSG;
	pattern = strtok_r(NULL, BLANK, &rest);
	name = strtok_r(NULL, BLANK, &rest);
	if (!name)
		return -EBADMSG;
	kho_module_normalise(pattern);
	return add_pair(&modules->aliases, pattern, name, err);
}

static int parse_softdep(struct kho_modules *modules, char *line, struct kho_err *err)
{
	char *rest, *name;

	if (strcmp(strtok_r(line, BLANK, &rest), "softdep") != 0)
		return -EBADMSG;
	name = strtok_r(NULL, BLANK, &rest);
	if (!name)
		return -EBADMSG;
	kho_module_normalise(name);
	return add_pair(&modules->softdeps, name, rest, err);
}

/* ---- whole texts ---- */

typedef int parse_fn(struct kho_modules *modules, char *line, struct kho_err *err);

/* Calls @parse for each line that has something else than a comment. */
static int each_line(struct kho_modules *modules, int text, parse_fn *parse, struct kho_err *err)
{
	char *rest = modules->texts[text], *line;
	size_t number = 0;
	int r;

	while (rest && (line = strsep(&rest, "\n"))) {
		number++;
		line += strspn(line, BLANK);
		if (line[0] == '\0' || line[0] == '#')
			continue;
		r = parse(modules, line, err);
		if (r == -EBADMSG)
			return bad_line(err, text, number);
		if (r < 0)
			return r;
	}
	return 0;
}

static int each_entry(struct kho_modules *modules, int text, size_t size, parse_fn *parse,
		      struct kho_err *err)
{
	char *at = modules->texts[text], *end = at + size, *next;
	size_t number;
	int r;

	for (number = 1; at < end; number++, at = next) {
		next = at + strlen(at) + 1;
		if (*at == '\0')
			continue;
		r = parse(modules, at, err);
		if (r == -EBADMSG)
			return bad_line(err, text, number);
		if (r < 0)
			return r;
	}
	return 0;
}

static size_t count_lines(const char *text)
{
	size_t nr = 1;

	while ((text = strchr(text, '\n'))) {
		text++;
		nr++;
	}
	return nr;
}

static int parse_all(struct kho_modules *modules, size_t info_size, struct kho_err *err)
{
	size_t nr = count_lines(modules->texts[KHO_TEXT_DEP]);
	int r;

	modules->list = calloc(nr, sizeof(*modules->list));
	modules->queue = calloc(nr, sizeof(*modules->queue));
	if (!modules->list || !modules->queue)
		return out_of_memory(err);
	r = each_line(modules, KHO_TEXT_DEP, parse_dep, err);
	if (r == 0)
		r = each_line(modules, KHO_TEXT_BUILTIN, parse_builtin, err);
	if (r == 0)
		r = each_entry(modules, KHO_TEXT_BUILTIN_INFO, info_size, parse_builtin_info, err);
	if (r == 0)
		r = each_line(modules, KHO_TEXT_ALIAS, parse_alias, err);
	if (r == 0)
		r = each_line(modules, KHO_TEXT_SOFTDEP, parse_softdep, err);
	return r;
}

static int copy_text(struct kho_modules *modules, int i, const struct kho_text *text,
		     struct kho_err *err)
{
	if (i != KHO_TEXT_BUILTIN_INFO && text->size && memchr(text->data, '\0', text->size))
		return kho_fail(err, -EBADMSG, "%s has a NUL in it, so it's damaged; run depmod",
				text_names[i]);
	modules->texts[i] = malloc(text->size + 1);
	if (!modules->texts[i])
		return out_of_memory(err);
	if (text->size)
		memcpy(modules->texts[i], text->data, text->size);
	modules->texts[i][text->size] = '\0';
	return 0;
}

static void free_modules(struct kho_modules **modules)
{
	kho_modules_free(*modules);
}

int kho_modules_parse(const struct kho_modules_text *text, struct kho_modules **ret,
		      struct kho_err *err)
{
	const struct kho_text *const texts[KHO_TEXT_NR] = {
		[KHO_TEXT_DEP] = &text->dep,
		[KHO_TEXT_BUILTIN] = &text->builtin,
		[KHO_TEXT_BUILTIN_INFO] = &text->builtin_info,
		[KHO_TEXT_ALIAS] = &text->alias,
		[KHO_TEXT_SOFTDEP] = &text->softdep,
	};
	_cleanup_(free_modules) struct kho_modules *modules = calloc(1, sizeof(*modules));
	int i, r = 0;

	if (!modules)
		return out_of_memory(err);
	for (i = 0; r == 0 && i < KHO_TEXT_NR; i++)
		r = copy_text(modules, i, texts[i], err);
	if (r == 0)
		r = parse_all(modules, text->builtin_info.size, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(modules);
	return 0;
}

void kho_modules_free(struct kho_modules *modules)
{
	int i;

	if (!modules)
		return;
	for (i = 0; i < KHO_TEXT_NR; i++)
		free(modules->texts[i]);
	free(modules->list);
	free(modules->queue);
	free(modules->aliases.list);
	free(modules->softdeps.list);
	kho_strset_done(&modules->names);
	kho_strset_done(&modules->builtin);
	free(modules);
}
