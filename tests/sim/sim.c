// SPDX-License-Identifier: GPL-2.0-only
/* What may happen, and making it happen; sim.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sim/sim.h"

struct list {
	struct sim_event *events;
	size_t nr;
};

static enum sim_side to_side(const struct sim *s)
{
	return s->config->from == SIM_OLD ? SIM_NEW : SIM_OLD;
}

/* ---- beginning ---- */

static void set_up_world(struct sim *s)
{
	enum sim_side from = s->config->from;

	for (unsigned int i = 0; i < s->config->nr[KHO_SCOPE_WORKLOAD]; i++)
		s->task[from][i] = SIM_RUNNING;
	for (unsigned int i = 0; i < s->config->nr[KHO_SCOPE_ADDRESS]; i++)
		s->voice[from][i] = SIM_SPEAKS;
	memset(s->has, SIM_NOBODY, sizeof(s->has));
	memset(s->has[KHO_SCOPE_VOLUME], from, s->config->nr[KHO_SCOPE_VOLUME]);
	memset(s->has[KHO_SCOPE_ADDRESS], from, s->config->nr[KHO_SCOPE_ADDRESS]);
	s->lent = true;
}

void sim_start(struct sim *s, const struct sim_config *config)
{
	struct kho_owner now = {};

	memset(s, 0, sizeof(*s));
	s->config = config;
	s->faults = config->faults;
	set_up_world(s);
	kho_owner_format(&s->owner, 1);
	if (config->from == SIM_NEW)
		kho_owner_commit(&s->owner, sizeof(s->owner), 1, &now, NULL);
	kho_owner_read(&s->owner, sizeof(s->owner), &now, NULL);
	s->epoch = now.epoch;
	s->session = s->up = s->agreed = true;
	if (kho_move_init(&s->move, config->nr, NULL) < 0)
		sim_bad(s, "the configuration isn't one");
	for (uint32_t i = 0; i < config->nr[KHO_SCOPE_WORKLOAD]; i++)
		if (config->restarted & 1u << i)
			kho_move_restart(&s->move, i, NULL);
	sim_mover_begin(s);
	sim_check(s);
}

/* ---- what may happen ---- */

static void add(struct list *list, enum sim_event_kind kind, unsigned int arg)
{
	if (list->nr < SIM_EVENTS)
		list->events[list->nr++] = (struct sim_event){ .kind = kind, .arg = arg };
}

static bool is_over(const struct sim *s)
{
	return s->stage == SIM_ANEW || s->stage == SIM_RECLAIMED;
}

/* An old kernel's agent that was silent is there again; a new one isn't heard any more. */
static bool may_agree(const struct sim *s)
{
	if (!s->session || is_over(s) || s->dead[to_side(s)] || s->dead[s->config->from])
		return false;
	if (s->hung[to_side(s)])
		return s->lost && to_side(s) == SIM_OLD;
	return !s->lost && (!s->up || !s->agreed);
}

static void add_channel(const struct sim *s, struct list *list)
{
	for (unsigned int i = 0; i < (s->config->overtakes ? s->asked.nr : s->asked.nr > 0); i++)
		add(list, SIM_DELIVER, i);
	for (unsigned int i = 0; i < s->ops.nr; i++)
		add(list, SIM_REMOTE, i);
	for (unsigned int i = 0; i < s->answers.nr; i++)
		add(list, SIM_ANSWER, i);
	if (may_agree(s))
		add(list, SIM_UP, 0);
	if (s->session && !s->lost && !is_over(s) && (s->dead[to_side(s)] || s->hung[to_side(s)]))
		add(list, SIM_LOST, 0);
}

