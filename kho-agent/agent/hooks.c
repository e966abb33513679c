// SPDX-License-Identifier: GPL-2.0-only
/* Hooks; hooks.h has the contract. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/command.h"
#include "agent/hooks.h"
#include "base/cleanup.h"

struct kho_hooks {
	sd_event *event;
	struct kho_hooks_spec spec;	/* texts are ours */
	char *folder, *name;
	char **environment;
	char *paths[KHO_HOOKS_MAX];
	unsigned int nr, at;
	struct kho_command *command;
	struct kho_err first;		/* that failed */
};

struct kho_hooks *kho_hooks_free(struct kho_hooks *hooks)
{
	if (!hooks)
		return NULL;
	kho_command_free(hooks->command);
	for (char **word = hooks->environment; word && *word; word++)
		free(*word);
	free(hooks->environment);
	for (unsigned int i = 0; i < hooks->nr; i++)
		free(hooks->paths[i]);
	free(hooks->folder);
	free(hooks->name);
	free(hooks);
	return NULL;
}

static void cleanup_hooks(struct kho_hooks **hooks)
{
	kho_hooks_free(*hooks);
}

/* ---- which ones ---- */

static int check_owner(const char *path, const struct stat *st, struct kho_err *err)
{
	if ((st->st_uid == 0 || st->st_uid == geteuid()) && !(st->st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	return kho_fail(err, -EPERM, "%s can be changed by others (owner %u, mode %o); chown root and "
			"chmod go-w", path, st->st_uid, st->st_mode & 07777);
}

static bool is_meant(const char *name)
{
	size_t length = strlen(name);

	return name[0] != '.' && name[length - 1] != '~' && !strstr(name, ".dpkg-") &&
	       strcmp(name, "README") != 0;
}

static int add(struct kho_hooks *hooks, const char *name, struct kho_err *err)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;
	int r;

	if (!is_meant(name))
		return 0;
	if (hooks->nr == KHO_HOOKS_MAX)
		return kho_fail(err, -E2BIG, "more than %u hooks in %s", KHO_HOOKS_MAX, hooks->folder);
	if (asprintf(&path, "%s/%s", hooks->folder, name) < 0) {
		path = NULL;
		return kho_fail(err, -ENOMEM, "no memory for a hook");
	}
	if (stat(path, &st) < 0)
		return kho_fail_errno(err, -errno, "hook %s", path);
	r = check_owner(path, &st, err);
	if (r >= 0 && (!S_ISREG(st.st_mode) || !(st.st_mode & 0111)))
		r = kho_fail(err, -ENOEXEC, "hook %s isn't an executable file; chmod +x, or move it "
			     "elsewhere", path);
	if (r < 0)
		return r;
	hooks->paths[hooks->nr++] = TAKE_PTR(path);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list(struct kho_hooks *hooks, struct kho_err *err)
{
	_cleanup_closedir_ DIR *dir = opendir(hooks->folder);
	struct dirent *entry;
	struct stat st;
	int r;

	if (!dir)
		return errno == ENOENT ? 0 : kho_fail_errno(err, -errno, "%s", hooks->folder);
	if (fstat(dirfd(dir), &st) < 0)
		return kho_fail_errno(err, -errno, "%s", hooks->folder);
	r = check_owner(hooks->folder, &st, err);
	while (r >= 0 && (entry = readdir(dir)))
		r = add(hooks, entry->d_name, err);
	qsort(hooks->paths, hooks->nr, sizeof(hooks->paths[0]), by_name);
	return r;
}

/* ---- running ---- */

static int next(struct kho_hooks *hooks, struct kho_err *err);

static void end(struct kho_hooks *hooks)
{
	struct kho_err err = hooks->first;

	hooks->spec.done(hooks->spec.ctx, &err);
}

static void on_end(void *ctx, const struct kho_err *failed)
{
	struct kho_hooks *hooks = ctx;
	struct kho_err err = *failed;

	hooks->command = kho_command_free(hooks->command);
	if (err.code < 0 && !hooks->first.code)
		hooks->first = err;
	if (err.code < 0 && !hooks->spec.all) {
		end(hooks);
		return;
	}
	/* one that can't be started is one that failed */
	while (++hooks->at < hooks->nr) {
		if (next(hooks, &err) >= 0)
			return;
		if (!hooks->first.code)
			hooks->first = err;
		if (!hooks->spec.all)
			break;
	}
	end(hooks);
}

static int next(struct kho_hooks *hooks, struct kho_err *err)
{
	const struct kho_command_program program = {
		.path = hooks->paths[hooks->at],
		.argument = hooks->name,
		.environment = (const char *const *)hooks->environment,
		.timeout_ms = hooks->spec.timeout_ms,
	};

	return kho_command_program(hooks->event, &program, on_end, hooks, &hooks->command, err);
}

static int copy_environment(struct kho_hooks *hooks, const char *const *environment)
{
	size_t nr = 0;

	while (environment && environment[nr])
		nr++;
	hooks->environment = calloc(nr + 1, sizeof(*hooks->environment));
	for (size_t i = 0; hooks->environment && i < nr; i++) {
		hooks->environment[i] = strdup(environment[i]);
		if (!hooks->environment[i])
			return -ENOMEM;
	}
	return hooks->environment ? 0 : -ENOMEM;
}

int kho_hooks_run(sd_event *event, const struct kho_hooks_spec *spec, struct kho_hooks **ret,
		  struct kho_err *err)
{
	__attribute__((cleanup(cleanup_hooks))) struct kho_hooks *hooks = calloc(1, sizeof(*hooks));
	int r;

	if (!hooks)
		return kho_fail(err, -ENOMEM, "no memory for hooks");
	hooks->event = event;
	hooks->spec = *spec;
	hooks->folder = strdup(spec->folder);
	hooks->name = strdup(spec->event);
	if (!hooks->folder || !hooks->name || copy_environment(hooks, spec->environment) < 0)
		return kho_fail(err, -ENOMEM, "no memory for hooks");
	r = list(hooks, err);
	if (r < 0 || !hooks->nr)
		return r;
	r = next(hooks, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(hooks);
	return 1;
}
