// SPDX-License-Identifier: GPL-2.0-only
/* The spec of a rollout, as text; rollout.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "fleet/rollout.h"

#define DEFAULT_HALT		2u
#define DEFAULT_DEADLINE_SEC	3600u
#define DEFAULT_UNDO_SEC	600u
#define MAX_SEC			604800u		/* a week */
#define MAX_NUMBER		100000u
#define MAX_BLACKOUT_MS		600000u
#define MARGIN_MS		5000u
#define WINDOWS_TEXT		512


uint64_t kho_share_of(const struct kho_share *share, uint64_t total)
{
	uint64_t number = share->percent ? total * share->number / 100 : share->number;

	return number ? number : 1;
}

uint64_t kho_rollout_lost_ms(const struct kho_rollout_spec *spec)
{
	return (spec->deadline_sec + spec->undo_sec) * 1000 + KHO_FLEET_START_MS + MARGIN_MS;
}

/* A number, or "N%". */
static int parse_share(sd_json_variant *object, const char *name, struct kho_share *ret,
		       struct kho_err *err)
{
	sd_json_variant *v = sd_json_variant_by_key(object, name);
	struct kho_share share = {};
	uint64_t number = 0;
	char text[8] = "";
	int r;

	if (!v)
		return 0;
	if (sd_json_variant_is_string(v)) {
		r = kho_json_text(object, KHO_NEED(name), text, sizeof(text), err);
		share.percent = r >= 0 && *text && text[strlen(text) - 1] == '%';
		if (share.percent)
			text[strlen(text) - 1] = '\0';
		if (r >= 0 && (!share.percent || kho_parse_u64(text, &number, NULL) < 0 ||
			       number > 100))
			r = kho_fail(err, -EINVAL, "\"%s\": a number, or \"1%%\" to \"100%%\"", name);
	} else {
		r = kho_json_number(object, KHO_NEED(name), &number, err);
	}
	if (r >= 0 && (!number || number > MAX_NUMBER))
		r = kho_fail(err, -EINVAL, "\"%s\" is to be 1 or more, up to %u", name, MAX_NUMBER);
	if (r < 0)
		return r;
	share.number = (uint32_t)number;
	*ret = share;
	return 0;
}

static int parse_seconds(sd_json_variant *object, const char *name, uint64_t *ret,
			 struct kho_err *err)
{
	int r = kho_json_number(object, KHO_MAY(name), ret, err);

	if (r >= 0 && *ret > MAX_SEC)
		return kho_fail(err, -EINVAL, "\"%s\": up to %u, which is a week", name, MAX_SEC);
	return r;
}

static int parse_labels(sd_json_variant *object, struct kho_labels *ret, struct kho_err *err)
{
	sd_json_variant *v = NULL;
	int r = kho_json_object(object, KHO_MAY("selector"), &v, err);

	return r < 0 ? r : kho_labels_parse(v, ret, err);
}

/* ---- waves ---- */

static int parse_wave(sd_json_variant *object, uint64_t soak_sec, struct kho_wave *ret,
		      struct kho_err *err)
{
	static const char *const names[] = { "name", "selector", "size", "soak_sec", NULL };
	struct kho_wave wave = { .soak_sec = soak_sec };
	int r;

	if (!sd_json_variant_is_object(object))
		return kho_fail(err, -EINVAL, "a wave is an object");
	r = kho_json_only(object, names, err);
	if (r >= 0)
		r = kho_json_text(object, KHO_NEED("name"), wave.name, sizeof(wave.name), err);
	if (r >= 0)
		r = kho_name_check("\"name\"", wave.name, sizeof(wave.name), err);
	if (r >= 0)
		r = parse_labels(object, &wave.selector, err);
	if (r >= 0)
		r = parse_share(object, "size", &wave.size, err);
	if (r >= 0)
		r = parse_seconds(object, "soak_sec", &wave.soak_sec, err);
	if (r < 0)
		return r;
	if (!wave.size.number && !wave.selector.nr)
		return kho_fail(err, -EINVAL, "wave \"%s\" needs a size or a selector; all others are the "
				"last wave by themselves", wave.name);
	*ret = wave;
	return 0;
}