static void add_progress(const struct sim *s, struct list *list)
{
	bool waits = s->stage == SIM_MOVING && kho_move_waits_for_fence(&s->move);

	for (unsigned int i = 0; i < SIM_ITEMS; i++)
		if (s->local_items & 1u << i)
			add(list, SIM_LOCAL, i);
	add_channel(s, list);
	if (s->stage == SIM_LEFT)
		add(list, SIM_TAKE_UP, 0);
	if (s->stage == SIM_LINGERS)
		add(list, SIM_OVER, 0);
	if (s->stage == SIM_FAILING || s->stage == SIM_FENCED ||
	    (s->stage == SIM_WAITS && sim_may_fail_over(s)))
		add(list, SIM_GO_ON, 0);
	if (s->stage == SIM_SETTLED && s->unreclaimed)
		add(list, SIM_RECLAIM, 0);
	if (waits && s->config->from == SIM_OLD)
		add(list, SIM_RECLAIM, 0);
	if (!list->nr && s->deadline)
		add(list, SIM_DEADLINE, 0);
	/* the old kernel's agent is started again by hand: it can't be fenced, but be asked */
	if (!list->nr && waits && !s->dead[SIM_OLD])
		add(list, SIM_RECLAIM, 0);
}

static bool allowed(const struct sim *s, enum sim_event_kind kind)
{
	return !(s->config->without & 1u << kind);
}

static void add_fault(const struct sim *s, struct list *list, enum sim_event_kind kind,
		      unsigned int arg)
{
	if (allowed(s, kind))
		add(list, kind, arg);
}

static void add_kernels(const struct sim *s, struct list *list)
{
	enum sim_side to = to_side(s);
	bool alive = !s->dead[to] && !s->dead[s->config->from];
	bool early = to == SIM_NEW || (!s->committed && s->stage < SIM_LINGERS);

	if (alive && early)
		add_fault(s, list, SIM_DIE, 0);
	if (alive && early && !s->hung[to])
		add_fault(s, list, SIM_HANG, 0);
	/* docs/limits.md: not between the commit of a rollback and its end */
	if (alive && to == SIM_OLD && (!s->committed || s->stage == SIM_SETTLED))
		add_fault(s, list, SIM_DIE_HERE, 0);
	if (s->lent && !s->fence_stuck)
		add_fault(s, list, SIM_STUCK_FENCE, 0);
	if (s->owner.magic && s->lent && alive)
		for (unsigned int tree = 0; tree < 2; tree++)
			add_fault(s, list, SIM_WILD, tree);
}

static void add_faults(const struct sim *s, struct list *list)
{
	bool moving = s->stage == SIM_MOVING;
	bool ops = s->local_items || s->ops.nr || s->asked.nr;

	if (!s->armed && moving && ops) {
		add_fault(s, list, SIM_ARM, 1);
		add_fault(s, list, SIM_ARM, 2);
	}
	if (s->deadline && moving)
		add_fault(s, list, SIM_LATE, 0);
	if (moving && s->move.state == KHO_MOVE_RUNNING)
		add_fault(s, list, SIM_ABORT, 0);
	if (s->answers.nr) {
		add_fault(s, list, SIM_LOSE, 0);
		add_fault(s, list, SIM_TWICE, 0);
	}
	if (s->asked.nr)
		add_fault(s, list, SIM_LOSE, 1);
	if (!s->dead[s->config->from]) {
		add_fault(s, list, SIM_KILL_MOVER, 0);
		if (s->local_items)
			add_fault(s, list, SIM_KILL_MOVER, 1);
	}
	if (!s->dead[to_side(s)] && !s->hung[to_side(s)]) {
		add_fault(s, list, SIM_KILL_RECEIVER, 0);
		if (s->ops.nr)
			add_fault(s, list, SIM_KILL_RECEIVER, 1);
	}
	if (!s->disk_full && moving)
		add_fault(s, list, SIM_FULL_DISK, 0);
	add_kernels(s, list);
}

size_t sim_events(const struct sim *s, struct sim_event ret[SIM_EVENTS])
{
	struct list list = { .events = ret };

	if (s->bad || is_over(s))
		return 0;
	add_progress(s, &list);
	/* a run that's over isn't the place for faults that nobody would see */
	if (s->faults && !is_over(s))
		add_faults(s, &list);
	return list.nr;
}

/* ---- making it happen ---- */

static void die_here(struct sim *s)
{
	/* its agent and all that it knew are gone; the old kernel's looks at what's left */
	memset(&s->move, 0, sizeof(s->move));
	s->first = s->first_undo = 0;
	s->local_items = 0;
	s->noted = s->deadline = false;
	sim_die(s, SIM_NEW);
	memset(&s->answers, 0, sizeof(s->answers));
	s->up = false;
	sim_failover_decide(s, KHO_LOSS_DEAD);
}

