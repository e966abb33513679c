// SPDX-License-Identifier: GPL-2.0-only
/* The rules by which a machine goes on; decide.h has the idea. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "fleet/decide.h"

#define DUTIES		3u	/* machines that look after the others */
#define MAX_ATTEMPTS	3u

struct question {
	const struct kho_fleet_view *view;
	const struct kho_rollout *rollout;
	const struct kho_node *me;
	const struct kho_fleet_facts *facts;
	const struct kho_semaphore *semaphore;
	struct kho_tally tally;
	const uint8_t *waves;		/* of each node */
	size_t index;			/* of @me */
	uint8_t wave;
	struct kho_decision *ret;
};

__attribute__((format(printf, 4, 5)))
static void say(struct question *q, enum kho_action action, const char *reason, const char *fmt, ...)
{
	va_list args;

	q->ret->action = action;
	q->ret->reason = reason;
	va_start(args, fmt);
	vsnprintf(q->ret->message, sizeof(q->ret->message), fmt, args);
	va_end(args);
}

static void say_state(struct question *q, enum kho_action action, enum kho_node_state state)
{
	q->ret->action = action;
	q->ret->state = state;
}

static void look(struct question *q, enum kho_ask ask)
{
	say(q, KHO_ACTION_LOOK, "Looking", "looks at what has to be well");
	q->ret->ask = ask;
}

static bool has_gates(const struct question *q, bool after)
{
	const struct kho_rollout_spec *spec = &q->rollout->spec;

	for (unsigned int i = 0; i < spec->nr_gates; i++)
		if (spec->gates[i].after == after)
			return true;
	return false;
}

bool kho_fleet_is_lost(const struct kho_node *node, uint64_t mono_ms)
{
	return node->has_slot && !node->live && node->missing_since_ms &&
	       mono_ms > node->missing_since_ms &&
	       mono_ms - node->missing_since_ms >= node->slot_lost_ms;
}

static const char *busy_with(const struct question *q)
{
	return *q->facts->message ? q->facts->message :
	       "the machine is busy with something else (khoctl status)";
}

/* ---- with a slot ---- */

/* The deadline is of the machine's own clocks: whichever says that it has passed. */
static bool is_late(const struct question *q)
{
	uint64_t deadline = q->me->slot_deadline_ms;
	uint64_t since = q->me->slot_since_ms, now = q->facts->now_ms;

	return q->facts->held_ms > deadline || (now > since && now - since > deadline);
}

/* Not of one that took the group since, with an image, a budget and gates of its own. */
static bool is_of_this_rollout(const struct question *q)
{
	return strcmp(q->me->slot_rollout, q->rollout->spec.id) == 0;
}

/* After the upgrade for which it has its slot. */
static bool has_gates_after(const struct question *q)
{
	return has_gates(q, true) && is_of_this_rollout(q);
}

/* While the old kernel stands by, gates that fail send everything back. */
static bool decide_soak(struct question *q)
{
	if (q->facts->machine != KHO_MACHINE_SOAK || q->rollout->spec.stay || !has_gates_after(q))
		return false;
	if (q->facts->after == KHO_VERDICT_GOOD)
		return false;
	if (q->facts->after == KHO_VERDICT_BAD)
		say(q, KHO_ACTION_ABORT, "GateFailed", "%s", q->facts->gate_message);
	else
		look(q, KHO_ASK_AFTER);
	return true;
}

static void decide_upgrading(struct question *q)
{
	if (is_late(q)) {
		say(q, KHO_ACTION_ABORT, "DeadlinePassed", "the upgrade isn't over after %llu s",
		    (unsigned long long)q->me->slot_deadline_ms / 1000);
		return;
	}
	if (q->me->status.state != KHO_NODE_UPGRADING) {
		say(q, KHO_ACTION_REPORT, "Upgrading", "the upgrade is under way");
		say_state(q, KHO_ACTION_REPORT, KHO_NODE_UPGRADING);
		return;
	}
	if (!decide_soak(q))
		say(q, KHO_ACTION_WAIT, "Upgrading", "the upgrade is under way");
}

