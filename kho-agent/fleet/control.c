// SPDX-License-Identifier: GPL-2.0-only
/* Operators' commands on a rollout; control.h has the idea. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "fleet/control.h"
#include "fleet/json.h"
#include "fleet/keys.h"

#define KEY(to, ...) snprintf((to), KHO_ETCD_KEY, __VA_ARGS__)

/* A transaction, and the texts that are in it. */
struct deed {
	struct kho_etcd_txn txn;
	struct kho_etcd_kvs before;	/* the rollout's key: one or none */
	struct kho_rollout rollout;	/* what's in it, if there's one */
	char *spec, *text, *audit;
};

static void deed_free(struct deed **deed)
{
	if (!*deed)
		return;
	kho_etcd_kvs_done(&(*deed)->before);
	free((*deed)->spec);
	free((*deed)->text);
	free((*deed)->audit);
	free(*deed);
}

#define _cleanup_deed_ _cleanup_(deed_free)

static int read_rollout(const struct kho_control *control, struct deed **ret, struct kho_err *err)
{
	_cleanup_deed_ struct deed *deed = calloc(1, sizeof(*deed));
	char key[KHO_ETCD_KEY];
	int r;

	if (!deed)
		return kho_fail(err, -ENOMEM, "no memory for a rollout");
	KEY(key, KHO_KEY_ROLLOUT, control->group);
	r = control->etcd.ops->range(control->etcd.ctx, key, false, &deed->before, err);
	if (r >= 0 && deed->before.nr)
		r = kho_rollout_parse(deed->before.of[0].value, deed->before.of[0].size, &deed->rollout,
				      err);
	if (r >= 0)
		*ret = TAKE_PTR(deed);
	return r;
}

static void put(struct deed *deed, const char *value, const char *key)
{
	struct kho_etcd_op *op = &deed->txn.ops[deed->txn.nr_ops++];

	op->value = value;
	memcpy(op->key, key, strlen(key) + 1);
}

static int add_audit(const struct kho_control *control, const char *verb, struct deed *deed,
		     struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	char key[KHO_ETCD_KEY];
	int r = sd_json_buildo(&v, SD_JSON_BUILD_PAIR_UNSIGNED("schema", 1),
			       SD_JSON_BUILD_PAIR_UNSIGNED("ms", control->now_ms),
			       SD_JSON_BUILD_PAIR_STRING("by", control->by),
			       SD_JSON_BUILD_PAIR_STRING("verb", verb),
			       SD_JSON_BUILD_PAIR_STRING("rollout", deed->rollout.spec.id),
			       SD_JSON_BUILD_PAIR_STRING("reason", control->reason ?: ""));

	if (r < 0)
		return kho_fail_errno(err, r, "audit");
	KEY(key, KHO_KEY_AUDIT "%" PRIu64 "-%s", control->group, control->now_ms, verb);
	r = kho_json_format(v, &deed->audit, err);
	if (r >= 0)
		put(deed, deed->audit, key);
	return r;
}

static int make(const struct kho_control *control, struct deed *deed, struct kho_err *err)
{
	struct kho_etcd_compare *c = &deed->txn.compares[deed->txn.nr_compares++];
	uint64_t revision;
	bool made;
	int r;

	KEY(c->key, KHO_KEY_ROLLOUT, control->group);
	c->revision = deed->before.nr ? deed->before.of[0].revision : 0;
	r = control->etcd.ops->txn(control->etcd.ctx, &deed->txn, &made, &revision, err);
	if (r >= 0 && !made)
		return kho_fail(err, -EAGAIN, "somebody else changed it at the same time; khoctl fleet "
				"status shows how it is now");
	return r;
}

static int put_rollout(const struct kho_control *control, struct deed *deed,
		       const struct kho_rollout *rollout, struct kho_err *err)
{
	char key[KHO_ETCD_KEY];
	int r = kho_rollout_format(rollout, deed->spec, &deed->text, err);

	KEY(key, KHO_KEY_ROLLOUT, control->group);
	if (r >= 0)
		put(deed, deed->text, key);
	return r;
}

