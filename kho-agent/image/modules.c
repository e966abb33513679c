// SPDX-License-Identifier: GPL-2.0-only
/*
 * The closure: wanted modules stand in a queue, each is expanded once by what it
 * depends on. Dependencies must be there, soft ones may be missing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/glob.h"
#include "image/modules_index.h"

#define BLANK		" \t"
#define ALIAS_MAX	4096

/* Takes the next word from @at; its length, or 0 at the end. */
static size_t next_word(const char **at, const char **ret)
{
	*ret = *at + strspn(*at, BLANK);
	*at = *ret + strcspn(*ret, BLANK);
	return (size_t)(*at - *ret);
}

static void enqueue(struct kho_modules *modules, size_t i)
{
	if (modules->list[i].wanted)
		return;
	modules->list[i].wanted = true;
	modules->queue[modules->nr_wanted++] = i;
}

/* A module by its own name: true if it's there or built in. */
static bool want_named(struct kho_modules *modules, const char *name, size_t size)
{
	char plain[KHO_MODULE_NAME_MAX];
	size_t i;

	if (!kho_module_name(name, size, plain))
		return false;
	i = kho_strset_find(&modules->names, plain);
	if (i == KHO_STRSET_NONE)
		return kho_strset_find(&modules->builtin, plain) != KHO_STRSET_NONE;
	enqueue(modules, modules->names.items[i].value);
	return true;
}

/* All modules whose aliases match: true if there is one. */
static bool want_matching(struct kho_modules *modules, const char *name, size_t size)
{
	_cleanup_free_ char *plain = size <= ALIAS_MAX ? strndup(name, size) : NULL;
	const struct kho_module_pair *alias;
	bool found = false;
	size_t i;

	if (!plain)
		return false;
	kho_module_normalise(plain);
	for (i = 0; i < modules->aliases.nr; i++) {
		alias = &modules->aliases.list[i];
		if (kho_glob_match(alias->key, plain))
			found |= want_named(modules, alias->value, strlen(alias->value));
	}
	return found;
}

static void want_softly(struct kho_modules *modules, const char *name)
{
	const struct kho_module_pair *softdep;
	const char *at, *word;
	size_t i, size;

	for (i = 0; i < modules->softdeps.nr; i++) {
		softdep = &modules->softdeps.list[i];
		if (strcmp(softdep->key, name) != 0)
			continue;
		at = softdep->value;
		while ((size = next_word(&at, &word)) > 0) {
			/* "pre:" and "post:" say when, which doesn't matter here */
			if (word[size - 1] != ':' && !want_named(modules, word, size))
				(void)want_matching(modules, word, size);
		}
	}
}

static int expand(struct kho_modules *modules, size_t i, struct kho_err *err)
{
	const struct kho_module *module = &modules->list[i];
	const char *at = module->deps, *word;
	size_t size;

	while ((size = next_word(&at, &word)) > 0) {
		if (!want_named(modules, word, size))
			return kho_fail(err, -EBADMSG, "modules.dep: %s needs %.*s, which has no "
					"line; run depmod", module->path, (int)size, word);
	}
	want_softly(modules, modules->names.items[i].text);
	return 0;
}

static int expand_all(struct kho_modules *modules, struct kho_err *err)
{
	int r = 0;

	while (r == 0 && modules->nr_expanded < modules->nr_wanted)
		r = expand(modules, modules->queue[modules->nr_expanded++], err);
	return r;
}

int kho_modules_want(struct kho_modules *modules, const char *name, struct kho_err *err)
{
	if (!want_named(modules, name, strlen(name)) &&
	    !want_matching(modules, name, strlen(name)))
		return kho_fail(err, -ENOENT, "this kernel has no module %s; "
				"check the name, or install the package that has it", name);
	return expand_all(modules, err);
}

int kho_modules_want_alias(struct kho_modules *modules, const char *modalias,
			   struct kho_err *err)
{
	if (!want_matching(modules, modalias, strlen(modalias)))
		return kho_fail(err, -ENOENT, "this kernel has no module for device %s; "
				"take a kernel that has its driver, or don't grant the device",
				modalias);
	return expand_all(modules, err);
}

bool kho_modules_is_builtin(const struct kho_modules *modules, const char *name)
{
	char plain[KHO_MODULE_NAME_MAX];

	return kho_module_name(name, strlen(name), plain) &&
	       kho_strset_find(&modules->builtin, plain) != KHO_STRSET_NONE;
}

/* ---- what there is ---- */

/* Of a module that's marked, or built in. */
static bool is_in(const struct kho_modules *modules, const char *name)
{
	char plain[KHO_MODULE_NAME_MAX];
	size_t i;

	if (!kho_module_name(name, strlen(name), plain))
		return false;
	i = kho_strset_find(&modules->names, plain);
	if (i == KHO_STRSET_NONE)
		return kho_strset_find(&modules->builtin, plain) != KHO_STRSET_NONE;
	return modules->list[modules->names.items[i].value].wanted;
}

int kho_modules_each_alias(const struct kho_modules *modules, const char *prefix, bool all,
			   const struct kho_modules_each *each, struct kho_err *err)
{
	const struct kho_module_pair *alias;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < modules->aliases.nr; i++) {
		alias = &modules->aliases.list[i];
		if (strncmp(alias->key, prefix, strlen(prefix)) == 0 &&
		    (all || is_in(modules, alias->value)))
			r = each->fn(each->ctx, alias->key, err);
	}
	return r < 0 ? r : 0;
}

int kho_modules_each_builtin(const struct kho_modules *modules,
			     const struct kho_modules_each *each, struct kho_err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < modules->builtin.nr; i++)
		r = each->fn(each->ctx, modules->builtin.items[i].text, err);
	return r < 0 ? r : 0;
}

bool kho_modules_alias_fits(const char *pattern, const char *modalias)
{
	_cleanup_free_ char *plain = strnlen(modalias, ALIAS_MAX + 1) <= ALIAS_MAX ?
		strdup(modalias) : NULL;

	if (!plain)
		return false;
	kho_module_normalise(plain);
	return kho_glob_match(pattern, plain);
}

bool kho_modules_plain_name(const char *path, char ret[KHO_MODULES_NAME])
{
	_Static_assert(KHO_MODULES_NAME == KHO_MODULE_NAME_MAX, "one limit for names");
	return kho_module_name(path, strlen(path), ret);
}

size_t kho_modules_nr_wanted(const struct kho_modules *modules)
{
	return modules->nr_wanted;
}

const char *kho_modules_wanted(const struct kho_modules *modules, size_t i)
{
	return i < modules->nr_wanted ? modules->list[modules->queue[i]].path : NULL;
}

const char *kho_modules_path(const struct kho_modules *modules, const char *name)
{
	char plain[KHO_MODULE_NAME_MAX];
	size_t i = KHO_STRSET_NONE;

	if (kho_module_name(name, strlen(name), plain))
		i = kho_strset_find(&modules->names, plain);
	return i == KHO_STRSET_NONE ? NULL : modules->list[modules->names.items[i].value].path;
}

int kho_modules_write_dep(const struct kho_modules *modules, struct kho_sink *sink,
			  struct kho_err *err)
{
	const struct kho_module *module;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < modules->nr; i++) {
		module = &modules->list[i];
		if (!module->wanted)
			continue;
		r = sink->write(sink, module->path, strlen(module->path), err);
		if (r == 0)
			r = sink->write(sink, ":", 1, err);
		if (r == 0)
			r = sink->write(sink, module->deps, strlen(module->deps), err);
		if (r == 0)
			r = sink->write(sink, "\n", 1, err);
	}
	return r;
}
