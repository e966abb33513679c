/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the verbs of khoctl share: the call to the agent, output, exit codes.
 *
 * Results go to standard output, as text or (--json) as one JSON object, or as many as there
 * are changes to follow; progress and errors go to standard error, and errors but those of the
 * command line are JSON, too. Exit codes are stable: see enum kho_exit.
 */
#ifndef KHO_KHOCTL_KHOCTL_H
#define KHO_KHOCTL_KHOCTL_H

#include <stdbool.h>
#include <systemd/sd-json.h>
#include <systemd/sd-varlink.h>

#include "base/err.h"

enum kho_exit {
	KHO_EXIT_OK = 0,
	KHO_EXIT_FAILED = 1,		/* it was tried and did not work */
	KHO_EXIT_USAGE = 2,		/* the command line makes no sense */
	KHO_EXIT_REFUSED = 3,		/* not tried: something is in the way */
	KHO_EXIT_NO_AGENT = 4,		/* the agent doesn't answer */
	KHO_EXIT_TIMEOUT = 5,		/* a deadline passed; everything was undone */
	KHO_EXIT_BLOCKED = 6,		/* check: something can't move */
	KHO_EXIT_IMAGE = 7,		/* the image's signature isn't good, or it failed before */
	KHO_EXIT_DENIED = 8,		/* the caller may not do that */
	_KHO_EXIT_MAX,
};

extern bool arg_json;
extern const char *arg_socket;

/* A verb's main: argv[0] is the verb. Returns an exit code. */
typedef int (*kho_verb_fn)(int argc, char **argv);

int verb_status(int argc, char **argv);
int verb_watch(int argc, char **argv);
int verb_spawn(int argc, char **argv);
int verb_upgrade(int argc, char **argv);
int verb_plan(int argc, char **argv);
int verb_commit(int argc, char **argv);
int verb_abort(int argc, char **argv);
int verb_history(int argc, char **argv);
int verb_show(int argc, char **argv);
int verb_reclaim(int argc, char **argv);
int verb_move(int argc, char **argv);
int verb_rollback(int argc, char **argv);
int verb_failover(int argc, char **argv);
int verb_check(int argc, char **argv);
int verb_report(int argc, char **argv);
int verb_metrics(int argc, char **argv);
int verb_retire(int argc, char **argv);
int verb_grant(int argc, char **argv);
int verb_revoke(int argc, char **argv);
int verb_console(int argc, char **argv);
int verb_dmesg(int argc, char **argv);
int verb_bench(int argc, char **argv);
int verb_image(int argc, char **argv);
/* Of image: argv[0] is the second verb. */
int verb_image_list(int argc, char **argv);
int verb_image_inspect(int argc, char **argv);
int verb_image_stage(int argc, char **argv);
int verb_image_unstage(int argc, char **argv);
/* image build, with what the manifest is to say of who made it. */
int kho_image_build_verb(int argc, char **argv, const char *created_by);
int verb_image_clear(int argc, char **argv);
int verb_config(int argc, char **argv);
int verb_volume(int argc, char **argv);
int verb_workload(int argc, char **argv);
int verb_fleet(int argc, char **argv);

/* Called for every notification of a call with progress. */
typedef void (*kho_progress_fn)(sd_json_variant *parameters);

/* Prints {message} on standard error. */
void kho_show_progress(sd_json_variant *parameters);

struct kho_call {
	const char *method;		/* KHO_API_METHOD(...) */
	sd_json_variant *parameters;	/* owned by the call; NULL: none */
	kho_progress_fn progress;	/* NULL: a plain call */
};

/*
 * Calls the agent. On success *@ret is the answer (a reference). On failure the
 * message was printed, and the exit code says how it failed.
 */
int kho_call(struct kho_call *call, sd_json_variant **ret);

/* Connects to the agent; otherwise says why it can't. An exit code. */
int kho_connect(sd_varlink **ret);

/* Of a negative errno, as in docs/runbook.md. */
int kho_exit_code(int code);

/* Of an error of the API: what was tried wasn't refused, whatever it failed with. */
int kho_exit_code_of(sd_json_variant *error);

/* Says what went wrong: with --json as the agent's errors, {code, message}. Its exit code. */
int kho_report(const struct kho_err *err);

/* Says what the agent refused; an exit code. */
int kho_report_error(const char *error_id, sd_json_variant *parameters);

/* Calls, then prints the answer as JSON or its {message}. */
int kho_call_and_print(struct kho_call *call);

/*
 * Calls, then shows the field @part of the answer (NULL: all of it): as JSON, or by @print.
 */
int kho_call_and_show(struct kho_call *call, const char *part,
		      void (*print)(sd_json_variant *answer));

/* The same for a verb that takes no argument. */
int kho_show_without_arguments(int argc, char **argv, struct kho_call *call, const char *part,
			       void (*print)(sd_json_variant *answer));

/* Takes --json out, wherever it is up to a "--": it's every verb's. */
void kho_take_json(int *argc, char **argv);

/* Prints @answer as JSON on standard output. */
void kho_print_json(sd_json_variant *answer);

/* A verb is done, as @message says: as text, or {message}. KHO_EXIT_OK. */
int kho_say(const char *message);
/* The same of a verb that has nothing to say as text. */
int kho_done(void);

/* A field of an answer; NULL or 0 if it isn't there. */
const char *kho_field_text(sd_json_variant *answer, const char *name);
uint64_t kho_field_number(sd_json_variant *answer, const char *name);

/* Calls @print for each element of the array of that name, if there is one. */
void kho_print_each(sd_json_variant *object, const char *name,
		    void (*print)(sd_json_variant *element));

/* That of a move (docs/report.md), for people. */
void kho_print_report(sd_json_variant *report);

/* Says what's wrong with the command line; returns KHO_EXIT_USAGE. */
int kho_usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
