// SPDX-License-Identifier: GPL-2.0-only
/* etcd's records, in order; view.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "fleet/keys.h"
#include "fleet/view.h"

void kho_fleet_cache_done(struct kho_fleet_cache *cache)
{
	for (size_t i = 0; i < cache->view.nr; i++)
		free(cache->view.nodes[i]);
	free(cache->view.nodes);
	cache->view = (struct kho_fleet_view){};
	cache->room = 0;
}

/* Where it is, or where it would be. */
static size_t place_of(const struct kho_fleet_view *view, const char *id, bool *ret_there)
{
	size_t low = 0, high = view->nr;

	*ret_there = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(view->nodes[middle]->id, id);

		if (order == 0) {
			*ret_there = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct kho_node *kho_fleet_cache_find(const struct kho_fleet_cache *cache, const char *id)
{
	bool there;
	size_t place = place_of(&cache->view, id, &there);

	return there ? cache->view.nodes[place] : NULL;
}

static int make_room(struct kho_fleet_cache *cache, struct kho_err *err)
{
	size_t room = cache->room ? 2 * cache->room : 64;
	struct kho_node **more;

	if (cache->view.nr < cache->room)
		return 0;
	if (cache->view.nr >= KHO_FLEET_NODES_MAX)
		return kho_fail(err, -E2BIG, "more than %u machines in one group; make several",
				KHO_FLEET_NODES_MAX);
	more = reallocarray(cache->view.nodes, room, sizeof(struct kho_node *));
	if (!more)
		return kho_fail(err, -ENOMEM, "no memory for %zu machines", room);
	cache->view.nodes = more;
	cache->room = room;
	return 0;
}

static int find_or_add(struct kho_fleet_cache *cache, const char *id, struct kho_node **ret,
		       struct kho_err *err)
{
	struct kho_fleet_view *view = &cache->view;
	struct kho_node *node = NULL;
	bool there;
	size_t place = place_of(view, id, &there);
	int r = there ? 0 : make_room(cache, err);

	if (r < 0)
		return r;
	if (!there) {
		node = calloc(1, sizeof(*node));
		if (!node)
			return kho_fail(err, -ENOMEM, "no memory for a machine");
		snprintf(node->id, sizeof(node->id), "%s", id);
		memmove(view->nodes + place + 1, view->nodes + place,
			(view->nr - place) * sizeof(struct kho_node *));
		view->nodes[place] = node;
		view->nr++;
		cache->untidy = true;
	}
	*ret = view->nodes[place];
	return 0;
}

/* ---- one record ---- */

static void take_rollout(struct kho_fleet_cache *cache, const struct kho_etcd_kv *kv)
{
	struct kho_fleet_view *view = &cache->view;

	cache->broken = (struct kho_err){};
	view->rollout_revision = kv->value ? kv->revision : 0;
	view->has_rollout = kv->value &&
		kho_rollout_parse(kv->value, kv->size, &view->rollout, &cache->broken) >= 0;
}

static void take_node(struct kho_node *node, const struct kho_etcd_kv *kv)
{
	node->revision = kv->value ? kv->revision : 0;
	if (kv->value && kho_node_parse(kv->value, kv->size, node, NULL) >= 0)
		return;
	node->labels = (struct kho_labels){};
	node->status = (struct kho_node_status){};
	node->digest[0] = node->release[0] = node->boot[0] = '\0';
}

static void take_live(struct kho_node *node, const struct kho_etcd_kv *kv, uint64_t mono_ms)
{
	node->live = !!kv->value;
	node->live_revision = kv->value ? kv->revision : 0;
	if (node->live)
		node->missing_since_ms = 0;
	else if (!node->missing_since_ms)
		node->missing_since_ms = mono_ms ?: 1;
}

static void take_slot(struct kho_node *node, const struct kho_etcd_kv *kv)
{
	node->slot_revision = kv->value ? kv->revision : 0;
	/* its time stays: what began by a slot that was freed since is known by it */
	node->has_slot = false;
	if (kv->value && kho_slot_parse(kv->value, kv->size, node, NULL) < 0) {
		node->has_slot = true;
		node->slot_rollout[0] = '\0';
		node->slot_since_ms = 0;
		node->slot_deadline_ms = node->slot_lost_ms = UINT64_MAX;
	}
}

static int take(struct kho_fleet_cache *cache, const struct kho_etcd_kv *kv, uint64_t mono_ms,
		struct kho_err *err)
{
	char prefix[KHO_ETCD_KEY];
	const char *rest, *id;
	struct kho_node *node = NULL;
	int r;

	snprintf(prefix, sizeof(prefix), KHO_KEY_GROUP, cache->group);
	if (strncmp(kv->key, prefix, strlen(prefix)) != 0)
		return 0;
	rest = kv->key + strlen(prefix);
	if (strcmp(rest, "rollout") == 0) {
		take_rollout(cache, kv);
		return 0;
	}
	id = strchr(rest, '/');
	id = id ? id + 1 : "";
	if (kho_name_check("", id, KHO_FLEET_ID, NULL) < 0)
		return 0;
	r = find_or_add(cache, id, &node, err);
	if (r < 0)
		return r;
	cache->untidy |= !kv->value;
	if (strncmp(rest, "nodes/", 6) == 0)
		take_node(node, kv);
	else if (strncmp(rest, "live/", 5) == 0)
		take_live(node, kv, mono_ms);
	else if (strncmp(rest, "slots/", 6) == 0)
		take_slot(node, kv);
	return 0;
}

/* Machines of which nothing is left, and those that never were there while this looked. */
static void tidy(struct kho_fleet_cache *cache, uint64_t mono_ms)
{
	struct kho_fleet_view *view = &cache->view;
	size_t kept = 0;

	for (size_t i = 0; i < view->nr; i++) {
		struct kho_node *node = view->nodes[i];

		if (!node->revision && !node->live && !node->has_slot) {
			free(node);
			continue;
		}
		if (!node->live && !node->missing_since_ms)
			node->missing_since_ms = mono_ms ?: 1;
		view->nodes[kept++] = node;
	}
	view->nr = kept;
	cache->untidy = false;
}

int kho_fleet_cache_fill(struct kho_fleet_cache *cache, const struct kho_etcd_kvs *kvs,
			 uint64_t mono_ms, struct kho_err *err)
{
	struct kho_fleet_view *view = &cache->view;

	for (size_t i = 0; i < view->nr; i++) {
		struct kho_node *node = view->nodes[i];

		node->live = node->has_slot = false;
		/* it may have been there while nobody watched */
		node->missing_since_ms = 0;
		node->revision = node->live_revision = node->slot_revision = 0;
	}
	view->has_rollout = false;
	view->rollout_revision = 0;
	cache->broken = (struct kho_err){};
	for (size_t i = 0; i < kvs->nr; i++) {
		int r = take(cache, &kvs->of[i], mono_ms, err);

		if (r < 0)
			return r;
	}
	view->revision = kvs->revision;
	tidy(cache, mono_ms);
	return 0;
}

int kho_fleet_cache_apply(struct kho_fleet_cache *cache, const struct kho_etcd_kvs *kvs,
			  uint64_t mono_ms, struct kho_err *err)
{
	for (size_t i = 0; i < kvs->nr; i++) {
		int r = take(cache, &kvs->of[i], mono_ms, err);

		if (r < 0)
			return r;
	}
	/* most changes leave as many machines as there were */
	if (cache->untidy)
		tidy(cache, mono_ms);
	return 0;
}

int kho_fleet_cache_change(struct kho_fleet_cache *cache, const struct kho_etcd_kvs *kvs,
			   uint64_t mono_ms, struct kho_err *err)
{
	int r = kho_fleet_cache_apply(cache, kvs, mono_ms, err);

	if (r < 0)
		return r;
	/* not the store's revision: that may be ahead of what the watch has told */
	for (size_t i = 0; i < kvs->nr; i++)
		if (kvs->of[i].revision > cache->view.revision)
			cache->view.revision = kvs->of[i].revision;
	return 0;
}