static void release(struct question *q, enum kho_node_state state, const char *reason,
		    const char *message)
{
	say(q, KHO_ACTION_RELEASE, reason, "%s", message);
	q->ret->state = state;
}

static void decide_over_budget(struct question *q)
{
	say(q, KHO_ACTION_RELEASE, "OverBudget", "runs the target image, but workloads stood still for "
	    "%llu ms, and the rollout allows %llu", (unsigned long long)q->facts->blackout_ms,
	    (unsigned long long)q->rollout->spec.blackout_ms);
	q->ret->state = KHO_NODE_FAILED;
	q->ret->runs_target = true;
}

static bool is_over_budget(const struct question *q)
{
	const struct kho_rollout_spec *spec = &q->rollout->spec;

	return spec->blackout_ms && q->facts->blackout_ms > spec->blackout_ms && is_of_this_rollout(q);
}

static void decide_done(struct question *q)
{
	q->ret->blackout_ms = q->facts->blackout_ms;
	if (is_over_budget(q)) {
		decide_over_budget(q);
	} else if (has_gates_after(q) && q->facts->after == KHO_VERDICT_UNKNOWN) {
		look(q, KHO_ASK_AFTER);
	} else if (has_gates_after(q) && q->facts->after == KHO_VERDICT_BAD) {
		release(q, KHO_NODE_FAILED, "GateFailed", q->facts->gate_message);
	} else {
		release(q, KHO_NODE_DONE, "Upgraded", "runs the target image");
		q->ret->runs_target = is_of_this_rollout(q);
	}
}

/* It has a slot, and nothing has begun. */
static void decide_begin(struct question *q)
{
	if (q->facts->fresh && !q->facts->outdated && !is_late(q) &&
	    q->rollout->state == KHO_ROLLOUT_RUNNING && is_of_this_rollout(q))
		say(q, KHO_ACTION_START, "Starting", "the upgrade begins");
	else if (q->me->status.attempts >= MAX_ATTEMPTS)
		release(q, KHO_NODE_FAILED, "NeverBegan", "it had a slot three times and never began; its "
			"log says why (journalctl -u kho-fleet)");
	else
		release(q, KHO_NODE_PENDING, "GivenBack", "the slot is given back: nothing had begun in "
			"time");
}

static void decide_with_slot(struct question *q)
{
	const struct kho_fleet_facts *facts = q->facts;

	if (facts->machine == KHO_MACHINE_UPGRADING || facts->machine == KHO_MACHINE_SOAK)
		decide_upgrading(q);
	else if (facts->machine == KHO_MACHINE_BUSY)
		say(q, KHO_ACTION_WAIT, "Busy", "%s", busy_with(q));
	else if (facts->result == KHO_FLEET_RESULT_DONE)
		decide_done(q);
	else if (facts->result == KHO_FLEET_RESULT_FAILED)
		release(q, KHO_NODE_FAILED, "UpgradeFailed", facts->message);
	else if (q->me->status.state == KHO_NODE_UPGRADING)
		release(q, KHO_NODE_FAILED, "Vanished", "the upgrade is gone and left no result: the "
			"machine was reset");
	else
		decide_begin(q);
}

/* ---- looking after the others ---- */

/* The first few that are there. More would only be in each other's way. */
static bool has_duties(const struct question *q)
{
	unsigned int before = 0;

	for (size_t i = 0; i < q->view->nr && before < DUTIES; i++) {
		if (q->view->nodes[i] == q->me)
			return true;
		before += q->view->nodes[i]->live;
	}
	return false;
}

