// SPDX-License-Identifier: GPL-2.0-only
/* etcd in memory; etcd_model.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/etcd_model.h"

uint64_t etcd_model_draw(uint64_t *lot, uint64_t below)
{
	/* xorshift64* */
	*lot ^= *lot >> 12;
	*lot ^= *lot << 25;
	*lot ^= *lot >> 27;
	return (*lot * 0x2545f4914f6cdd1dull >> 16) % below;
}

void etcd_model_init(struct etcd_model *model, uint64_t lot)
{
	memset(model, 0, sizeof(*model));
	model->revision = 1;
	model->next_lease = 1;
	model->lot = lot;
}

void etcd_model_done(struct etcd_model *model)
{
	for (size_t i = 0; i < model->nr_keys; i++)
		free(model->keys[i].value);
	for (size_t i = 0; i < model->nr_changes; i++)
		free(model->changes[i].value);
	model->nr_keys = model->nr_changes = 0;
}

static void copy_kv(struct kho_etcd_kv *to, const struct kho_etcd_kv *from)
{
	*to = *from;
	to->value = from->value ? strdup(from->value) : NULL;
}

static struct kho_etcd_kv *find(const struct etcd_model *model, const char *key)
{
	for (size_t i = 0; i < model->nr_keys; i++)
		if (strcmp(model->keys[i].key, key) == 0)
			return (struct kho_etcd_kv *)(uintptr_t)&model->keys[i];
	return NULL;
}

const struct kho_etcd_kv *etcd_model_get(const struct etcd_model *model, const char *key)
{
	return find(model, key);
}

/* At model->revision, which the caller has raised. */
static void change(struct etcd_model *model, const struct kho_etcd_op *op)
{
	struct kho_etcd_kv *kv = find(model, op->key);
	struct kho_etcd_kv changed = { .revision = model->revision, .lease = op->lease };

	if (!kv && !op->value)
		return;
	if (model->nr_changes == MODEL_CHANGES || (!kv && model->nr_keys == MODEL_KEYS))
		abort();
	memcpy(changed.key, op->key, sizeof(changed.key));
	changed.value = op->value ? strdup(op->value) : NULL;
	changed.size = op->value ? strlen(op->value) : 0;
	copy_kv(&model->changes[model->nr_changes++], &changed);
	if (!kv)
		kv = &model->keys[model->nr_keys++];
	else
		free(kv->value);
	if (op->value)
		*kv = changed;
	else
		*kv = model->keys[--model->nr_keys];
}

void etcd_model_put(struct etcd_model *model, const char *key, const char *value)
{
	struct kho_etcd_op op = { .value = value };

	snprintf(op.key, sizeof(op.key), "%s", key);
	model->revision++;
	change(model, &op);
}

static void end_lease(struct etcd_model *model, struct model_lease *lease)
{
	uint64_t id = lease->id;

	lease->id = 0;
	model->revision++;
	for (size_t i = 0; i < model->nr_keys;) {
		struct kho_etcd_op op = {};

		if (model->keys[i].lease != id) {
			i++;
			continue;
		}
		memcpy(op.key, model->keys[i].key, sizeof(op.key));
		change(model, &op);
	}
}

void etcd_model_advance(struct etcd_model *model, uint64_t now_ms)
{
	if (now_ms > model->now_ms)
		model->now_ms = now_ms;
	for (size_t i = 0; i < MODEL_LEASES && !model->no_quorum; i++)
		if (model->leases[i].id && model->leases[i].ends_ms <= model->now_ms)
			end_lease(model, &model->leases[i]);
}

void etcd_model_quorum(struct etcd_model *model, bool there)
{
	if (there && model->no_quorum)
		for (size_t i = 0; i < MODEL_LEASES; i++)
			model->leases[i].ends_ms = model->now_ms + model->leases[i].ttl_ms;
	model->no_quorum = !there;
}

/* ---- what a client gets ---- */

static struct model_lease *find_lease(struct etcd_model *model, uint64_t id)
{
	for (size_t i = 0; i < MODEL_LEASES; i++)
		if (model->leases[i].id == id)
			return &model->leases[i];
	return NULL;
}

static void be_slow(struct etcd_model_client *client)
{
	struct etcd_model *model = client->model;

	if (etcd_model_draw(&model->lot, 1000) < client->slow)
		etcd_model_advance(model, model->now_ms + etcd_model_draw(&model->lot, 90000));
}

static int enter(struct etcd_model_client *client, struct kho_err *err)
{
	struct etcd_model *model = client->model;

	be_slow(client);
	if (client->cut)
		return kho_fail(err, -ECONNREFUSED, "cut off");
	if (model->no_quorum)
		return kho_fail(err, -ETIMEDOUT, "no quorum");
	return 0;
}

static bool is_in(const char *key, const char *wanted, bool prefix)
{
	return prefix ? strncmp(key, wanted, strlen(wanted)) == 0 : strcmp(key, wanted) == 0;
}

static int do_range(void *ctx, const char *key, bool prefix, struct kho_etcd_kvs *ret,
		    struct kho_err *err)
{
	struct etcd_model_client *client = ctx;
	const struct etcd_model *model = client->model;
	int r = enter(client, err);