static void do_fault(struct sim *s, struct sim_event event)
{
	s->faults--;
	switch (event.kind) {
	case SIM_ARM:
		s->armed = (uint8_t)event.arg;
		break;
	case SIM_LATE:
		sim_mover_late(s);
		break;
	case SIM_ABORT:
		sim_mover_abort(s);
		break;
	case SIM_LOSE:
		sim_pull(event.arg ? &s->asked : &s->answers, 0);
		break;
	case SIM_TWICE:
		sim_push(&s->answers, &s->answers.at[0]);
		break;
	case SIM_KILL_MOVER:
		sim_mover_kill(s, event.arg);
		break;
	case SIM_KILL_RECEIVER:
		sim_receiver_kill(s, event.arg);
		break;
	case SIM_DIE:
		sim_die(s, to_side(s));
		s->lost = false;
		break;
	case SIM_DIE_HERE:
		die_here(s);
		break;
	case SIM_HANG:
		s->hung[to_side(s)] = true;
		break;
	case SIM_STUCK_FENCE:
		s->fence_stuck = true;
		break;
	case SIM_FULL_DISK:
		s->disk_full = true;
		break;
	default:
		s->owner.magic = 0;
		s->treeless = event.arg;
	}
}

static void do_progress(struct sim *s, struct sim_event event)
{
	struct sim_message answer;

	switch (event.kind) {
	case SIM_LOCAL:
		sim_mover_local(s, event.arg);
		break;
	case SIM_DELIVER:
		sim_receive(s, event.arg);
		break;
	case SIM_REMOTE:
		sim_receiver_done(s, event.arg);
		break;
	case SIM_ANSWER:
		answer = sim_pull(&s->answers, event.arg);
		sim_mover_answer(s, &answer);
		break;
	case SIM_UP:
		s->hung[to_side(s)] = false;
		sim_mover_up(s);
		break;
	case SIM_LOST:
		sim_mover_lost(s, s->dead[to_side(s)] ? KHO_LOSS_DEAD : KHO_LOSS_SILENT);
		break;
	case SIM_TAKE_UP:
		sim_mover_take_up(s);
		break;
	case SIM_OVER:
		sim_mover_over(s);
		break;
	case SIM_GO_ON:
		sim_failover_go_on(s);
		break;
	case SIM_RECLAIM:
		sim_reclaim(s);
		break;
	default:
		sim_mover_late(s);
	}
}

void sim_do(struct sim *s, struct sim_event event)
{
	if (event.kind >= SIM_FIRST_FAULT)
		do_fault(s, event);
	else
		do_progress(s, event);
	sim_check(s);
}

void sim_event_text(const struct sim_event *event, char *ret, size_t size)
{
	static const char *const names[_SIM_EVENT_MAX] = {
		[SIM_LOCAL] = "local", [SIM_DELIVER] = "deliver", [SIM_REMOTE] = "remote",
		[SIM_ANSWER] = "answer", [SIM_UP] = "up", [SIM_LOST] = "lost",
		[SIM_TAKE_UP] = "take-up", [SIM_OVER] = "over", [SIM_GO_ON] = "go-on",
		[SIM_RECLAIM] = "reclaim", [SIM_DEADLINE] = "deadline", [SIM_ARM] = "ARM",
		[SIM_LATE] = "LATE", [SIM_ABORT] = "ABORT", [SIM_LOSE] = "LOSE",
		[SIM_TWICE] = "TWICE", [SIM_KILL_MOVER] = "KILL-MOVER",
		[SIM_KILL_RECEIVER] = "KILL-RECEIVER", [SIM_DIE] = "DIE",
		[SIM_DIE_HERE] = "DIE-HERE", [SIM_HANG] = "HANG",
		[SIM_STUCK_FENCE] = "STUCK-FENCE", [SIM_FULL_DISK] = "FULL-DISK",
		[SIM_WILD] = "WILD",
	};

	snprintf(ret, size, "%s %u", names[event->kind], event->arg);
}