/* Without waves there's a canary of one. All others come last. */
static int parse_waves(sd_json_variant *object, struct kho_rollout_spec *spec, struct kho_err *err)
{
	sd_json_variant *list = NULL;
	uint64_t soak_sec = 0;
	size_t nr;
	int r = parse_seconds(object, "soak_sec", &soak_sec, err);

	if (r >= 0)
		r = kho_json_array(object, KHO_MAY("waves"), &list, err);
	if (r < 0)
		return r;
	nr = list ? sd_json_variant_elements(list) : 0;
	if (nr > KHO_FLEET_WAVES - 1)
		return kho_fail(err, -EINVAL, "\"waves\": up to %u; all others are one more",
				KHO_FLEET_WAVES - 1);
	for (size_t i = 0; i < nr && r >= 0; i++) {
		r = parse_wave(sd_json_variant_by_index(list, i), soak_sec, &spec->waves[i], err);
		if (r < 0)
			kho_wrap(err, r, "wave %zu", i + 1);
	}
	if (!list)
		spec->waves[nr++] = (struct kho_wave){ .name = "canary", .size = { .number = 1 },
						       .soak_sec = soak_sec };
	spec->waves[nr++] = (struct kho_wave){ .name = "all" };
	spec->nr_waves = (unsigned int)nr;
	return r;
}

/* ---- lists ---- */

static int parse_windows(sd_json_variant *object, struct kho_rollout_spec *spec, struct kho_err *err)
{
	char text[WINDOWS_TEXT] = "";
	int r = kho_json_text(object, KHO_MAY("windows"), text, sizeof(text), err);

	if (r >= 0)
		r = kho_windows_parse(text, &spec->windows, err);
	return r < 0 ? kho_wrap(err, r, "\"windows\"") : 0;
}

static int parse_gates(sd_json_variant *object, struct kho_rollout_spec *spec, struct kho_err *err)
{
	sd_json_variant *list = NULL;
	int r = kho_json_array(object, KHO_MAY("gates"), &list, err);
	size_t nr = r >= 0 && list ? sd_json_variant_elements(list) : 0;

	if (nr > KHO_GATES_MAX)
		return kho_fail(err, -EINVAL, "\"gates\": up to %u", KHO_GATES_MAX);
	for (size_t i = 0; i < nr && r >= 0; i++) {
		sd_json_variant *item = sd_json_variant_by_index(list, i);

		r = sd_json_variant_is_object(item) ? kho_gate_parse(item, &spec->gates[i], err) :
		    kho_fail(err, -EINVAL, "a gate is an object");
		if (r < 0)
			kho_wrap(err, r, "gate %zu", i + 1);
	}
	spec->nr_gates = (unsigned int)nr;
	return r;
}

/* ---- the whole ---- */

static int parse_target(sd_json_variant *object, struct kho_rollout_spec *spec, struct kho_err *err)
{
	int r = kho_json_text(object, KHO_NEED("id"), spec->id, sizeof(spec->id), err);

	if (r >= 0)
		r = kho_name_check("\"id\"", spec->id, sizeof(spec->id), err);
	if (r >= 0)
		r = kho_json_text(object, KHO_MAY("group"), spec->group, sizeof(spec->group), err);
	if (r >= 0)
		r = kho_name_check("\"group\"", spec->group, sizeof(spec->group), err);
	if (r >= 0)
		r = kho_json_text(object, KHO_NEED("image"), spec->image, sizeof(spec->image), err);
	if (r >= 0)
		r = kho_json_text(object, KHO_NEED("digest"), spec->digest, sizeof(spec->digest), err);
	if (r < 0)
		return r;
	if (spec->image[0] != '/' || strstr(spec->image, "/../"))
		return kho_fail(err, -EINVAL, "\"image\" is to be an absolute path of a folder");
	if (strlen(spec->digest) != KHO_FLEET_DIGEST - 1 ||
	    spec->digest[strspn(spec->digest, "0123456789abcdef")])
		return kho_fail(err, -EINVAL, "\"digest\": 64 hex digits, as khoctl image list --json "
				"shows it");
	return 0;
}

static int parse_domain(sd_json_variant *object, struct kho_rollout_spec *spec, struct kho_err *err)
{
	static const char *const names[] = { "label", "max", NULL };
	sd_json_variant *domain = NULL;
	int r = kho_json_object(object, KHO_MAY("per_domain"), &domain, err);

	if (r < 0 || !domain)
		return r;
	spec->per_domain = (struct kho_share){ .number = 1 };
	r = kho_json_only(domain, names, err);
	if (r >= 0)
		r = kho_json_text(domain, KHO_NEED("label"), spec->domain, sizeof(spec->domain), err);
	if (r >= 0 && !*spec->domain)
		r = kho_fail(err, -EINVAL, "\"label\" is empty");
	if (r >= 0)
		r = parse_share(domain, "max", &spec->per_domain, err);
	return r < 0 ? kho_wrap(err, r, "\"per_domain\"") : 0;
}