/* ---- start ---- */

static int check_free(const struct kho_control *control, const struct deed *deed, bool steal,
		      struct kho_err *err)
{
	const struct kho_rollout *other = &deed->rollout;
	uint64_t age = control->now_ms > other->began_ms ? control->now_ms - other->began_ms : 0;

	if (!deed->before.nr || kho_rollout_is_over(other))
		return 0;
	if (!steal)
		return kho_fail(err, -EEXIST, "group \"%s\" is rollout \"%s\"'s, by %s for %" PRIu64 " min, "
				"%s; end it by khoctl fleet abort, or take the group by --steal "
				"--reason=...", control->group, other->spec.id, other->owner,
				age / 60000, kho_rollout_state_name(other->state));
	if (!control->reason || !*control->reason)
		return kho_fail(err, -EINVAL, "to take a group away needs a --reason=");
	return 0;
}

static int keep_history(const struct kho_control *control, struct deed *deed)
{
	char key[KHO_ETCD_KEY];

	/* those that were done are there already, those aborted as well */
	if (!deed->before.nr || kho_rollout_is_over(&deed->rollout))
		return 0;
	KEY(key, KHO_KEY_HISTORY "%" PRIu64 "-%s", control->group, control->now_ms,
	    deed->rollout.spec.id);
	put(deed, deed->before.of[0].value, key);
	return 0;
}

static bool is_same(const struct deed *deed, const char *document)
{
	_cleanup_variant_ sd_json_variant *a = NULL, *b = NULL;
	_cleanup_free_ char *spec = NULL;

	if (!deed->before.nr ||
	    kho_rollout_spec_text(deed->before.of[0].value, deed->before.of[0].size, &spec, NULL) < 0 ||
	    kho_json_parse(spec, strlen(spec), &a, NULL) < 0 ||
	    kho_json_parse(document, strlen(document), &b, NULL) < 0)
		return false;
	return sd_json_variant_equal(a, b);
}

int kho_control_start(const struct kho_control *control, const char *document, bool steal,
		      bool *ret_begun, struct kho_err *err)
{
	_cleanup_free_ struct kho_rollout *rollout = calloc(1, sizeof(*rollout));
	_cleanup_deed_ struct deed *deed = NULL;
	int r;

	if (!rollout)
		return kho_fail(err, -ENOMEM, "no memory for a rollout");
	r = kho_rollout_spec_parse(document, strlen(document), &rollout->spec, err);
	if (r >= 0 && strcmp(rollout->spec.group, control->group) != 0)
		return kho_fail(err, -EINVAL, "the rollout is for group \"%s\", and this is \"%s\"",
				rollout->spec.group, control->group);
	if (r >= 0)
		r = read_rollout(control, &deed, err);
	if (r < 0)
		return r;
	if (is_same(deed, document) && deed->rollout.state != KHO_ROLLOUT_ABORTED) {
		*ret_begun = false;
		return 0;
	}
	r = check_free(control, deed, steal, err);
	if (r >= 0 && deed->before.nr && strcmp(deed->rollout.spec.id, rollout->spec.id) == 0)
		return kho_fail(err, -EINVAL, "\"%s\" was the last one's id; machines would take its results "
				"for this one's: give it another", rollout->spec.id);
	if (r < 0)
		return r;
	keep_history(control, deed);
	rollout->began_ms = rollout->since_ms = control->now_ms;
	snprintf(rollout->owner, sizeof(rollout->owner), "%s", control->by);
	deed->spec = strdup(document);
	r = deed->spec ? put_rollout(control, deed, rollout, err) : -ENOMEM;
	deed->rollout = *rollout;
	if (r >= 0)
		r = add_audit(control, steal ? "steal" : "start", deed, err);
	if (r >= 0)
		r = make(control, deed, err);
	if (r >= 0)
		*ret_begun = true;
	return r;
}

/* ---- pause, resume, abort ---- */

static int check_change(const struct kho_rollout *rollout, enum kho_rollout_state state,
			struct kho_err *err)
{
	bool paused = rollout->state == KHO_ROLLOUT_PAUSED, halted = rollout->state == KHO_ROLLOUT_HALTED;