static void name_failures(const struct question *q, char *ret, size_t size)
{
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < q->view->nr && used < size; i++) {
		const struct kho_node *node = q->view->nodes[i];
		enum kho_node_state state = kho_node_state_in(q->rollout, node);

		if (q->waves[i] < q->rollout->spec.nr_waves &&
		    (state == KHO_NODE_FAILED || state == KHO_NODE_LOST))
			used += (size_t)snprintf(ret + used, size - used, "%s%s (%s)",
						 used ? ", " : "", node->id, node->status.reason);
	}
}

static bool must_halt(const struct question *q)
{
	const struct kho_rollout_spec *spec = &q->rollout->spec;
	const struct kho_wave_tally *first = &q->tally.waves[0], *wave;

	if (q->tally.failures >= spec->halt_failures ||
	    (spec->nr_waves > 1 && first->ended > first->done))
		return true;
	if (q->tally.wave + 1 >= spec->nr_waves)
		return false;
	wave = &q->tally.waves[q->tally.wave];
	return wave->ended && wave->ended == wave->live && !wave->done;
}

static bool is_finished(const struct question *q)
{
	return q->tally.total && !q->tally.slots &&
	       q->tally.states[KHO_NODE_DONE] + q->tally.failures == q->tally.total;
}

static bool look_after(struct question *q)
{
	char names[256];

	if (q->facts->outdated || !has_duties(q))
		return false;
	for (size_t i = 0; i < q->view->nr; i++)
		if (kho_fleet_is_lost(q->view->nodes[i], q->facts->mono_ms)) {
			say(q, KHO_ACTION_FREE, "Lost", "it was missing with a slot for longer than an "
			    "upgrade can take");
			q->ret->other = q->view->nodes[i];
			q->ret->state = KHO_NODE_LOST;
			return true;
		}
	if (q->rollout->state != KHO_ROLLOUT_RUNNING)
		return false;
	if (must_halt(q)) {
		name_failures(q, names, sizeof(names));
		say(q, KHO_ACTION_HALT, "TooManyFailures", "%zu failed: %s", q->tally.failures, names);
		return true;
	}
	if (is_finished(q)) {
		say(q, KHO_ACTION_FINISH, "AllThrough", "%zu machines are through, %zu of them failed",
		    q->tally.total, q->tally.failures);
		return true;
	}
	return false;
}

/* ---- without a slot ---- */

static bool is_ready(const struct question *q, size_t i)
{
	const struct kho_node *node = q->view->nodes[i];

	return q->waves[i] <= q->tally.wave && node->live && !node->has_slot &&
	       kho_node_state_in(q->rollout, node) == KHO_NODE_PENDING;
}

/* Slots that others than this fleet's machines have, by way of airlock. */
static size_t foreign_slots(const struct question *q)
{
	size_t foreign = q->semaphore ? q->semaphore->nr : 0;

	for (size_t i = 0; q->semaphore && i < q->view->nr; i++)
		if (q->view->nodes[i]->has_slot &&
		    kho_semaphore_has(q->semaphore, q->view->nodes[i]->id))
			foreign--;
	return foreign;
}

static size_t free_slots(const struct question *q)
{
	size_t limit = q->tally.limit, used = q->tally.slots + foreign_slots(q);

	if (q->rollout->spec.share_slots && q->semaphore && q->semaphore->total &&
	    q->semaphore->total < limit)
		limit = q->semaphore->total;
	return used < limit ? limit - used : 0;
}

/* Whether @enough of those that could take a slot come before @me. */
static bool others_first(const struct question *q, const bool *full, size_t enough)
{
	size_t before = 0;

	for (size_t i = 0; i < q->view->nr && q->view->nodes[i] != q->me && before < enough; i++)
		before += is_ready(q, i) && !full[i];
	return before >= enough;
}

