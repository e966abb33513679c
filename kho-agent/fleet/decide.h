/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a machine does next in a rollout: a function of what etcd has, what the machine is
 * at, and the time. Pure; no I/O, no clock, nothing kept.
 *
 * Theory of operation
 *
 * Every machine decides for itself, over the same records, by the same rules; there's no
 * leader. Records may be older than etcd's: so each step that must not collide is a
 * transaction that fails if any of them has changed since (member.h), and is decided anew.
 * That makes these rules as good as if they were applied one machine after the other.
 *
 * Order: waves, one after the other. A machine belongs to the first wave that selects it and
 * has room: first those that have begun, by when they had their slot, then those to be tried
 * again, then those that are there, then by name; so those that were canaries stay canaries
 * when others join. A wave is through when all machines of it that are there have ended, and
 * one of them well; then its soak has to pass. A failure in the first wave halts the rollout,
 * halt_failures of them do anywhere, and so does a wave in which nothing went well.
 *
 * A machine that's missing with a slot may still be upgrading. Its slot is freed when it has
 * been missing for longer than an upgrade, its undoing and the start of it can take
 * together (kho_rollout_lost_ms()), by the clock of whoever watched it being gone all that
 * time. The machine itself aborts what isn't over by deadline_sec, and doesn't begin with
 * what it was slow to begin (KHO_FLEET_START_MS): so it isn't upgrading by then.
 *
 * Whoever holds a slot finishes what it's at, whatever the rollout's state is.
 */
#ifndef KHO_FLEET_DECIDE_H
#define KHO_FLEET_DECIDE_H

#include "fleet/node.h"

/* What etcd has of one group. */
struct kho_fleet_view {
	bool has_rollout;
	struct kho_rollout rollout;
	uint64_t rollout_revision;
	struct kho_node **nodes;	/* by id */
	size_t nr;
	uint64_t revision;		/* nothing later is in it */
};

struct kho_wave_tally {
	size_t nr, live, done, ended;	/* ended: done, failed, lost */
	size_t running;			/* has a slot */
	uint64_t last_ms;		/* when the last one ended */
	bool through;			/* all that are there have ended, one of them well */
	uint64_t soaked_ms;		/* when the next one may begin, if it's through */
};

/* A rollout in numbers. */
struct kho_tally {
	size_t total;			/* machines selected */
	size_t states[_KHO_NODE_STATE_MAX];
	size_t away;			/* of those, not there */
	size_t failures;		/* failed and lost, in this round */
	size_t slots;			/* of the group, whatever they're for */
	size_t limit;			/* that concurrency allows */
	struct kho_wave_tally waves[KHO_FLEET_WAVES];
	unsigned int wave;		/* the one that's at work; nr_waves: none any more */
};

enum kho_fleet_machine {
	KHO_MACHINE_IDLE = 0,
	KHO_MACHINE_UPGRADING,		/* on the fleet's account */
	KHO_MACHINE_SOAK,		/* the same; the old kernel stands by, and can be gone back to */
	KHO_MACHINE_BUSY,		/* with something else; or it isn't this kernel's to say */
};

enum kho_fleet_result {
	KHO_FLEET_RESULT_NONE = 0,
	KHO_FLEET_RESULT_DONE,
	KHO_FLEET_RESULT_FAILED,
};

/* What the machine knows of itself. */
struct kho_fleet_facts {
	uint64_t now_ms;		/* since 1970 */
	uint64_t mono_ms;		/* of a clock that isn't set */
	uint64_t held_ms;		/* how long this daemon has known of its slot */
	bool fresh;			/* it asked for it within KHO_FLEET_START_MS, and got it */
	bool outdated;			/* mustn't begin anything: it isn't registered just now */
	enum kho_fleet_machine machine;
	enum kho_fleet_result result;		/* of an upgrade that began after it had its slot */
	char message[KHO_FLEET_MESSAGE];	/* of the result, if it failed; or of BUSY, or "" */
	char digest[KHO_FLEET_DIGEST];	/* of the image that this kernel is from; "" unknown */
	uint64_t blackout_ms;		/* that workloads stood still in the result's; 0: not known */
	bool window_open;
	enum kho_verdict image, budget, before, after;
	char image_message[KHO_FLEET_MESSAGE], budget_message[KHO_FLEET_MESSAGE];
	char gate_message[KHO_FLEET_MESSAGE];
};

enum kho_action {
	KHO_ACTION_WAIT = 0,		/* for what the reason says */
	KHO_ACTION_LOOK,		/* at the image, or gates: what's unknown of @ask */
	KHO_ACTION_TAKE,		/* a slot */
	KHO_ACTION_START,		/* the upgrade */
	KHO_ACTION_ABORT,		/* it */
	KHO_ACTION_REPORT,		/* @state; there's no slot to give back, or it's kept */
	KHO_ACTION_RELEASE,		/* the slot, with @state */
	KHO_ACTION_FREE,		/* the slot of @other, which is lost */
	KHO_ACTION_HALT,		/* the rollout */
	KHO_ACTION_FINISH,		/* it */
};

enum kho_ask {
	KHO_ASK_IMAGE = 0,
	KHO_ASK_BEFORE,			/* gates */
	KHO_ASK_AFTER,
	KHO_ASK_BUDGET,			/* whether workloads are likely to stand still for too long */
	_KHO_ASK_MAX,
};

struct kho_decision {
	enum kho_action action;
	enum kho_ask ask;
	enum kho_node_state state;
	const struct kho_node *other;
	bool runs_target;		/* RELEASE: this kernel is of the target image */
	uint64_t blackout_ms;		/* RELEASE: as in the facts */
	const char *reason;		/* one word; of a state, or of what's waited for */
	char message[KHO_FLEET_MESSAGE];
};

/* How @node stands in this rollout and round, whatever its record is of. */
enum kho_node_state kho_node_state_in(const struct kho_rollout *rollout, const struct kho_node *node);
bool kho_node_selected(const struct kho_rollout *rollout, const struct kho_node *node);

/* The wave of each node in @ret_waves[nr] (nr_waves: not selected; may be NULL). -ENOMEM */
int kho_fleet_tally(const struct kho_fleet_view *view, uint8_t *ret_waves, struct kho_tally *ret,
		    struct kho_err *err);

/* The failure domain of @node; those without the label are one, "". */
const char *kho_fleet_domain_of(const struct kho_rollout *rollout, const struct kho_node *node);

/*
 * (*@ret)[i]: another slot in the domain of node i would be one too many. To be freed; @waves as
 * kho_fleet_tally() has it. -ENOMEM
 */
int kho_fleet_full_domains(const struct kho_fleet_view *view, const uint8_t *waves, bool **ret,
			   struct kho_err *err);

/*
 * @me is one of the view's nodes. @semaphore: NULL as long as nobody has looked; TAKE is only
 * meant with one. -ENOMEM
 */
int kho_fleet_decide(const struct kho_fleet_view *view, const struct kho_node *me,
		     const struct kho_fleet_facts *facts, const struct kho_semaphore *semaphore,
		     struct kho_decision *ret, struct kho_err *err);

/* Whether a holder has been missing for so long that its slot is free; @mono_ms as above. */
bool kho_fleet_is_lost(const struct kho_node *node, uint64_t mono_ms);

#endif
