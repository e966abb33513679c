// SPDX-License-Identifier: GPL-2.0-only
/* A rollout in numbers, and who is in which wave; decide.h has the rules. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "fleet/decide.h"

static bool is_of(const struct kho_rollout *rollout, const struct kho_node *node)
{
	return strcmp(node->status.rollout, rollout->spec.id) == 0;
}

enum kho_node_state kho_node_state_in(const struct kho_rollout *rollout, const struct kho_node *node)
{
	enum kho_node_state state = node->status.state;

	if (!is_of(rollout, node))
		return KHO_NODE_PENDING;
	if (node->status.round != rollout->round &&
	    (state == KHO_NODE_FAILED || state == KHO_NODE_LOST || state == KHO_NODE_BLOCKED))
		return KHO_NODE_PENDING;
	return state;
}

bool kho_node_selected(const struct kho_rollout *rollout, const struct kho_node *node)
{
	return kho_labels_match(&node->labels, &rollout->spec.selector);
}

/* ---- who comes when ---- */

struct place {
	uint64_t order;
	const char *id;			/* or its domain's */
	size_t index;
};

static int compare(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return strcmp(x->id, y->id);
}

/*
 * First those that have begun, then those to be tried again, then those that are there: in a
 * small wave nobody is to wait for one that isn't.
 */
static uint64_t order_of(const struct kho_rollout *rollout, const struct kho_node *node)
{
	uint64_t taken = is_of(rollout, node) ? node->status.taken_ms : 0;

	if (taken && kho_node_state_in(rollout, node) >= KHO_NODE_TAKEN)
		return taken;
	return UINT64_MAX - (node->live ? 1u + !!taken : 0);
}

static size_t line_up(const struct kho_fleet_view *view, struct place *places)
{
	size_t nr = 0;

	for (size_t i = 0; i < view->nr; i++) {
		const struct kho_node *node = view->nodes[i];

		if (kho_node_selected(&view->rollout, node))
			places[nr++] = (struct place){ order_of(&view->rollout, node), node->id, i };
	}
	qsort(places, nr, sizeof(*places), compare);
	return nr;
}

static uint8_t choose_wave(const struct kho_rollout_spec *spec, const struct kho_node *node,
			   const struct kho_tally *tally)
{
	unsigned int i = 0;

	for (; i + 1 < spec->nr_waves; i++) {
		const struct kho_wave *wave = &spec->waves[i];

		if (kho_labels_match(&node->labels, &wave->selector) &&
		    (!wave->size.number ||
		     tally->waves[i].nr < kho_share_of(&wave->size, tally->total)))
			break;
	}
	return (uint8_t)i;
}

/* ---- numbers ---- */

static void count(const struct kho_rollout *rollout, const struct kho_node *node,
		  struct kho_wave_tally *wave, struct kho_tally *tally)
{
	enum kho_node_state state = kho_node_state_in(rollout, node);
	bool ended = state == KHO_NODE_DONE || state == KHO_NODE_FAILED || state == KHO_NODE_LOST;

	tally->states[state]++;
	tally->away += !node->live;
	tally->failures += state == KHO_NODE_FAILED || state == KHO_NODE_LOST;
	wave->nr++;
	/* one that isn't there and has begun nothing isn't waited for */
	wave->live += node->live || ended || node->has_slot;
	wave->done += state == KHO_NODE_DONE;
	wave->ended += ended;
	wave->running += node->has_slot;
	if (ended && node->status.since_ms > wave->last_ms)
		wave->last_ms = node->status.since_ms;
}

static void settle(const struct kho_rollout_spec *spec, struct kho_tally *tally)
{
	for (unsigned int i = 0; i < spec->nr_waves; i++) {
		struct kho_wave_tally *wave = &tally->waves[i];

		/* a wave that nobody is in holds nobody up */
		wave->through = !wave->nr || (wave->ended == wave->live && wave->done);
		wave->soaked_ms = wave->nr ? wave->last_ms + spec->waves[i].soak_sec * 1000 : 0;
	}
	while (tally->wave < spec->nr_waves && tally->waves[tally->wave].through)
		tally->wave++;
}

int kho_fleet_tally(const struct kho_fleet_view *view, uint8_t *ret_waves, struct kho_tally *ret,
		    struct kho_err *err)
{
	const struct kho_rollout_spec *spec = &view->rollout.spec;
	_cleanup_free_ struct place *places = calloc(view->nr + 1, sizeof(*places));
	struct kho_tally tally = {};

	if (!places)
		return kho_fail(err, -ENOMEM, "no memory for %zu machines", view->nr);
	for (size_t i = 0; i < view->nr; i++)
		tally.slots += view->nodes[i]->has_slot;
	if (ret_waves)
		memset(ret_waves, (int)spec->nr_waves, view->nr);
	tally.total = line_up(view, places);
	tally.limit = kho_share_of(&spec->concurrency, tally.total);
	for (size_t i = 0; i < tally.total; i++) {
		const struct kho_node *node = view->nodes[places[i].index];
		uint8_t wave = choose_wave(spec, node, &tally);

		count(&view->rollout, node, &tally.waves[wave], &tally);
		if (ret_waves)
			ret_waves[places[i].index] = wave;
	}
	settle(spec, &tally);
	*ret = tally;
	return 0;
}

/* ---- failure domains ---- */

const char *kho_fleet_domain_of(const struct kho_rollout *rollout, const struct kho_node *node)
{
	return kho_labels_get(&node->labels, rollout->spec.domain) ?: "";
}

static int compare_domains(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return strcmp(x->id, y->id);
}

/* Those of one domain, next to each other. */
static size_t fill_domain(const struct kho_fleet_view *view, const uint8_t *waves,
			  const struct place *places, size_t nr, bool *full)
{
	const struct kho_rollout_spec *spec = &view->rollout.spec;
	size_t end = 0, total = 0, used = 0;

	for (; end < nr && strcmp(places[end].id, places[0].id) == 0; end++) {
		total += waves[places[end].index] < spec->nr_waves;
		used += view->nodes[places[end].index]->has_slot;
	}
	for (size_t i = 0; i < end; i++)
		full[places[i].index] = used >= kho_share_of(&spec->per_domain, total);
	return end;
}

int kho_fleet_full_domains(const struct kho_fleet_view *view, const uint8_t *waves, bool **ret,
			   struct kho_err *err)
{
	_cleanup_free_ struct place *places = calloc(view->nr + 1, sizeof(*places));
	bool *full = calloc(view->nr + 1, sizeof(*full));

	if (!places || !full) {
		free(full);
		return kho_fail(err, -ENOMEM, "no memory for %zu machines", view->nr);
	}
	*ret = full;
	if (!*view->rollout.spec.domain)
		return 0;
	for (size_t i = 0; i < view->nr; i++)
		places[i] = (struct place){ .id = kho_fleet_domain_of(&view->rollout, view->nodes[i]),
					    .index = i };
	qsort(places, view->nr, sizeof(*places), compare_domains);
	for (size_t i = 0; i < view->nr;)
		i += fill_domain(view, waves, places + i, view->nr - i, full);
	return 0;
}
