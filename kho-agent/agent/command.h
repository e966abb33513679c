/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands, and long work of our own, beside the event loop, with a deadline. */
#ifndef KHO_AGENT_COMMAND_H
#define KHO_AGENT_COMMAND_H

#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"

struct kho_command;

/* err->code 0: it ended with status 0. May free the command. */
typedef void (*kho_command_fn)(void *ctx, const struct kho_err *err);

/*
 * Starts @line: words between blanks, no shell. @fn is called once, when it has ended
 * or was killed because time was up. -EINVAL: no words, or too many.
 */
int kho_command_run(sd_event *event, const char *line, uint32_t timeout_ms, kho_command_fn fn,
		    void *ctx, struct kho_command **ret, struct kho_err *err);

/*
 * A program of somebody else's, in a process group of its own, which is killed as a whole
 * when time is up or the command is freed. @fn as above.
 */
struct kho_command_program {
	const char *path;
	const char *argument;		/* its only one */
	const char *const *environment;	/* "NAME=value", NULL at the end: besides our own */
	uint32_t timeout_ms;
};

int kho_command_program(sd_event *event, const struct kho_command_program *program,
			kho_command_fn fn, void *ctx, struct kho_command **ret, struct kho_err *err);

/*
 * A function of our own that takes long: it's called in a child, which dies with this
 * process, and must touch nothing here. What it says of a failure is what's told.
 */
struct kho_command_work {
	const char *name;
	int (*call)(void *arg, struct kho_err *err);	/* 0 or a negative errno */
	void *arg;
	uint32_t timeout_ms;
};

int kho_command_call(sd_event *event, const struct kho_command_work *work, kho_command_fn fn,
		     void *ctx, struct kho_command **ret, struct kho_err *err);

/* Kills it if it runs. Takes NULL; returns NULL. */
struct kho_command *kho_command_free(struct kho_command *command);

#endif
