// SPDX-License-Identifier: GPL-2.0-only
/* Talking to the agent, and saying how it went. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/cleanup.h"
#include "khoctl/khoctl.h"

struct pending {
	struct kho_call *call;
	sd_json_variant *answer;
	int exit_code;
	bool done;
};

int kho_usage_error(const char *fmt, ...)
{
	va_list args;

	fputs("khoctl: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputs("; see khoctl --help\n", stderr);
	return KHO_EXIT_USAGE;
}

void kho_take_json(int *argc, char **argv)
{
	bool options = true;
	int nr = 1;

	for (int i = 1; i < *argc; i++) {
		options = options && strcmp(argv[i], "--") != 0;
		if (options && strcmp(argv[i], "--json") == 0)
			arg_json = true;
		else
			argv[nr++] = argv[i];
	}
	argv[nr] = NULL;
	*argc = nr;
}

void kho_print_json(sd_json_variant *answer)
{
	sd_json_variant_dump(answer, SD_JSON_FORMAT_NEWLINE, stdout, NULL);
	fflush(stdout);
}

int kho_say(const char *message)
{
	_cleanup_variant_ sd_json_variant *v = NULL;

	if (!arg_json)
		puts(message);
	else if (sd_json_buildo(&v, SD_JSON_BUILD_PAIR_STRING("message", message)) >= 0)
		kho_print_json(v);
	return KHO_EXIT_OK;
}

int kho_done(void)
{
	return arg_json ? kho_say("done") : KHO_EXIT_OK;
}

const char *kho_field_text(sd_json_variant *answer, const char *name)
{
	sd_json_variant *field = sd_json_variant_by_key(answer, name);

	return field && sd_json_variant_is_string(field) ? sd_json_variant_string(field) : NULL;
}

uint64_t kho_field_number(sd_json_variant *answer, const char *name)
{
	sd_json_variant *field = sd_json_variant_by_key(answer, name);

	return field && sd_json_variant_is_unsigned(field) ? sd_json_variant_unsigned(field) : 0;
}

void kho_show_progress(sd_json_variant *parameters)
{
	const char *message = kho_field_text(parameters, "message");

	if (message)
		fprintf(stderr, "  %s\n", message);
}

/* What was never tried, because of how things are, is a refusal. */
int kho_exit_code(int code)
{
	switch (-code) {
	case ETIMEDOUT:
		return KHO_EXIT_TIMEOUT;
	case EKEYREJECTED: case EKEYREVOKED:
		return KHO_EXIT_IMAGE;
	case EACCES:
		return KHO_EXIT_DENIED;
	case EINVAL: case EBUSY: case ENOENT: case ENODEV: case ERANGE: case EEXIST:
	case ENOEXEC: case ENOTCONN: case EALREADY: case E2BIG: case ENOSPC: case EBADMSG:
	case EPROTONOSUPPORT: case EOPNOTSUPP: case EPERM: case EXDEV: case ENXIO:
	case ENOTUNIQ: case EFBIG: case ENAMETOOLONG:
		return KHO_EXIT_REFUSED;
	default:
		return KHO_EXIT_FAILED;
	}
}

int kho_exit_code_of(sd_json_variant *error)
{
	sd_json_variant *tried = sd_json_variant_by_key(error, "tried");
	int r = kho_exit_code(-(int)kho_field_number(error, "code"));

	if (!tried || !sd_json_variant_boolean(tried))
		return r;
	return r == KHO_EXIT_REFUSED || r == KHO_EXIT_DENIED ? KHO_EXIT_FAILED : r;
}

int kho_report(const struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *v = NULL;

	if (arg_json && sd_json_buildo(&v, SD_JSON_BUILD_PAIR_INTEGER("code", -err->code),
				       SD_JSON_BUILD_PAIR_STRING("message", err->msg)) >= 0)
		kho_print_json(v);
	fprintf(stderr, "khoctl: %s\n", err->msg);
	return kho_exit_code(err->code);
}

/* Of Varlink itself, which has no message. */
static int report_protocol(const char *error_id, sd_json_variant *parameters)
{
	const char *parameter = kho_field_text(parameters, "parameter");
	struct kho_err err;
	int r;

	kho_fail(&err, sd_varlink_error_to_errno(error_id, parameters), "the agent answered %s%s%s",
		 error_id, parameter ? ": " : "", parameter ?: "");
	r = kho_report(&err);
	return strcmp(error_id, SD_VARLINK_ERROR_DISCONNECTED) == 0 ? KHO_EXIT_NO_AGENT : r;
}

