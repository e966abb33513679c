// SPDX-License-Identifier: GPL-2.0-only
/* Asking gates: a program of the machine's, an URL, a query. What can't be asked doesn't pass. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "fleetd/fleetd.h"
#include "system/proc.h"

#define GATES		"/etc/kho-agent/gates"
#define ANSWER_MAX	(1u << 20)
#define URL		2048

static int ask_command(const struct kho_gate *gate, struct kho_err *err)
{
	char path[sizeof(GATES) + KHO_GATE_NAME + 1];
	const char *const argv[] = { path, NULL };
	struct kho_proc_spec spec = { .argv = argv,
				      .timeout_ms = (unsigned int)gate->timeout_sec * 1000 };
	struct stat st;

	snprintf(path, sizeof(path), GATES "/%s", gate->name);
	if (stat(path, &st) < 0)
		return kho_fail_errno(err, -errno, "%s", path);
	if (st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH))
		return kho_fail(err, -EPERM, "%s: others than root could change it; chown root, chmod go-w",
				path);
	return kho_proc_check(&spec, err);
}

static int get(const struct kho_gate *gate, const char *url, struct kho_web_answer *ret,
	       struct kho_err *err)
{
	struct kho_web_request request = { .url = url, .max = ANSWER_MAX,
					    .timeout_ms = (uint32_t)gate->timeout_sec * 1000 };
	struct kho_web *http;
	int r = kho_web_new(NULL, &http, err);

	if (r < 0)
		return r;
	r = kho_web_call(http, &request, ret, err);
	kho_web_free(http);
	return r;
}

static int ask_http(const struct kho_gate *gate, struct kho_err *err)
{
	struct kho_web_answer answer = {};
	int r = get(gate, gate->url, &answer, err);

	if (r >= 0 && answer.status / 100 != 2)
		r = kho_fail(err, -EAGAIN, "%.200s answers %ld", gate->url, answer.status);
	free(answer.body);
	return r;
}

static int ask_prometheus(const struct kho_gate *gate, struct kho_err *err)
{
	_cleanup_free_ char *query = kho_web_escape(gate->query);
	struct kho_web_answer answer = {};
	char url[URL];
	int r;

	if (!query || snprintf(url, sizeof(url), "%s/api/v1/query?query=%s", gate->url, query) >= URL)
		return kho_fail(err, -E2BIG, "the query is too long");
	r = get(gate, url, &answer, err);
	if (r >= 0 && answer.status != 200)
		r = kho_fail(err, -EBADMSG, "%.100s answers %ld to the query", gate->url, answer.status);
	if (r >= 0)
		r = kho_gate_judge(gate, answer.body, answer.size, err);
	free(answer.body);
	return r;
}

int fleet_ask_gate(const struct kho_gate *gate, struct kho_err *err)
{
	int r = gate->type == KHO_GATE_COMMAND ? ask_command(gate, err) :
		gate->type == KHO_GATE_HTTP ? ask_http(gate, err) : ask_prometheus(gate, err);

	return r < 0 ? kho_wrap(err, r, "gate (%s)", kho_gate_type_name(gate->type)) : 0;
}