	if (r < 0)
		return r;
	*ret = (struct kho_etcd_kvs){ .of = calloc(model->nr_keys + 1, sizeof(*ret->of)),
				      .revision = model->revision };
	for (size_t i = 0; i < model->nr_keys; i++)
		if (is_in(model->keys[i].key, key, prefix))
			copy_kv(&ret->of[ret->nr++], &model->keys[i]);
	return 0;
}

static bool holds(const struct etcd_model *model, const struct kho_etcd_compare *compare)
{
	const struct kho_etcd_kv *kv = compare->prefix ? NULL : find(model, compare->key);
	uint64_t revision = kv ? kv->revision : 0;

	for (size_t i = 0; compare->prefix && i < model->nr_keys; i++)
		if (is_in(model->keys[i].key, compare->key, true) && model->keys[i].revision > revision)
			revision = model->keys[i].revision;
	switch (compare->what) {
	case KHO_ETCD_EXISTS:
		return revision != 0;
	case KHO_ETCD_NOT_LATER:
		return revision <= compare->revision;
	default:
		return revision == compare->revision;
	}
}

static int do_txn(void *ctx, const struct kho_etcd_txn *txn, bool *ret_made, uint64_t *ret_revision,
		  struct kho_err *err)
{
	struct etcd_model_client *client = ctx;
	struct etcd_model *model = client->model;
	bool made = true;
	int r = enter(client, err);

	if (r < 0)
		return r;
	for (unsigned int i = 0; i < txn->nr_ops; i++)
		if (txn->ops[i].lease && !find_lease(model, txn->ops[i].lease))
			return kho_fail(err, -ENOKEY, "the lease has ended");
	for (unsigned int i = 0; i < txn->nr_compares; i++)
		made = made && holds(model, &txn->compares[i]);
	if (made)
		model->revision++;
	for (unsigned int i = 0; made && i < txn->nr_ops; i++)
		change(model, &txn->ops[i]);
	*ret_made = made;
	*ret_revision = model->revision;
	be_slow(client);
	if (etcd_model_draw(&model->lot, 1000) < client->lose)
		return kho_fail(err, -ETIMEDOUT, "the answer is lost");
	return 0;
}

static int do_grant(void *ctx, uint64_t ttl_sec, uint64_t *ret, struct kho_err *err)
{
	struct etcd_model_client *client = ctx;
	struct etcd_model *model = client->model;
	struct model_lease *lease = find_lease(model, 0);
	int r = enter(client, err);

	if (r < 0)
		return r;
	if (!lease)
		abort();
	*lease = (struct model_lease){ model->next_lease++, ttl_sec * 1000,
				       model->now_ms + ttl_sec * 1000 };
	*ret = lease->id;
	return 0;
}

static int do_keep(void *ctx, uint64_t id, struct kho_err *err)
{
	struct etcd_model_client *client = ctx;
	struct model_lease *lease;
	int r = enter(client, err);

	if (r < 0)
		return r;
	lease = find_lease(client->model, id);
	if (!lease)
		return kho_fail(err, -ENOKEY, "the lease has ended");
	lease->ends_ms = client->model->now_ms + lease->ttl_ms;
	return 0;
}

static int do_revoke(void *ctx, uint64_t id, struct kho_err *err)
{
	struct etcd_model_client *client = ctx;
	struct model_lease *lease;
	int r = enter(client, err);

	if (r < 0)
		return r;
	lease = find_lease(client->model, id);
	if (lease)
		end_lease(client->model, lease);
	return 0;
}

static int do_watch(void *ctx, const char *prefix, uint64_t revision, struct kho_err *err)
{
	struct etcd_model_client *client = ctx;
	size_t seen = 0;
	int r = enter(client, err);

	if (r < 0)
		return r;
	while (seen < client->model->nr_changes && client->model->changes[seen].revision < revision)
		seen++;
	snprintf(client->prefix, sizeof(client->prefix), "%s", prefix);
	client->seen = seen;
	return 0;
}

static int do_watch_next(void *ctx, uint32_t timeout_ms, struct kho_etcd_kvs *ret,
			 struct kho_err *err)
{
	struct etcd_model_client *client = ctx;
	struct etcd_model *model = client->model;
	bool lags = etcd_model_draw(&model->lot, 1000) < client->lag;
	size_t left = client->seen == SIZE_MAX ? 0 : model->nr_changes - client->seen;

	(void)timeout_ms;
	*ret = (struct kho_etcd_kvs){};
	if (client->seen == SIZE_MAX)
		return kho_fail(err, -ESTALE, "the watch is broken");
	if (client->cut || lags || model->no_quorum)
		return 0;
	ret->of = calloc(left + 1, sizeof(*ret->of));
	for (; client->seen < model->nr_changes; client->seen++) {
		const struct kho_etcd_kv *kv = &model->changes[client->seen];

		/* in one go: all of one revision, and nothing of the next */
		if (ret->nr && kv->revision != ret->of[0].revision)
			break;
		if (is_in(kv->key, client->prefix, true))
			copy_kv(&ret->of[ret->nr++], kv);
	}
	ret->revision = ret->nr ? model->revision : 0;
	return 0;
}

const struct kho_etcd_ops etcd_model_ops = {
	.range = do_range,
	.txn = do_txn,
	.grant = do_grant,
	.keep = do_keep,
	.revoke = do_revoke,
	.watch = do_watch,
	.watch_next = do_watch_next,
};