	if (rollout->state == state)
		return kho_fail(err, -EALREADY, "rollout \"%s\" is %s already", rollout->spec.id,
				kho_rollout_state_name(state));
	if (kho_rollout_is_over(rollout) ||
	    (state == KHO_ROLLOUT_PAUSED && rollout->state != KHO_ROLLOUT_RUNNING) ||
	    (state == KHO_ROLLOUT_RUNNING && !paused && !halted))
		return kho_fail(err, -EINVAL, "rollout \"%s\" is %s", rollout->spec.id,
				kho_rollout_state_name(rollout->state));
	return 0;
}

int kho_control_set(const struct kho_control *control, enum kho_rollout_state state,
		    struct kho_err *err)
{
	static const char *const verbs[] = { [KHO_ROLLOUT_RUNNING] = "resume",
		[KHO_ROLLOUT_PAUSED] = "pause", [KHO_ROLLOUT_HALTED] = "halt",
		[KHO_ROLLOUT_ABORTED] = "abort" };
	_cleanup_deed_ struct deed *deed = NULL;
	struct kho_rollout *rollout;
	char key[KHO_ETCD_KEY];
	int r = read_rollout(control, &deed, err);

	if (r < 0)
		return r;
	if (!deed->before.nr)
		return kho_fail(err, -ENOENT, "group \"%s\" has no rollout", control->group);
	rollout = &deed->rollout;
	r = check_change(rollout, state, err);
	if (r < 0)
		return r;
	rollout->round += state == KHO_ROLLOUT_RUNNING && rollout->state == KHO_ROLLOUT_HALTED;
	rollout->state = state;
	rollout->since_ms = control->now_ms;
	snprintf(rollout->reason, sizeof(rollout->reason), "Operator");
	snprintf(rollout->message, sizeof(rollout->message), "%s by %s%s%.200s", verbs[state],
		 control->by, control->reason ? ": " : "", control->reason ?: "");
	r = kho_rollout_spec_text(deed->before.of[0].value, deed->before.of[0].size, &deed->spec, err);
	if (r >= 0)
		r = put_rollout(control, deed, rollout, err);
	if (r >= 0)
		r = add_audit(control, verbs[state], deed, err);
	if (r >= 0 && state == KHO_ROLLOUT_ABORTED) {
		KEY(key, KHO_KEY_HISTORY "%" PRIu64 "-%s", control->group, control->now_ms,
		    rollout->spec.id);
		put(deed, deed->text, key);
	}
	return r < 0 ? r : make(control, deed, err);
}

/* ---- forget ---- */

static struct kho_etcd_compare *want(struct deed *deed, uint64_t revision)
{
	struct kho_etcd_compare *c = &deed->txn.compares[deed->txn.nr_compares++];

	c->revision = revision;
	return c;
}

int kho_control_forget(const struct kho_control *control, const char *id, struct kho_err *err)
{
	_cleanup_deed_ struct deed *deed = NULL;
	char key[KHO_ETCD_KEY];
	int r = kho_name_check("machine", id, KHO_FLEET_ID, err);

	if (r >= 0)
		r = read_rollout(control, &deed, err);
	if (r < 0)
		return r;
	KEY(want(deed, 0)->key, KHO_KEY_LIVE, control->group, id);
	KEY(want(deed, 0)->key, KHO_KEY_SLOT, control->group, id);
	KEY(key, KHO_KEY_NODE, control->group, id);
	put(deed, NULL, key);
	/* who decides at this moment counts it still: the rollout's revision changes that */
	KEY(key, KHO_KEY_ROLLOUT, control->group);
	if (deed->before.nr)
		put(deed, deed->before.of[0].value, key);
	r = add_audit(control, "forget", deed, err);
	if (r >= 0)
		r = make(control, deed, err);
	return r == -EAGAIN ? kho_fail(err, -EBUSY, "machine \"%s\" is there, or has a slot; stop kho-fleet "
				       "on it first", id) : r;
}
