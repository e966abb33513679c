/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside the agent: a workload that leaves.
 *
 *	pre-copy ---> sample: dumped while it runs on, for a rehearsal there
 *	  |
 *	pre-copy ---> let-go ---> freeze ---> dump ..................... discard
 *	  |                                     |  CRIU waits in post-dump  |
 *	  rounds of CRIU's pre-dump,            |  from here ... to here    yes: killed
 *	  while it runs                         +--- undone: no ---> thaw: it runs on
 *	                                                             where it stood
 *
 * CRIU is never killed while it is at the tasks: it works from inside of them. To undo
 * a step, its stream of pages is ended, it fails, and puts all back by itself.
 */
#ifndef KHO_AGENT_DEPARTURE_H
#define KHO_AGENT_DEPARTURE_H

#include "agent/command.h"
#include "agent/criu_ready.h"
#include "agent/move.h"
#include "agent/page_stream.h"
#include "migrate/criu/criu.h"
#include "migrate/pages/rounds.h"
#include "migrate/workload/carry.h"
#include "migrate/workload/mapped.h"
#include "migrate/workload/unit.h"

enum departure_state {
	DEPARTURE_HERE = 0,
	DEPARTURE_COPYING,		/* CRIU is at a round of pre-copy */
	DEPARTURE_SAMPLING,		/* CRIU is at the dump for a rehearsal */
	DEPARTURE_SAMPLED,		/* told "no" after it; then images go over */
	DEPARTURE_DUMPING,		/* CRIU is at the dump */
	DEPARTURE_SENDING,		/* in post-dump; images go over */
	DEPARTURE_DUMPED,		/* in post-dump; all is over there */
	DEPARTURE_UNDOING,		/* told "no", or its pages are refused; not over yet */
	DEPARTURE_ENDING,		/* told "yes" */
	DEPARTURE_GONE,
};

struct kho_departure {
	struct kho_mover *mover;
	uint32_t item;
	const struct kho_config_workload *config;
	struct kho_unit unit;
	enum departure_state state;
	enum kho_step undoing;		/* that is to be told when CRIU is over */
	pid_t root;
	uint64_t resident;		/* bytes, at the beginning */
	uint64_t footprint;		/* bytes that its memory will take there */
	struct kho_criu_external external[KHO_CRIU_EXTERNALS];
	size_t nr_external;
	char pids[KHO_CPUS_TEXT];
	char mapped[KHO_MAPPED_LIST];	/* files */
	struct kho_command *unit_work;	/* letting go, holding again */
	struct kho_command *splitter;
	struct kho_criu *criu;
	struct kho_criu_ready ready;	/* for the next round */
	sd_event_source *source;
	struct kho_page_stream *memory;
	struct kho_rounds rounds;	/* the final one included */
	uint64_t predicted_ns;		/* of the freeze */
	uint64_t round_began_ns;
	uint64_t round_cpu_ns;		/* CPU time it had used by then */
	uint64_t frozen_ns, runs_ns;	/* when it stood still here, when it ran there */
	uint64_t lazy_bytes, lazy_ns;	/* that came after that */
	int dir;			/* of the round under way, or the last one */
	unsigned int streams;		/* of archives, not acknowledged yet */
	struct kho_err sample_err;	/* what to tell when it runs again */
	struct kho_archive sample_files;	/* as they were when its sample was taken */
	bool sample_holds;		/* packets are held for its sample */
	uint64_t sample_ns;		/* how long its sample took, CRIU's start included */
	uint64_t rehearsed_ns;		/* how long its copy took to be restored; 0: it wasn't */
};

/* move_workload.c: whatever is left of it is killed. -ETIMEDOUT: some of it lives. */
int kho_departure_kill(struct kho_departure *departure, struct kho_err *err);

/* move_dump.c: repair.h says of what; when CRIU has dumped all, and waits. */
void kho_departure_leave_queues(struct kho_departure *departure);

/*
 * move_rounds.c: CRIU begins, with the pages of this round going over. It's over by an
 * event; until then the state says what it's for.
 */
int kho_departure_begin_round(struct kho_departure *departure, enum kho_criu_kind kind,
			      struct kho_err *err);

/* Whether one is under way: @step is told to be undone when CRIU has put all back. */
bool kho_departure_undo_round(struct kho_departure *departure, enum kho_step step);

/* Whether it's meant to stand still, and to live. */
static inline bool kho_departure_is_frozen(const struct kho_departure *departure)
{
	return departure->mover->move.begun[KHO_STEP_FREEZE] & 1u << departure->item &&
	       !kho_move_committed(&departure->mover->move);
}

/* It went well: what it took is noted. */
void kho_departure_note_round(struct kho_departure *departure);

void kho_departure_end_criu(struct kho_departure *departure);
void kho_departure_drop_ready(struct kho_departure *departure);

/* move_dump.c: images, with the list of externals; files that go along. */
int kho_departure_pack_images(struct kho_departure *departure, struct kho_archive *ret,
			      struct kho_err *err);
int kho_departure_pack_files(struct kho_departure *departure, struct kho_archive *ret,
			     struct kho_err *err);

/* move_sample.c: CRIU is at post-dump; is over; the step is. */
int kho_sample_on_post_dump(struct kho_departure *departure, struct kho_err *err);
void kho_sample_on_over(struct kho_departure *departure);
void kho_sample_mend(struct kho_departure *departure, struct kho_err *err);
/* Its sockets are whole: packets go on to them. Nothing if none are held for it. */
void kho_sample_release(struct kho_departure *departure);
void kho_sample_done(struct kho_departure *departure, const struct kho_err *err);

/* move_dump.c: CRIU asks, and waits for the answer. */
void kho_departure_on_notify(struct kho_departure *departure, const char *script);

#endif
