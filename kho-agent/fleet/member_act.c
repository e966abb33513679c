// SPDX-License-Identifier: GPL-2.0-only
/* What a member writes to etcd; member.h says what each transaction compares. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "fleet/keys.h"
#include "fleet/member_private.h"

#define KEY(to, ...) snprintf((to), KHO_ETCD_KEY, __VA_ARGS__)

static struct kho_node *own(const struct kho_member *member)
{
	return kho_fleet_cache_find(&member->cache, member->spec.id);
}

static struct kho_etcd_compare *compare(struct kho_etcd_txn *txn, uint64_t revision)
{
	struct kho_etcd_compare *c = &txn->compares[txn->nr_compares++];

	c->revision = revision;
	return c;
}

/* No key that begins so has changed since the view. */
static void compare_all(struct kho_member *member, struct kho_etcd_txn *txn, bool slots)
{
	struct kho_etcd_compare *c = compare(txn, member->cache.view.revision);

	c->prefix = true;
	c->what = KHO_ETCD_NOT_LATER;
	if (slots)
		KEY(c->key, KHO_KEY_SLOTS, member->spec.group);
	else
		KEY(c->key, KHO_KEY_NODES, member->spec.group);
}

static char *add_op(struct kho_etcd_txn *txn, const char *value)
{
	struct kho_etcd_op *op = &txn->ops[txn->nr_ops++];

	op->value = value;
	return op->key;
}

/* What was made is in the view at once. */
static int apply(struct kho_member *member, const struct kho_etcd_txn *txn, uint64_t revision,
		 struct kho_err *err)
{
	struct kho_etcd_kv of[KHO_ETCD_OPS] = {};
	struct kho_etcd_kvs kvs = { .of = of, .nr = txn->nr_ops };

	for (unsigned int i = 0; i < txn->nr_ops; i++) {
		const char *value = txn->ops[i].value;

		memcpy(of[i].key, txn->ops[i].key, KHO_ETCD_KEY);
		/* borrowed; the cache copies what it takes */
		of[i].value = (char *)(uintptr_t)value;
		of[i].size = value ? strlen(value) : 0;
		of[i].revision = revision;
	}
	return kho_fleet_cache_apply(&member->cache, &kvs, kho_member_mono(member), err);
}

static int make(struct kho_member *member, const struct kho_etcd_txn *txn, uint64_t *ret_revision,
		struct kho_err *err)
{
	uint64_t revision = 0;
	bool made = false;
	int r = member->etcd.ops->txn(member->etcd.ctx, txn, &made, &revision, err);

	if (r >= 0 && made)
		r = apply(member, txn, revision, err);
	if (r < 0) {
		/* it may have been made */
		member->loaded = false;
		return r;
	}
	if (ret_revision)
		*ret_revision = revision;
	return made;
}

/* ---- registration ---- */

int kho_member_register(struct kho_member *member, struct kho_err *err)
{
	const struct kho_member_spec *spec = &member->spec;
	_cleanup_free_ struct kho_node *node = calloc(1, sizeof(*node));
	struct kho_node *known = own(member);
	_cleanup_free_ char *record = NULL;
	_cleanup_free_ struct kho_etcd_txn *txn = calloc(1, sizeof(*txn));
	uint64_t revision;
	int r;

	if (!node || !txn)
		return kho_fail(err, -ENOMEM, "no memory to register");
	if (known)
		*node = *known;
	/* another boot is another kernel */
	if (strcmp(node->boot, spec->boot) != 0)
		node->digest[0] = '\0';
	if (*member->digest)
		memcpy(node->digest, member->digest, sizeof(node->digest));
	node->labels = spec->labels;
	memcpy(node->release, spec->release, sizeof(node->release));
	memcpy(node->boot, spec->boot, sizeof(node->boot));
	r = kho_node_format(node, &record, err);
	if (r < 0)
		return r;
	KEY(compare(txn, node->revision)->key, KHO_KEY_NODE, spec->group, spec->id);
	KEY(compare(txn, node->live_revision)->key, KHO_KEY_LIVE, spec->group, spec->id);
	KEY(add_op(txn, record), KHO_KEY_NODE, spec->group, spec->id);
	txn->ops[txn->nr_ops].lease = member->lease;
	KEY(add_op(txn, spec->boot), KHO_KEY_LIVE, spec->group, spec->id);
	r = make(member, txn, &revision, err);
	if (r > 0)
		member->registered = revision;
	return r;
}

/* ---- records ---- */

