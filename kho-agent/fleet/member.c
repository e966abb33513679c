// SPDX-License-Identifier: GPL-2.0-only
/* The steps of a machine of a fleet; member.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/crc32c.h"
#include "fleet/keys.h"
#include "fleet/member_private.h"

#define ROUNDS		8u		/* of decisions in one step */
#define SOON_MS		200u
#define HELD_MS		1000u		/* as KHO_MEMBER_POLL_MS, with a slot */
#define PAUSE_MS	2000u		/* after a step that failed; about, and twice and four times that */
#define PAUSE_DOUBLED	2u
#define GATHER_MS	500u		/* what's told in about that time is decided on together */
#define VERDICT_MS	15000u		/* how long one holds */
#define PATIENCE_MS	60000u		/* so long gates may fail after an upgrade */

int kho_member_init(struct kho_member *member, const struct kho_member_spec *spec,
		    struct kho_etcd etcd, struct kho_err *err)
{
	int r = kho_name_check("name", spec->id, sizeof(spec->id), err);

	if (r >= 0)
		r = kho_name_check("group", spec->group, sizeof(spec->group), err);
	if (r < 0)
		return r;
	member->spec = *spec;
	member->etcd = etcd;
	memcpy(member->cache.group, spec->group, sizeof(spec->group));
	member->semaphore = calloc(1, sizeof(*member->semaphore));
	return member->semaphore ? 0 : kho_fail(err, -ENOMEM, "no memory for a member");
}

void kho_member_leave(struct kho_member *member)
{
	if (member->lease)
		member->etcd.ops->revoke(member->etcd.ctx, member->lease, NULL);
	member->lease = member->registered = 0;
}

void kho_member_done(struct kho_member *member)
{
	kho_fleet_cache_done(&member->cache);
	free(member->semaphore);
	member->semaphore = NULL;
}

/* ---- being there ---- */

static int keep_lease(struct kho_member *member, struct kho_err *err)
{
	uint64_t mono = kho_member_mono(member);
	int r = 0;

	if (member->lease && mono - member->kept_ms < member->spec.ttl_sec * 1000 / 3)
		return 0;
	if (member->lease)
		r = member->etcd.ops->keep(member->etcd.ctx, member->lease, err);
	if (r == -ENOKEY)
		member->lease = member->registered = 0;
	else if (r < 0)
		return r;
	if (!member->lease)
		r = member->etcd.ops->grant(member->etcd.ctx, member->spec.ttl_sec, &member->lease, err);
	if (r >= 0)
		member->kept_ms = mono;
	return r;
}

static int load(struct kho_member *member, struct kho_err *err)
{
	_cleanup_(kho_etcd_kvs_done) struct kho_etcd_kvs kvs = {};
	char prefix[KHO_ETCD_KEY];
	int r;

	snprintf(prefix, sizeof(prefix), KHO_KEY_GROUP, member->spec.group);
	r = member->etcd.ops->range(member->etcd.ctx, prefix, true, &kvs, err);
	if (r >= 0)
		r = kho_fleet_cache_fill(&member->cache, &kvs, kho_member_mono(member), err);
	if (r >= 0)
		r = member->etcd.ops->watch(member->etcd.ctx, prefix, kvs.revision + 1, err);
	member->loaded = r >= 0;
	return r;
}

/* All that the watch has to tell by now. */
static int catch_up(struct kho_member *member, struct kho_err *err)
{
	for (;;) {
		_cleanup_(kho_etcd_kvs_done) struct kho_etcd_kvs kvs = {};
		int r = member->etcd.ops->watch_next(member->etcd.ctx, 0, &kvs, err);

		if (r < 0) {
			member->loaded = false;
			return r == -ESTALE ? load(member, err) : r;
		}
		/* a line without changes says that the watch is there */
		if (!kvs.nr && !kvs.revision)
			return 0;
		r = kho_fleet_cache_change(&member->cache, &kvs, kho_member_mono(member), err);
		if (r < 0) {
			member->loaded = false;
			return r;
		}
	}
}

