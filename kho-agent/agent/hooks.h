/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs of the operator's that are run at an event: all of a folder, one after the other
 * in the order of their names, each with a deadline.
 *
 * A program gets the event's name as its only argument, and what's known in its environment.
 * It's in a process group of its own, which is killed when its time is up. What it prints to
 * its standard error is in the agent's log. All of them have to be root's (or the agent's own
 * user's) and writable for nobody else, as has the folder: they run as root. Of the folder's
 * files those that are hidden, that end in "~", of dpkg's (".dpkg-") and README aren't meant;
 * one that can't be executed is an error, and none is run.
 */
#ifndef KHO_AGENT_HOOKS_H
#define KHO_AGENT_HOOKS_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"

#define KHO_HOOKS_MAX	32u		/* programs */

struct kho_hooks;

struct kho_hooks_spec {
	const char *folder;
	const char *event;
	const char *const *environment;	/* "NAME=value", NULL at the end: besides the agent's own */
	uint32_t timeout_ms;		/* of each */
	bool all;			/* go on after one has failed; the first failure is told */
	/* Once, from the event loop, when the last one is over. May free the hooks. */
	void (*done)(void *ctx, const struct kho_err *err);
	void *ctx;
};

/*
 * 1: they run, and *@ret is to be freed; 0: there are none, and nothing is called.
 *   -EPERM    others may change one of them, or the folder
 *   -ENOEXEC  one isn't an executable file
 *   -E2BIG    more than KHO_HOOKS_MAX
 */
int kho_hooks_run(sd_event *event, const struct kho_hooks_spec *spec, struct kho_hooks **ret,
		  struct kho_err *err);

/* Kills the one that runs. Takes NULL; returns NULL. */
struct kho_hooks *kho_hooks_free(struct kho_hooks *hooks);

#endif