/* @node with the state that was decided on. */
static void set_status(const struct kho_member *member, const struct kho_decision *decision,
		       const struct kho_rollout *rollout, struct kho_node *node)
{
	struct kho_node_status *status = &node->status;
	const char *id = node->has_slot ? node->slot_rollout : rollout->spec.id;
	bool other = strcmp(status->rollout, id) != 0;

	if (other)
		*status = (struct kho_node_status){};
	if (other || (status->round != rollout->round && !node->has_slot))
		status->attempts = 0;
	memmove(status->rollout, id, strnlen(id, KHO_FLEET_ID - 1) + 1);
	status->round = rollout->round;
	status->state = decision->state;
	snprintf(status->reason, sizeof(status->reason), "%s", decision->reason);
	snprintf(status->message, sizeof(status->message), "%s", decision->message);
	status->since_ms = kho_member_now(member);
	status->blackout_ms = decision->blackout_ms;
}

int kho_member_report(struct kho_member *member, const struct kho_decision *decision,
		      struct kho_err *err)
{
	const struct kho_member_spec *spec = &member->spec;
	_cleanup_free_ struct kho_node *node = calloc(1, sizeof(*node));
	_cleanup_free_ struct kho_etcd_txn *txn = calloc(1, sizeof(*txn));
	_cleanup_free_ char *record = NULL;
	int r;

	if (!node || !txn)
		return kho_fail(err, -ENOMEM, "no memory to report");
	*node = *own(member);
	set_status(member, decision, &member->cache.view.rollout, node);
	/* it may have become known since the registration */
	if (*member->digest && strcmp(node->boot, spec->boot) == 0)
		memcpy(node->digest, member->digest, sizeof(node->digest));
	r = kho_node_format(node, &record, err);
	if (r < 0)
		return r;
	KEY(compare(txn, node->revision)->key, KHO_KEY_NODE, spec->group, spec->id);
	KEY(add_op(txn, record), KHO_KEY_NODE, spec->group, spec->id);
	return make(member, txn, NULL, err);
}

/* ---- slots ---- */

int kho_member_read_semaphore(struct kho_member *member, struct kho_err *err)
{
	_cleanup_(kho_etcd_kvs_done) struct kho_etcd_kvs kvs = {};
	char key[KHO_ETCD_KEY];
	int r;

	KEY(key, KHO_KEY_SEMAPHORE, member->spec.group);
	r = member->etcd.ops->range(member->etcd.ctx, key, false, &kvs, err);
	if (r < 0)
		return r;
	memset(member->semaphore, 0, sizeof(*member->semaphore));
	if (!kvs.nr)
		return 0;
	member->semaphore->revision = kvs.of[0].revision;
	r = kho_semaphore_parse(kvs.of[0].value, kvs.of[0].size, member->semaphore, err);
	return r < 0 ? kho_wrap(err, r, "%s", key) : 0;
}

static void put_semaphore(struct kho_member *member, struct kho_etcd_txn *txn, const char *value)
{
	KEY(compare(txn, member->semaphore->revision)->key, KHO_KEY_SEMAPHORE, member->spec.group);
	KEY(add_op(txn, value), KHO_KEY_SEMAPHORE, member->spec.group);
}

static int add_holder(struct kho_member *member, char **ret, struct kho_err *err)
{
	const struct kho_rollout_spec *spec = &member->cache.view.rollout.spec;
	struct kho_tally tally;
	int r = kho_fleet_tally(&member->cache.view, NULL, &tally, err);

	if (r < 0)
		return r;
	if (!spec->share_slots || !member->semaphore->total)
		member->semaphore->total = tally.limit;
	r = kho_semaphore_add(member->semaphore, member->spec.id, err);
	return r < 0 ? r : kho_semaphore_format(member->semaphore, ret, err);
}

static void set_slot(const struct kho_rollout_spec *spec, struct kho_node *node)
{
	memcpy(node->slot_rollout, spec->id, sizeof(node->slot_rollout));
	node->slot_since_ms = node->status.since_ms;
	node->slot_deadline_ms = spec->deadline_sec * 1000;
	node->slot_lost_ms = kho_rollout_lost_ms(spec);
	node->status.taken_ms = node->status.since_ms;
	node->status.attempts++;
}

int kho_member_take(struct kho_member *member, const struct kho_decision *decision,
		    struct kho_err *err)
{
	const struct kho_member_spec *spec = &member->spec;
	const struct kho_fleet_view *view = &member->cache.view;
	struct kho_decision taken = *decision;
	_cleanup_free_ struct kho_node *node = calloc(1, sizeof(*node));
	_cleanup_free_ struct kho_etcd_txn *txn = calloc(1, sizeof(*txn));
	_cleanup_free_ char *record = NULL, *slot = NULL, *semaphore = NULL;
	uint64_t asked = kho_member_mono(member);
	int r;