static bool decide_order(struct question *q)
{
	const struct kho_wave_tally *last;

	if (q->wave > q->tally.wave) {
		say(q, KHO_ACTION_WAIT, "EarlierWave", "wave \"%s\" isn't through",
		    q->rollout->spec.waves[q->tally.wave].name);
		return true;
	}
	for (unsigned int i = 0; i < q->wave; i++) {
		last = &q->tally.waves[i];
		if (last->soaked_ms > q->facts->now_ms) {
			say(q, KHO_ACTION_WAIT, "Soaking", "wave \"%s\" soaks for %llu s more",
			    q->rollout->spec.waves[i].name,
			    (unsigned long long)(last->soaked_ms - q->facts->now_ms + 999) / 1000);
			return true;
		}
	}
	return false;
}

/* Says once that it's in the way, and once that it isn't any more. */
static bool decide_blocked(struct question *q, const char *reason, const char *message)
{
	bool same = kho_node_state_in(q->rollout, q->me) == KHO_NODE_BLOCKED &&
		    strcmp(q->me->status.reason, reason) == 0;

	say(q, same ? KHO_ACTION_WAIT : KHO_ACTION_REPORT, reason, "%s", message);
	q->ret->state = KHO_NODE_BLOCKED;
	return true;
}

static bool decide_able(struct question *q)
{
	const struct kho_fleet_facts *facts = q->facts;

	if (facts->image == KHO_VERDICT_UNKNOWN) {
		look(q, KHO_ASK_IMAGE);
		return true;
	}
	if (facts->image == KHO_VERDICT_BAD)
		return decide_blocked(q, "ImageMissing", facts->image_message);
	if (q->rollout->spec.blackout_ms && facts->budget == KHO_VERDICT_UNKNOWN) {
		look(q, KHO_ASK_BUDGET);
		return true;
	}
	if (q->rollout->spec.blackout_ms && facts->budget == KHO_VERDICT_BAD)
		return decide_blocked(q, "OverBudget", facts->budget_message);
	if (has_gates(q, false) && facts->before == KHO_VERDICT_UNKNOWN) {
		look(q, KHO_ASK_BEFORE);
		return true;
	}
	if (has_gates(q, false) && facts->before == KHO_VERDICT_BAD)
		return decide_blocked(q, "GateFailed", facts->gate_message);
	if (kho_node_state_in(q->rollout, q->me) != KHO_NODE_BLOCKED)
		return false;
	say(q, KHO_ACTION_REPORT, "Ready", "nothing is in the way any more");
	q->ret->state = KHO_NODE_PENDING;
	return true;
}

static void decide_turn(struct question *q, const bool *full)
{
	size_t spare = free_slots(q);

	if (!q->facts->window_open)
		say(q, KHO_ACTION_WAIT, "OutsideWindow", "no window is open now");
	else if (decide_order(q))
		return;
	else if (!spare)
		say(q, KHO_ACTION_WAIT, "NoSlot", "%zu of %zu slots are taken%s",
		    q->tally.slots + foreign_slots(q), q->tally.limit,
		    foreign_slots(q) ? ", some by machines of an airlock server" : "");
	else if (full[q->index])
		say(q, KHO_ACTION_WAIT, "DomainFull", "as many as may be in %s \"%s\" are at it",
		    q->rollout->spec.domain, kho_fleet_domain_of(q->rollout, q->me));
	else if (decide_able(q))
		return;
	else if (others_first(q, full, spare))
		say(q, KHO_ACTION_WAIT, "NotItsTurn", "the free slots are for machines before it");
	else
		say(q, KHO_ACTION_TAKE, "SlotFree", "takes one of %zu slots", q->tally.limit);
}

static bool decide_ended(struct question *q)
{
	enum kho_node_state state = kho_node_state_in(q->rollout, q->me);
	bool there = *q->facts->digest && strcmp(q->facts->digest, q->rollout->spec.digest) == 0;

	if (state == KHO_NODE_DONE || state == KHO_NODE_FAILED)
		say(q, KHO_ACTION_WAIT, state == KHO_NODE_DONE ? "Done" : "Failed", "its part is over");
	else if (there && q->facts->machine == KHO_MACHINE_IDLE) {
		say(q, KHO_ACTION_REPORT, state == KHO_NODE_LOST ? "Recovered" : "AlreadyThere",
		    "runs the target image");
		q->ret->state = KHO_NODE_DONE;
	} else if (state == KHO_NODE_LOST)
		say(q, KHO_ACTION_WAIT, "Lost", "it was missing for too long, and failed by that");
	else
		return false;
	return true;
}

