/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gates: what has to be well before a machine's upgrade begins, and after it. Parsing is
 * pure; who asks is in gates_run.h.
 *
 * A command is a name in a folder of the machine's (/etc/kho-agent/gates), never a line:
 * who may write to etcd isn't thereby root everywhere.
 */
#ifndef KHO_FLEET_GATE_H
#define KHO_FLEET_GATE_H

#include "fleet/json.h"

#define KHO_GATES_MAX		8u
#define KHO_GATE_TEXT		512u
#define KHO_GATE_NAME		64u

enum kho_gate_type {
	KHO_GATE_COMMAND = 0,		/* ends with 0 */
	KHO_GATE_HTTP,			/* is answered with 2xx */
	KHO_GATE_PROMETHEUS,		/* a query has what's expected */
	_KHO_GATE_TYPE_MAX,
};

struct kho_gate {
	enum kho_gate_type type;
	bool after;			/* else before */
	bool none;			/* Prometheus: passes if there's no sample at all */
	char name[KHO_GATE_NAME];	/* of a command */
	char url[KHO_GATE_TEXT];	/* of HTTP, and of a Prometheus server */
	char query[KHO_GATE_TEXT];
	uint64_t timeout_sec;
};

/* What's known of gates. */
enum kho_verdict {
	KHO_VERDICT_UNKNOWN = 0,	/* not asked yet, or it can't be told: it blocks */
	KHO_VERDICT_GOOD,
	KHO_VERDICT_BAD,
};

const char *kho_gate_type_name(enum kho_gate_type type);

/* {type, when, name | url | url and query, expect?, timeout_sec?}. -EINVAL */
int kho_gate_parse(sd_json_variant *object, struct kho_gate *ret, struct kho_err *err);

/*
 * What Prometheus answered to a query (its HTTP API v1), judged: expect "some": at least one
 * sample and none is 0 or NaN; "none": no sample.
 *   0          passes
 *   -EAGAIN    doesn't
 *   -EBADMSG   no answer to a query
 */
int kho_gate_judge(const struct kho_gate *gate, const char *text, size_t size, struct kho_err *err);

#endif