	if (!node || !txn)
		return kho_fail(err, -ENOMEM, "no memory to take a slot");
	*node = *own(member);
	taken.state = KHO_NODE_TAKEN;
	set_status(member, &taken, &view->rollout, node);
	set_slot(&view->rollout.spec, node);
	r = kho_node_format(node, &record, err);
	if (r >= 0)
		r = kho_slot_format(node, &slot, err);
	if (r >= 0)
		r = add_holder(member, &semaphore, err);
	if (r < 0)
		return r;
	KEY(compare(txn, view->rollout_revision)->key, KHO_KEY_ROLLOUT, spec->group);
	KEY(compare(txn, member->registered)->key, KHO_KEY_LIVE, spec->group, spec->id);
	compare_all(member, txn, false);
	compare_all(member, txn, true);
	put_semaphore(member, txn, semaphore);
	KEY(add_op(txn, slot), KHO_KEY_SLOT, spec->group, spec->id);
	KEY(add_op(txn, record), KHO_KEY_NODE, spec->group, spec->id);
	r = make(member, txn, NULL, err);
	if (r > 0) {
		member->asked_ms = member->held_ms = asked ?: 1;
		member->refused[0] = '\0';
	}
	return r;
}

int kho_member_release(struct kho_member *member, const struct kho_decision *decision,
		       struct kho_err *err)
{
	const struct kho_node *of = decision->other ?: own(member);
	const char *group = member->spec.group;
	_cleanup_free_ struct kho_node *node = calloc(1, sizeof(*node));
	_cleanup_free_ struct kho_etcd_txn *txn = calloc(1, sizeof(*txn));
	_cleanup_free_ char *record = NULL, *semaphore = NULL;
	int r;

	if (!node || !txn)
		return kho_fail(err, -ENOMEM, "no memory to release a slot");
	*node = *of;
	set_status(member, decision, &member->cache.view.rollout, node);
	if (decision->runs_target)
		memcpy(node->digest, member->digest, sizeof(node->digest));
	r = kho_member_read_semaphore(member, err);
	if (r >= 0)
		kho_semaphore_remove(member->semaphore, node->id);
	if (r >= 0)
		r = kho_semaphore_format(member->semaphore, &semaphore, err);
	if (r >= 0)
		r = kho_node_format(node, &record, err);
	if (r < 0)
		return r;
	KEY(compare(txn, node->slot_revision)->key, KHO_KEY_SLOT, group, node->id);
	KEY(compare(txn, node->revision)->key, KHO_KEY_NODE, group, node->id);
	if (decision->other)
		KEY(compare(txn, 0)->key, KHO_KEY_LIVE, group, node->id);
	put_semaphore(member, txn, semaphore);
	KEY(add_op(txn, NULL), KHO_KEY_SLOT, group, node->id);
	KEY(add_op(txn, record), KHO_KEY_NODE, group, node->id);
	return make(member, txn, NULL, err);
}

/* ---- the rollout ---- */

static int read_spec(struct kho_member *member, char **ret, struct kho_err *err)
{
	_cleanup_(kho_etcd_kvs_done) struct kho_etcd_kvs kvs = {};
	char key[KHO_ETCD_KEY];
	int r;

	KEY(key, KHO_KEY_ROLLOUT, member->spec.group);
	r = member->etcd.ops->range(member->etcd.ctx, key, false, &kvs, err);
	if (r < 0)
		return r;
	if (!kvs.nr)
		return kho_fail(err, -ENOENT, "the rollout is gone");
	return kho_rollout_spec_text(kvs.of[0].value, kvs.of[0].size, ret, err);
}

int kho_member_close(struct kho_member *member, const struct kho_decision *decision,
		     struct kho_err *err)
{
	const struct kho_fleet_view *view = &member->cache.view;
	_cleanup_free_ struct kho_rollout *rollout = calloc(1, sizeof(*rollout));
	_cleanup_free_ struct kho_etcd_txn *txn = calloc(1, sizeof(*txn));
	_cleanup_free_ char *spec = NULL, *text = NULL;
	bool finish = decision->action == KHO_ACTION_FINISH;
	int r;

	if (!rollout || !txn)
		return kho_fail(err, -ENOMEM, "no memory to end a rollout");
	*rollout = view->rollout;
	rollout->state = finish ? KHO_ROLLOUT_DONE : KHO_ROLLOUT_HALTED;
	rollout->since_ms = kho_member_now(member);
	snprintf(rollout->reason, sizeof(rollout->reason), "%s", decision->reason);
	memcpy(rollout->message, decision->message, sizeof(rollout->message));
	r = read_spec(member, &spec, err);
	if (r >= 0)
		r = kho_rollout_format(rollout, spec, &text, err);
	if (r < 0)
		return r;
	KEY(compare(txn, view->rollout_revision)->key, KHO_KEY_ROLLOUT, member->spec.group);
	compare_all(member, txn, false);
	KEY(add_op(txn, text), KHO_KEY_ROLLOUT, member->spec.group);
	if (finish)
		KEY(add_op(txn, text), KHO_KEY_HISTORY "%" PRIu64 "-%s", member->spec.group,
		    rollout->since_ms, rollout->spec.id);
	return make(member, txn, NULL, err);
}
