/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A move of workloads under way, on the side that they leave: the pure machine
 * (upgrade/move.h) in the event loop. In a rollback that's the new side: side.h has what
 * differs.
 *
 * What a step does is in a table of its own: for steps on this side in move_*.c, by
 * what they concern; steps on the new side are messages (move_remote.c). One step
 * is under way at a time, for all things of its kind; its deadline is one timer.
 */
#ifndef KHO_AGENT_MOVE_H
#define KHO_AGENT_MOVE_H

#include "agent/command.h"
#include "agent/session.h"
#include "migrate/workload/config.h"
#include "migrate/workload/inspect.h"
#include "upgrade/budget.h"
#include "upgrade/move.h"

struct kho_mover;
struct kho_departure;			/* a workload that leaves, move_workload.c */
struct kho_holding;			/* packets that wait, move_net.c */
struct kho_gauge;			/* probes, gauge.h */
struct kho_shield;			/* of CRIUs, bpf/shield.h */
struct kho_bequeathal;			/* what goes by kexec, bequeath.h */

/*
 * 0: done; 1: it will be told by kho_mover_done() (or _undone()); negative: it failed.
 * Undo has to cope with a step that failed or isn't over: then it ends it, and the
 * step isn't told any more.
 */
struct kho_step_ops {
	int (*begin)(struct kho_mover *mover, uint32_t item, struct kho_err *err);
	int (*undo)(struct kho_mover *mover, uint32_t item, struct kho_err *err);
};

/* What was measured, for the report. Times are of this kernel's monotonic clock. */
struct kho_mover_times {
	uint64_t begin_ns[_KHO_STEP_MAX];	/* 0: not begun */
	uint64_t end_ns[_KHO_STEP_MAX];
};

/* A volume's sync under way. */
struct kho_volume_sync {
	struct kho_mover *mover;
	uint32_t item;
	struct kho_command *command;
};

/* A service that's being stopped, or started again. */
struct kho_mover_restart {
	struct kho_mover *mover;
	uint32_t item;
	struct kho_command *command;
};

struct kho_mover {
	struct kho_agent *agent;
	struct kho_config *config;
	char *config_text;			/* for the record, and the new side */
	struct kho_move move;
	uint64_t copied;			/* when the deadline passed last */
	uint64_t id;				/* of this try; not 0 */
	uint64_t epoch;				/* of ownership, when it began */
	sd_event_source *deadline;
	sd_event_source *fencing;		/* the other kernel is about to be stopped */
	uint64_t began_ns;
	uint64_t began_ms;			/* the same, since 1970 */
	struct kho_mover_times times;
	struct kho_budget budget;
	sd_event_source *budget_timer;
	struct kho_departure *departures[KHO_MOVE_ITEMS];
	struct kho_holding *holding;
	struct kho_gauge *gauge;		/* NULL: nothing is measured */
	struct kho_shield *shield;		/* NULL: anybody may kill them */
	struct kho_volume_sync syncs[KHO_MOVE_ITEMS];
	struct kho_mover_restart restarts[KHO_MOVE_ITEMS];
	bool unrehearsed;			/* none is rehearsed */
	uint64_t limit_ms;			/* of the frozen time, beside the configuration's; 0: none */
	char (*doomed)[KHO_FINDING_CAUSE];	/* why a workload's rehearsal failed, or NULL */
	bool trial;				/* move_trial.h: of this workload; it went well */
	uint32_t tried;
	bool rehearsed;
	bool checking;				/* agent->checkup is this move's */
	uint8_t macs[KHO_MOVE_ITEMS][6];	/* of the other side's NICs, by address */
	uint32_t nics_given;			/* addresses whose NIC we gave away, bit for bit */
	struct kho_left *left;			/* CRIUs of an agent that was killed, or NULL */
	bool recovered;				/* it was begun by that agent */
	struct kho_bequeathal *bequeathal;	/* NULL: the other kernel runs beside this one */
	void (*over)(struct kho_mover *mover);
};

/* move_workload.c: -EINVAL and so on, if the unit isn't one that can be moved. */
struct kho_departure *kho_departure_new(struct kho_mover *mover, uint32_t item,
					struct kho_err *err);
void kho_departure_free(struct kho_departure *departure);

/* How much of its memory was copied: a number that differs if it got any further. */
uint64_t kho_departure_copied(const struct kho_departure *departure);

/* The new side has told how a step of it went. */
void kho_departure_on_result(struct kho_departure *departure, const Kho__MoveResult *result);

/* What the new side must know of it; valid as long as the departure. */
void kho_departure_describe(const struct kho_departure *departure, Kho__MoveWorkload *ret);

/*
 * Begins a move of all that's configured. It's told to the waiting client as it goes,
 * and @over when it has ended, one way or the other; agent->mover is NULL after.
 *   -ENOTCONN  there's no other kernel to move to
 *   -EALREADY  they're there already
 *   -EBUSY     a move is under way
 */
int kho_mover_begin(struct kho_agent *agent, void (*over)(struct kho_mover *mover),
		    struct kho_err *err);

/*
 * The same by kexec, which a kernel is loaded for: steps of this side alone, and the commit
 * doesn't return (bequeath.h). Takes over @bequeathal in any case.
 */