static int be_there(struct kho_member *member, struct kho_err *err)
{
	struct kho_node *me = kho_fleet_cache_find(&member->cache, member->spec.id);
	int r;

	if (member->registered && me && me->live_revision == member->registered)
		return 0;
	member->registered = 0;
	/* the other kernel of this machine, or another machine of that name: until it's gone */
	if (me && me->live && strcmp(me->boot, member->spec.boot) != 0)
		return 0;
	r = kho_member_register(member, err);
	/* the lease has ended while it was asked */
	if (r == -ENOKEY)
		member->lease = 0;
	return r;
}

/* ---- facts ---- */

static enum kho_verdict verdict(const struct kho_member *member, enum kho_ask ask, uint64_t mono)
{
	bool recent = member->asked[ask] && mono - member->asked[ask] < VERDICT_MS;

	return recent ? member->verdicts[ask] : KHO_VERDICT_UNKNOWN;
}

static bool is_lost(const struct kho_node *me)
{
	return !me->has_slot && me->status.state == KHO_NODE_LOST;
}

/*
 * It was missing for too long, and upgraded all the same: this kernel is of the rollout's image,
 * though its daemon never had the slot. A later round of the rollout has to know that, too.
 */
static void find_again(struct kho_member *member, const struct kho_node *me,
		       struct kho_fleet_facts *facts)
{
	const struct kho_rollout_spec *spec = &member->cache.view.rollout.spec;

	if (!is_lost(me) || facts->result != KHO_FLEET_RESULT_DONE ||
	    strcmp(me->status.rollout, spec->id) != 0)
		return;
	memcpy(member->digest, spec->digest, sizeof(member->digest));
	memcpy(facts->digest, spec->digest, sizeof(facts->digest));
}

/*
 * A machine that doesn't say what it's at is busy, as far as is known: it begins nothing and keeps
 * its slot, but its daemon goes on, as it may be one of those that look after the others.
 */
static int look(struct kho_member *member, const struct kho_node *me, struct kho_fleet_facts *facts,
		struct kho_err *err)
{
	struct kho_err why = {};
	/* a slot that was freed is only in its record, unless this daemon knew it */
	uint64_t since_ms = is_lost(me) ? me->status.taken_ms : me->slot_since_ms;
	int r = member->machine->look(member->ctx, &member->cache.view.rollout.spec, since_ms, facts,
				      &why);

	if (r < 0 && r != -EAGAIN)
		return kho_fail(err, r, "%s", why.msg);
	if (r >= 0) {
		find_again(member, me, facts);
		return 0;
	}
	facts->machine = KHO_MACHINE_BUSY;
	snprintf(facts->message, sizeof(facts->message), "%.390s", why.msg);
	return 0;
}

static int gather(struct kho_member *member, const struct kho_node *me, struct kho_fleet_facts *facts,
		  struct kho_err *err)
{
	const struct kho_rollout_spec *spec = &member->cache.view.rollout.spec;
	uint64_t mono = kho_member_mono(member);
	int r;

	*facts = (struct kho_fleet_facts){
		.now_ms = kho_member_now(member),
		.mono_ms = mono,
		.outdated = !member->registered,
		.image = verdict(member, KHO_ASK_IMAGE, mono),
		.budget = verdict(member, KHO_ASK_BUDGET, mono),
		.before = verdict(member, KHO_ASK_BEFORE, mono),
		.after = verdict(member, KHO_ASK_AFTER, mono),
	};
	if (!me->has_slot)
		member->held_ms = member->asked_ms = 0;
	else if (!member->held_ms)
		member->held_ms = mono ?: 1;
	facts->held_ms = member->held_ms ? mono - member->held_ms : 0;
	facts->fresh = member->asked_ms && mono - member->asked_ms < KHO_FLEET_START_MS;
	facts->window_open = !spec->windows.nr ||
		member->machine->is_open(member->ctx, &spec->windows, facts->now_ms);
	memcpy(facts->image_message, member->messages[KHO_ASK_IMAGE], KHO_FLEET_MESSAGE);
	memcpy(facts->budget_message, member->messages[KHO_ASK_BUDGET], KHO_FLEET_MESSAGE);
	memcpy(facts->gate_message, member->messages[me->has_slot ? KHO_ASK_AFTER : KHO_ASK_BEFORE],
	       KHO_FLEET_MESSAGE);
	/* what this kernel is from was noted when it began */
	if (!*member->digest && strcmp(me->boot, member->spec.boot) == 0)
		memcpy(member->digest, me->digest, sizeof(member->digest));
	memcpy(facts->digest, member->digest, sizeof(facts->digest));
	r = look(member, me, facts, err);
	if (r >= 0 && *member->refused && facts->machine == KHO_MACHINE_IDLE &&
	    facts->result == KHO_FLEET_RESULT_NONE) {
		facts->result = KHO_FLEET_RESULT_FAILED;
		memcpy(facts->message, member->refused, sizeof(facts->message));
	}
	return r;
}