static int parse_blackout(sd_json_variant *object, uint64_t *ret, struct kho_err *err)
{
	uint64_t ms = 1;
	int r = kho_json_number(object, KHO_MAY("blackout_ms"), &ms, err);

	if (r >= 0 && (!ms || ms > MAX_BLACKOUT_MS))
		return kho_fail(err, -EINVAL, "\"blackout_ms\" is to be 1 to %u; without it there's no "
				"budget", MAX_BLACKOUT_MS);
	if (r >= 0 && sd_json_variant_by_key(object, "blackout_ms"))
		*ret = ms;
	return r;
}

static int parse_limits(sd_json_variant *object, struct kho_rollout_spec *spec, struct kho_err *err)
{
	char rollback[16] = "abort";
	int r = parse_share(object, "concurrency", &spec->concurrency, err);

	if (r >= 0)
		r = kho_json_number(object, KHO_MAY("halt_failures"), &spec->halt_failures, err);
	if (r >= 0)
		r = parse_seconds(object, "deadline_sec", &spec->deadline_sec, err);
	if (r >= 0)
		r = parse_seconds(object, "undo_sec", &spec->undo_sec, err);
	if (r >= 0)
		r = parse_blackout(object, &spec->blackout_ms, err);
	spec->has_machine_soak = sd_json_variant_by_key(object, "machine_soak_sec");
	if (r >= 0)
		r = parse_seconds(object, "machine_soak_sec", &spec->machine_soak_sec, err);
	if (r >= 0)
		r = kho_json_text(object, KHO_MAY("rollback"), rollback, sizeof(rollback), err);
	if (r >= 0)
		r = kho_json_flag(object, KHO_MAY("share_slots"), &spec->share_slots, err);
	if (r < 0)
		return r;
	spec->stay = strcmp(rollback, "stay") == 0;
	if (!spec->stay && strcmp(rollback, "abort") != 0)
		return kho_fail(err, -EINVAL, "\"rollback\": abort or stay, not \"%s\"", rollback);
	return 0;
}

static int check_limits(const struct kho_rollout_spec *spec, struct kho_err *err)
{
	if (!spec->halt_failures)
		return kho_fail(err, -EINVAL, "\"halt_failures\" is to be 1 or more");
	if (spec->deadline_sec < 10 || spec->undo_sec < 1)
		return kho_fail(err, -EINVAL, "\"deadline_sec\" is to be 10 or more, \"undo_sec\" 1 or "
				"more");
	if (spec->has_machine_soak && spec->machine_soak_sec >= spec->deadline_sec)
		return kho_fail(err, -EINVAL, "\"machine_soak_sec\" is a part of \"deadline_sec\", which is "
				"to be larger");
	return 0;
}

static int check_schema(sd_json_variant *object, struct kho_err *err)
{
	uint64_t schema = 0;
	int r = kho_json_number(object, KHO_NEED("schema"), &schema, err);

	if (r >= 0 && schema != KHO_ROLLOUT_SCHEMA)
		return kho_fail(err, -EPROTONOSUPPORT, "schema %llu; this version knows %u: update "
				"kho-agent on this machine", (unsigned long long)schema,
				KHO_ROLLOUT_SCHEMA);
	return r;
}

static int parse_spec(sd_json_variant *object, struct kho_rollout_spec *ret, struct kho_err *err)
{
	static const char *const names[] = {
		"schema", "id", "group", "image", "digest", "selector", "waves", "concurrency",
		"per_domain", "soak_sec", "halt_failures", "deadline_sec", "undo_sec",
		"machine_soak_sec", "blackout_ms", "windows", "gates", "rollback", "share_slots", NULL
	};
	struct kho_rollout_spec spec = {
		.group = "default",
		.concurrency = { .number = 1 },
		.halt_failures = DEFAULT_HALT,
		.deadline_sec = DEFAULT_DEADLINE_SEC,
		.undo_sec = DEFAULT_UNDO_SEC,
	};
	int r = check_schema(object, err);

	if (r >= 0)
		r = kho_json_only(object, names, err);
	if (r >= 0)
		r = parse_target(object, &spec, err);
	if (r >= 0)
		r = parse_labels(object, &spec.selector, err);
	if (r >= 0)
		r = parse_waves(object, &spec, err);
	if (r >= 0)
		r = parse_domain(object, &spec, err);
	if (r >= 0)
		r = parse_limits(object, &spec, err);
	if (r >= 0)
		r = check_limits(&spec, err);
	if (r >= 0)
		r = parse_windows(object, &spec, err);
	if (r >= 0)
		r = parse_gates(object, &spec, err);
	if (r >= 0)
		*ret = spec;
	return r;
}

static int parse_text(const char *text, size_t size, sd_json_variant **ret, struct kho_err *err)
{
	if (size > KHO_FLEET_MAX)
		return kho_fail(err, -EINVAL, "a rollout of more than %u bytes", KHO_FLEET_MAX);
	return kho_json_parse(text, size, ret, err);
}