int kho_mover_begin_kexec(struct kho_agent *agent, struct kho_bequeathal *bequeathal,
			  void (*over)(struct kho_mover *mover), struct kho_err *err);

/*
 * The rehearsal of @item has failed, for a reason of its own. If it's one to be restarted,
 * the move is undone, and then begun again with it restarted.
 */
void kho_mover_doom(struct kho_mover *mover, uint32_t item, const char *why);

/* The move is undone. True: another one was begun in its place, and tells how it ends. */
bool kho_mover_try_again(struct kho_mover *mover);

/* To be said right after it began: no workload is rehearsed. */
void kho_mover_no_rehearsal(struct kho_mover *mover);

/* Likewise: as kho_config_limit_frozen(). */
void kho_mover_limit_frozen(struct kho_mover *mover, uint64_t ms);

void kho_mover_done(struct kho_mover *mover, enum kho_step step, uint32_t item,
		    const struct kho_err *err);
void kho_mover_undone(struct kho_mover *mover, enum kho_step step, uint32_t item,
		      const struct kho_err *err);
void kho_mover_abort(struct kho_mover *mover, const struct kho_err *why);

/* The session has lost its peer. The mover fences it by itself. */
void kho_mover_peer_lost(struct kho_mover *mover, const struct kho_err *why);

/*
 * Tries once more to stop the other kernel, which tasks that stand still wait for. -EBUSY:
 * they don't, or it can't be stopped.
 */
int kho_mover_fence(struct kho_mover *mover, struct kho_err *err);
/* What the pure machine wants, from outside of an event of the steps. */
void kho_mover_go_on(struct kho_mover *mover, struct kho_move_output out);

/* move_rounds.c: before the first of them is asked for anything. */
void kho_mover_shield(struct kho_mover *mover);

/* move_budget.c: after each change of the machine. */
void kho_mover_watch_budget(struct kho_mover *mover);

/* ---- what survives this agent: move_record.c, move_recover.c ---- */

/* Notes what is under way, and may be undone; before it's begun. */
int kho_mover_note(const struct kho_mover *mover, struct kho_err *err);
void kho_mover_forget(void);

/*
 * After a start of the agent, once there's a session or it's known that there's none:
 * takes up the move of an agent that was killed. 0 if there was none.
 */
int kho_mover_recover(struct kho_agent *agent, struct kho_err *err);
void kho_mover_free_left(struct kho_mover *mover);

/* The other side's agent agrees (again): whatever it was asked before is void. */
void kho_mover_peer_up(struct kho_mover *mover);
bool kho_mover_is_connected(const struct kho_mover *mover);

/* move_workload.c: of a workload that may have left already. NULL: no memory. */
struct kho_departure *kho_departure_recover(struct kho_mover *mover, uint32_t item,
					    const char *cgroup);

/* Its tasks stand still, with no socket in repair mode. */
int kho_departure_mend(struct kho_departure *departure, struct kho_err *err);

void kho_mover_free(struct kho_mover *mover);

/* Name of a thing that a step concerns: "redis". */
const char *kho_mover_item_name(const struct kho_mover *mover, enum kho_step step, uint32_t item);

/* ---- the steps ---- */

/* NULL: none on this side. */
const struct kho_step_ops *kho_mover_ops(enum kho_step step);

/* Workload @item is to move: looks at it. */
int kho_mover_take_in(struct kho_mover *mover, uint32_t item, struct kho_err *err);

/* move_remote.c: asks the new side; 1 or negative. */
int kho_mover_ask(struct kho_mover *mover, enum kho_step step, bool undo, uint32_t item,
		  struct kho_err *err);
void kho_mover_on_result(struct kho_session *session, const Kho__MoveResult *result);

/* move_*.c: check, restart, workload, rounds, dump, volume, net */
extern const struct kho_step_ops kho_step_precopy, kho_step_let_go, kho_step_catch_up,
	kho_step_freeze, kho_step_dump, kho_step_discard;
extern const struct kho_step_ops kho_step_inspect, kho_step_stop, kho_step_sample;
void kho_mover_end_check(struct kho_mover *mover);
/* How long restarted workloads were down, here and there; 0: they weren't. */
uint64_t kho_mover_down_ms(const struct kho_mover *mover);
void kho_mover_free_restarts(struct kho_mover *mover);
extern const struct kho_step_ops kho_step_sync, kho_step_release, kho_step_forget;
extern const struct kho_step_ops kho_step_arm, kho_step_hold, kho_step_mute, kho_step_forward;

/*
 * move_rounds.c: what was set for the time of a move is as before. When a move is over,
 * and after an agent that was killed in one.
 */
void kho_mover_tidy(struct kho_agent *agent);

/* Around the steps on the new side. The last frees what is held of packets here. */
int kho_mover_give_nic(struct kho_mover *mover, uint32_t item, struct kho_err *err);
int kho_mover_take_nic_back(struct kho_mover *mover, uint32_t item, struct kho_err *err);
void kho_mover_end_net(struct kho_mover *mover, bool committed);
void kho_mover_free_net(struct kho_mover *mover);

/* The NIC that the new kernel is to have for an address; NULL: it has one already. */
const struct kho_pci_addr *kho_mover_spare_nic(struct kho_mover *mover, uint32_t item);

#endif