int kho_report_error(const char *error_id, sd_json_variant *parameters)
{
	if (strcmp(error_id, KHO_API_ERROR) != 0)
		return report_protocol(error_id, parameters);
	if (arg_json)
		kho_print_json(parameters);
	fprintf(stderr, "khoctl: %s\n", kho_field_text(parameters, "message") ?: "no reason given");
	return kho_exit_code_of(parameters);
}

static int got_reply(sd_varlink *link, sd_json_variant *parameters, const char *error_id,
		     sd_varlink_reply_flags_t flags, void *userdata)
{
	struct pending *pending = userdata;

	(void)link;
	if (!error_id && flags & SD_VARLINK_REPLY_CONTINUES) {
		pending->call->progress(parameters);
		return 0;
	}
	pending->done = true;
	if (error_id)
		pending->exit_code = kho_report_error(error_id, parameters);
	else
		pending->answer = sd_json_variant_ref(parameters);
	return 0;
}

static int call_failed(int r)
{
	struct kho_err err;

	kho_fail_errno(&err, r, "the call to the agent failed");
	kho_report(&err);
	return KHO_EXIT_FAILED;
}

static int run(sd_varlink *link, struct pending *pending)
{
	int r;

	sd_varlink_set_userdata(link, pending);
	sd_varlink_set_relative_timeout(link, UINT64_MAX);
	r = sd_varlink_bind_reply(link, got_reply);
	if (r < 0)
		return call_failed(r);
	r = pending->call->progress ?
		sd_varlink_observe(link, pending->call->method, pending->call->parameters) :
		sd_varlink_invoke(link, pending->call->method, pending->call->parameters);
	if (r < 0)
		return call_failed(r);
	while (!pending->done) {
		r = sd_varlink_process(link);
		if (r == 0)
			r = sd_varlink_wait(link, UINT64_MAX);
		if (r < 0)
			return call_failed(r);
	}
	return pending->exit_code;
}

int kho_connect(sd_varlink **ret)
{
	int r = sd_varlink_connect_address(ret, arg_socket);
	struct kho_err err;

	if (r >= 0)
		return KHO_EXIT_OK;
	if (r == -EACCES || r == -EPERM) {
		kho_fail(&err, -EACCES, "only root, and members of the group that ReadGroup= in [API] of "
			 "kho-agent.conf names, may ask the agent; run it as one of them");
		return kho_report(&err);
	}
	kho_fail(&err, r, "no agent answers at %s (%s); is kho-agent.service running?", arg_socket,
		 strerror(-r));
	kho_report(&err);
	return KHO_EXIT_NO_AGENT;
}

int kho_call(struct kho_call *call, sd_json_variant **ret)
{
	__attribute__((cleanup(sd_varlink_flush_close_unrefp))) sd_varlink *link = NULL;
	struct pending pending = { .call = call };
	int r = kho_connect(&link);

	if (r == KHO_EXIT_OK)
		r = run(link, &pending);
	sd_json_variant_unref(call->parameters);
	if (r == KHO_EXIT_OK && ret)
		*ret = pending.answer;
	else
		sd_json_variant_unref(pending.answer);
	return r;
}

int kho_call_and_show(struct kho_call *call, const char *part,
		      void (*print)(sd_json_variant *answer))
{
	_cleanup_variant_ sd_json_variant *answer = NULL;
	sd_json_variant *shown;
	int r = kho_call(call, &answer);

	if (r != KHO_EXIT_OK)
		return r;
	shown = part ? sd_json_variant_by_key(answer, part) : answer;
	if (arg_json)
		kho_print_json(shown);
	else
		print(shown);
	return KHO_EXIT_OK;
}

int kho_show_without_arguments(int argc, char **argv, struct kho_call *call, const char *part,
			       void (*print)(sd_json_variant *answer))
{
	if (argc != 1)
		return kho_usage_error("%s takes no argument", argv[0]);
	return kho_call_and_show(call, part, print);
}

static void print_message(sd_json_variant *answer)
{
	const char *message = kho_field_text(answer, "message");

	if (message)
		puts(message);
}

int kho_call_and_print(struct kho_call *call)
{
	return kho_call_and_show(call, NULL, print_message);
}