int kho_rollout_spec_parse(const char *text, size_t size, struct kho_rollout_spec *ret,
			   struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *object = NULL;
	int r = parse_text(text, size, &object, err);

	return r < 0 ? r : parse_spec(object, ret, err);
}

/* ---- the document ---- */

static const char *const state_names[] = {
	[KHO_ROLLOUT_RUNNING] = "running",
	[KHO_ROLLOUT_PAUSED] = "paused",
	[KHO_ROLLOUT_HALTED] = "halted",
	[KHO_ROLLOUT_ABORTED] = "aborted",
	[KHO_ROLLOUT_DONE] = "done",
};

const char *kho_rollout_state_name(enum kho_rollout_state state)
{
	return state_names[state];
}

bool kho_rollout_is_over(const struct kho_rollout *rollout)
{
	return rollout->state == KHO_ROLLOUT_ABORTED || rollout->state == KHO_ROLLOUT_DONE;
}

static int parse_state(sd_json_variant *object, enum kho_rollout_state *ret, struct kho_err *err)
{
	char name[16] = "";
	int r = kho_json_text(object, KHO_NEED("state"), name, sizeof(name), err);

	for (unsigned int i = 0; r >= 0 && i < _KHO_ROLLOUT_STATE_MAX; i++)
		if (strcmp(name, state_names[i]) == 0) {
			*ret = (enum kho_rollout_state)i;
			return 0;
		}
	return r < 0 ? r : kho_fail(err, -EINVAL, "\"state\": \"%s\" isn't known", name);
}

static int parse_rest(sd_json_variant *object, struct kho_rollout *rollout, struct kho_err *err)
{
	int r = parse_state(object, &rollout->state, err);

	if (r >= 0)
		r = kho_json_text(object, KHO_MAY("reason"), rollout->reason, sizeof(rollout->reason), err);
	if (r >= 0)
		r = kho_json_text(object, KHO_MAY("message"), rollout->message, sizeof(rollout->message),
				  err);
	if (r >= 0)
		r = kho_json_text(object, KHO_MAY("owner"), rollout->owner, sizeof(rollout->owner), err);
	if (r >= 0)
		r = kho_json_number(object, KHO_MAY("began_ms"), &rollout->began_ms, err);
	if (r >= 0)
		r = kho_json_number(object, KHO_MAY("since_ms"), &rollout->since_ms, err);
	if (r >= 0)
		r = kho_json_number(object, KHO_MAY("round"), &rollout->round, err);
	return r;
}

int kho_rollout_parse(const char *text, size_t size, struct kho_rollout *ret, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *object = NULL;
	struct kho_rollout rollout = {};
	sd_json_variant *spec = NULL;
	int r = parse_text(text, size, &object, err);

	if (r >= 0)
		r = check_schema(object, err);
	if (r >= 0)
		r = kho_json_object(object, KHO_NEED("spec"), &spec, err);
	if (r >= 0)
		r = parse_spec(spec, &rollout.spec, err);
	if (r >= 0)
		r = parse_rest(object, &rollout, err);
	if (r >= 0)
		*ret = rollout;
	return r < 0 ? kho_wrap(err, r, "rollout") : 0;
}

int kho_rollout_format(const struct kho_rollout *rollout, const char *spec, char **ret,
		       struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *inner = NULL, *v = NULL;
	int r = kho_json_parse(spec, strlen(spec), &inner, err);

	if (r < 0)
		return r;
	r = sd_json_buildo(
		&v, SD_JSON_BUILD_PAIR_UNSIGNED("schema", KHO_ROLLOUT_SCHEMA),
		SD_JSON_BUILD_PAIR_VARIANT("spec", inner),
		SD_JSON_BUILD_PAIR_STRING("state", state_names[rollout->state]),
		SD_JSON_BUILD_PAIR_STRING("reason", rollout->reason),
		SD_JSON_BUILD_PAIR_STRING("message", rollout->message),
		SD_JSON_BUILD_PAIR_STRING("owner", rollout->owner),
		SD_JSON_BUILD_PAIR_UNSIGNED("began_ms", rollout->began_ms),
		SD_JSON_BUILD_PAIR_UNSIGNED("since_ms", rollout->since_ms),
		SD_JSON_BUILD_PAIR_UNSIGNED("round", rollout->round));
	return r < 0 ? kho_fail_errno(err, r, "rollout") : kho_json_format(v, ret, err);
}

int kho_rollout_spec_text(const char *text, size_t size, char **ret, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *object = NULL;
	sd_json_variant *spec = NULL;
	int r = parse_text(text, size, &object, err);

	if (r >= 0)
		r = kho_json_object(object, KHO_NEED("spec"), &spec, err);
	return r < 0 ? r : kho_json_format(spec, ret, err);
}