/* What's bad right after an upgrade may yet become good. */
static void ask(struct kho_member *member, enum kho_ask what)
{
	enum kho_verdict v = member->machine->check(member->ctx, &member->cache.view.rollout.spec, what,
						    member->messages[what]);
	uint64_t mono = kho_member_mono(member);

	if (v != KHO_VERDICT_GOOD && !member->bad_since[what])
		member->bad_since[what] = mono ?: 1;
	if (v == KHO_VERDICT_GOOD)
		member->bad_since[what] = 0;
	if (what == KHO_ASK_AFTER && v != KHO_VERDICT_GOOD)
		v = mono - member->bad_since[what] < PATIENCE_MS ? KHO_VERDICT_UNKNOWN : KHO_VERDICT_BAD;
	member->verdicts[what] = v;
	member->asked[what] = mono ?: 1;
}

static void forget_verdicts(struct kho_member *member)
{
	memset(member->asked, 0, sizeof(member->asked));
	memset(member->bad_since, 0, sizeof(member->bad_since));
}

/* ---- deeds ---- */

static int start(struct kho_member *member, struct kho_err *err)
{
	struct kho_err why = {};
	int r;

	forget_verdicts(member);
	/* the last look at the clock: what's slow to begin doesn't begin */
	if (!member->asked_ms || kho_member_mono(member) - member->asked_ms >= KHO_FLEET_START_MS)
		return 0;
	r = member->machine->start(member->ctx, &member->cache.view.rollout.spec, &why);
	if (r == -EAGAIN)
		return kho_fail(err, r, "%s", why.msg);
	if (r < 0)
		snprintf(member->refused, sizeof(member->refused), "%.390s", why.msg);
	return 1;
}

static int release(struct kho_member *member, const struct kho_decision *decision,
		   struct kho_err *err)
{
	int r;

	if (decision->runs_target)
		memcpy(member->digest, member->cache.view.rollout.spec.digest, KHO_FLEET_DIGEST);
	r = kho_member_release(member, decision, err);
	if (r > 0 && !decision->other) {
		forget_verdicts(member);
		member->refused[0] = '\0';
	}
	return r;
}

/* 1: there may be more to do at once. */
static int act(struct kho_member *member, const struct kho_decision *decision, struct kho_err *err)
{
	switch (decision->action) {
	case KHO_ACTION_LOOK:
		ask(member, decision->ask);
		return member->verdicts[decision->ask] != KHO_VERDICT_UNKNOWN;
	case KHO_ACTION_TAKE:
		return kho_member_take(member, decision, err);
	case KHO_ACTION_START:
		return start(member, err);
	case KHO_ACTION_ABORT:
		return member->machine->abort(member->ctx, decision->message, err);
	case KHO_ACTION_REPORT:
		return kho_member_report(member, decision, err);
	case KHO_ACTION_RELEASE:
	case KHO_ACTION_FREE:
		return release(member, decision, err);
	case KHO_ACTION_HALT:
	case KHO_ACTION_FINISH:
		return kho_member_close(member, decision, err);
	default:
		return 0;
	}
}

static int decide(struct kho_member *member, struct kho_decision *ret, struct kho_err *err)
{
	const struct kho_fleet_view *view = &member->cache.view;
	_cleanup_free_ struct kho_fleet_facts *facts = calloc(1, sizeof(*facts));
	const struct kho_node *me = kho_fleet_cache_find(&member->cache, member->spec.id);
	int r;

	*ret = (struct kho_decision){ .reason = "NotRegistered" };
	if (!facts)
		return kho_fail(err, -ENOMEM, "no memory to decide");
	if (member->cache.broken.code < 0)
		return kho_fail(err, member->cache.broken.code, "%s", member->cache.broken.msg);
	if (!me || !view->has_rollout)
		return 0;
	r = gather(member, me, facts, err);
	if (r >= 0)
		r = kho_fleet_decide(view, me, facts, NULL, ret, err);
	if (r < 0 || ret->action != KHO_ACTION_TAKE)
		return r;
	/* who else has slots is only asked where it matters */
	r = kho_member_read_semaphore(member, err);
	return r < 0 ? r : kho_fleet_decide(view, me, facts, member->semaphore, ret, err);
}

