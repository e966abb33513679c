// SPDX-License-Identifier: GPL-2.0-only
/* Gates as data, and Prometheus' answers; gate.h has the idea. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "fleet/gate.h"
#include "fleet/labels.h"

#define DEFAULT_TIMEOUT_SEC	10u
#define MAX_TIMEOUT_SEC		30u	/* leases have to be kept meanwhile */

static const char *const type_names[] = {
	[KHO_GATE_COMMAND] = "command",
	[KHO_GATE_HTTP] = "http",
	[KHO_GATE_PROMETHEUS] = "prometheus",
};

const char *kho_gate_type_name(enum kho_gate_type type)
{
	return type_names[type];
}

static int parse_words(sd_json_variant *object, struct kho_gate *gate, struct kho_err *err)
{
	char type[16] = "", when[16] = "before", expect[16] = "some";
	unsigned int i = 0;
	int r = kho_json_text(object, KHO_NEED("type"), type, sizeof(type), err);

	if (r >= 0)
		r = kho_json_text(object, KHO_MAY("when"), when, sizeof(when), err);
	if (r >= 0)
		r = kho_json_text(object, KHO_MAY("expect"), expect, sizeof(expect),
				  err);
	if (r < 0)
		return r;
	while (i < _KHO_GATE_TYPE_MAX && strcmp(type, type_names[i]) != 0)
		i++;
	if (i == _KHO_GATE_TYPE_MAX)
		return kho_fail(err, -EINVAL, "\"type\": command, http or prometheus, not \"%s\"", type);
	gate->type = (enum kho_gate_type)i;
	gate->after = strcmp(when, "after") == 0;
	gate->none = strcmp(expect, "none") == 0;
	if (!gate->after && strcmp(when, "before") != 0)
		return kho_fail(err, -EINVAL, "\"when\": before or after, not \"%s\"", when);
	if (!gate->none && strcmp(expect, "some") != 0)
		return kho_fail(err, -EINVAL, "\"expect\": some or none, not \"%s\"", expect);
	return 0;
}

static int check(const struct kho_gate *gate, struct kho_err *err)
{
	bool is_url = strncmp(gate->url, "http://", 7) == 0 || strncmp(gate->url, "https://", 8) == 0;

	if (!gate->timeout_sec || gate->timeout_sec > MAX_TIMEOUT_SEC)
		return kho_fail(err, -EINVAL, "\"timeout_sec\": 1 to %u", MAX_TIMEOUT_SEC);
	if (gate->type == KHO_GATE_COMMAND)
		return kho_name_check("\"name\" of a command", gate->name, KHO_GATE_NAME, err);
	if (!is_url)
		return kho_fail(err, -EINVAL, "\"url\": http://... or https://...");
	if (gate->type == KHO_GATE_PROMETHEUS && !*gate->query)
		return kho_fail(err, -EINVAL, "\"query\" is missing");
	return 0;
}

int kho_gate_parse(sd_json_variant *object, struct kho_gate *ret, struct kho_err *err)
{
	static const char *const names[] = { "type", "when", "name", "url", "query", "expect",
					     "timeout_sec", NULL };
	struct kho_gate gate = { .timeout_sec = DEFAULT_TIMEOUT_SEC };
	int r = kho_json_only(object, names, err);

	if (r >= 0)
		r = parse_words(object, &gate, err);
	if (r >= 0)
		r = kho_json_text(object, KHO_MAY("name"), gate.name,
				  sizeof(gate.name), err);
	if (r >= 0)
		r = kho_json_text(object, KHO_MAY("url"), gate.url, sizeof(gate.url),
				  err);
	if (r >= 0)
		r = kho_json_text(object, KHO_MAY("query"), gate.query,
				  sizeof(gate.query), err);
	if (r >= 0)
		r = kho_json_number(object, KHO_MAY("timeout_sec"), &gate.timeout_sec,
				    err);
	if (r >= 0)
		r = check(&gate, err);
	if (r >= 0)
		*ret = gate;
	return r;
}

/* [ time, "value" ] */
static int judge_value(sd_json_variant *pair, struct kho_err *err)
{
	sd_json_variant *value = pair && sd_json_variant_is_array(pair) &&
				 sd_json_variant_elements(pair) == 2 ?
				 sd_json_variant_by_index(pair, 1) : NULL;
	const char *text = value && sd_json_variant_is_string(value) ? sd_json_variant_string(value) : "";
	char *end;
	double number = strtod(text, &end);

	if (!*text || *end)
		return kho_fail(err, -EBADMSG, "a sample of Prometheus has no value");
	if (isnan(number) || fpclassify(number) == FP_ZERO)
		return kho_fail(err, -EAGAIN, "the query has a sample of %s", text);
	return 0;
}

static int judge_samples(const struct kho_gate *gate, const char *type, sd_json_variant *samples,
			 struct kho_err *err)
{
	size_t nr = sd_json_variant_elements(samples);

	if (strcmp(type, "scalar") == 0)
		return gate->none ? kho_fail(err, -EBADMSG, "a scalar is always there; \"expect\": \"none\" "
					     "needs a vector") : judge_value(samples, err);
	if (strcmp(type, "vector") != 0)
		return kho_fail(err, -EBADMSG, "the query gives a %.20s; it's to give a vector", type);
	if (gate->none)
		return nr ? kho_fail(err, -EAGAIN, "the query has %zu samples, and none were expected", nr)
			  : 0;
	if (!nr)
		return kho_fail(err, -EAGAIN, "the query has no sample");
	for (size_t i = 0; i < nr; i++) {
		sd_json_variant *sample = sd_json_variant_by_index(samples, i);
		int r = judge_value(sample && sd_json_variant_is_object(sample) ?
				    sd_json_variant_by_key(sample, "value") : NULL, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int kho_gate_judge(const struct kho_gate *gate, const char *text, size_t size, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *answer = NULL;
	sd_json_variant *data, *samples;
	char status[16] = "", type[16] = "";
	int r = kho_json_parse(text, size, &answer, err);

	if (r >= 0)
		r = kho_json_text(answer, KHO_NEED("status"), status,
				  sizeof(status), err);
	if (r >= 0 && strcmp(status, "success") != 0)
		return kho_fail(err, -EBADMSG, "Prometheus couldn't answer the query (%s)", status);
	if (r >= 0)
		r = kho_json_object(answer, KHO_NEED("data"), &data, err);
	if (r >= 0)
		r = kho_json_text(data, (struct kho_json_field){ "resultType", true }, type, sizeof(type),
				  err);
	if (r >= 0)
		r = kho_json_array(data, KHO_NEED("result"), &samples, err);
	if (r < 0)
		return kho_wrap(err, -EBADMSG, "Prometheus' answer");
	return judge_samples(gate, type, samples, err);
}