static int decide_slot(struct question *q, struct kho_err *err)
{
	_cleanup_free_ bool *full = NULL;
	int r = kho_fleet_full_domains(q->view, q->waves, &full, err);

	if (r >= 0)
		decide_turn(q, full);
	return r;
}

static int decide_without_slot(struct question *q, struct kho_err *err)
{
	/* its slot was freed since: it's far beyond its deadline */
	if (q->facts->machine == KHO_MACHINE_UPGRADING || q->facts->machine == KHO_MACHINE_SOAK)
		say(q, KHO_ACTION_ABORT, "NoSlotAnyMore", "the slot of this upgrade was freed: the machine "
		    "was missing for too long");
	else if (look_after(q) || decide_ended(q))
		return 0;
	else if (q->rollout->state != KHO_ROLLOUT_RUNNING)
		say(q, KHO_ACTION_WAIT, "NotRunning", "the rollout is %s",
		    kho_rollout_state_name(q->rollout->state));
	else if (q->facts->outdated)
		say(q, KHO_ACTION_WAIT, "NotRegistered", "it isn't registered just now");
	else if (must_halt(q))
		say(q, KHO_ACTION_WAIT, "Halting", "too many failed; nothing begins any more");
	else if (q->facts->machine == KHO_MACHINE_BUSY)
		decide_blocked(q, "Busy", busy_with(q));
	else
		return decide_slot(q, err);
	return 0;
}

/*
 * As long as another daemon is registered by this name, its machine may be another one (a clone),
 * and record and slot that one's: facts of this machine aren't for them. What this machine is at
 * is still ended in time. It may as well be this machine's other kernel, whose lease ends soon.
 */
static void hold_back(struct question *q)
{
	if (!q->facts->outdated || !q->me->live)
		return;
	if (q->ret->action == KHO_ACTION_REPORT || q->ret->action == KHO_ACTION_RELEASE)
		say(q, KHO_ACTION_WAIT, "NotRegistered", "another daemon is registered by its name: that "
		    "of the other kernel, or a machine of the same name");
}

int kho_fleet_decide(const struct kho_fleet_view *view, const struct kho_node *me,
		     const struct kho_fleet_facts *facts, const struct kho_semaphore *semaphore,
		     struct kho_decision *ret, struct kho_err *err)
{
	_cleanup_free_ uint8_t *waves = calloc(view->nr + 1, 1);
	struct kho_decision decision = {};
	struct question q = { .view = view, .rollout = &view->rollout, .me = me, .facts = facts,
			      .semaphore = semaphore, .waves = waves, .ret = &decision };
	int r;

	if (!waves)
		return kho_fail(err, -ENOMEM, "no memory for %zu machines", view->nr);
	r = kho_fleet_tally(view, waves, &q.tally, err);
	if (r < 0)
		return r;
	while (q.index < view->nr && view->nodes[q.index] != me)
		q.index++;
	q.wave = waves[q.index];
	if (!view->has_rollout)
		say(&q, KHO_ACTION_WAIT, "NoRollout", "no rollout is under way in its group");
	else if (me->has_slot)
		decide_with_slot(&q);
	else if (q.wave == view->rollout.spec.nr_waves && !look_after(&q))
		say(&q, KHO_ACTION_WAIT, "NotSelected", "the rollout isn't for this machine");
	else if (q.wave < view->rollout.spec.nr_waves)
		r = decide_without_slot(&q, err);
	hold_back(&q);
	if (r >= 0)
		*ret = decision;
	return r;
}