/* A deadline is kept without etcd, too. */
static void keep_deadline(struct kho_member *member)
{
	struct kho_decision decision = {};

	if (member->held_ms && decide(member, &decision, NULL) >= 0 &&
	    decision.action == KHO_ACTION_ABORT)
		member->machine->abort(member->ctx, decision.message, NULL);
}

static int step(struct kho_member *member, uint32_t *ret_wait_ms, struct kho_err *err)
{
	int r = keep_lease(member, err);

	if (r >= 0)
		r = member->loaded ? catch_up(member, err) : load(member, err);
	if (r >= 0)
		r = be_there(member, err);
	for (unsigned int i = 0; r >= 0 && i < ROUNDS; i++) {
		r = decide(member, &member->last, err);
		if (r >= 0)
			r = act(member, &member->last, err);
		/* a transaction that wasn't made: the watch says why */
		if (r == 0 && member->last.action >= KHO_ACTION_TAKE &&
		    member->last.action != KHO_ACTION_ABORT)
			*ret_wait_ms = SOON_MS;
		if (r <= 0)
			break;
		*ret_wait_ms = SOON_MS;
	}
	return r;
}

/* Another one for each machine, and each time: those who do the same at once mustn't go on so. */
static uint32_t lot_of(const struct kho_member *member)
{
	uint64_t mono = kho_member_mono(member);

	return kho_crc32c_add(kho_crc32c(member->spec.id, strlen(member->spec.id)), &mono,
			      sizeof(mono));
}

static uint32_t pause_ms(const struct kho_member *member)
{
	uint32_t about = PAUSE_MS << (member->failures - 1);

	return about / 2 + lot_of(member) % about;
}

int kho_member_step(struct kho_member *member, uint32_t *ret_wait_ms, struct kho_err *err)
{
	int r;

	/* an upgrade ends without etcd knowing */
	*ret_wait_ms = member->held_ms ? HELD_MS : KHO_MEMBER_POLL_MS;
	r = step(member, ret_wait_ms, err);
	if (r < 0) {
		keep_deadline(member);
		member->failures += member->failures <= PAUSE_DOUBLED;
		*ret_wait_ms = pause_ms(member);
	} else {
		member->failures = 0;
	}
	member->last.other = NULL;
	return r < 0 ? r : 0;
}

/* 1: something was told. */
static int take_news(struct kho_member *member, uint32_t wait_ms)
{
	_cleanup_(kho_etcd_kvs_done) struct kho_etcd_kvs kvs = {};
	int r = member->etcd.ops->watch_next(member->etcd.ctx, wait_ms, &kvs, NULL);

	if (r >= 0)
		r = kho_fleet_cache_change(&member->cache, &kvs, kho_member_mono(member), NULL);
	return r < 0 ? r : kvs.nr || kvs.revision;
}

/*
 * In a large group something's told all the time, of which little is this machine's. And of
 * those that try for a slot one gets it, whose change the others have to see before they try
 * again: all at once they'd be in each other's way, so each waits for another time.
 */
static uint64_t gather_ms(const struct kho_member *member)
{
	switch (member->last.action) {
	case KHO_ACTION_WAIT:
		return GATHER_MS / 2 + lot_of(member) % GATHER_MS;
	case KHO_ACTION_TAKE:
		return lot_of(member) % GATHER_MS;
	default:
		return 0;
	}
}

void kho_member_wait(struct kho_member *member, uint32_t wait_ms)
{
	int r = member->loaded ? take_news(member, wait_ms) : -ESTALE;
	uint64_t mono = kho_member_mono(member), end = mono + gather_ms(member);

	while (r > 0 && mono < end) {
		r = take_news(member, (uint32_t)(end - mono));
		if (!r)
			break;
		mono = kho_member_mono(member);
	}
	if (r < 0)
		member->loaded = false;
}
