/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The side that workloads go to: does the steps that it's asked for, and answers.
 *
 * What is under way is kept by the number of the move and of the thing in it. A step
 * that is asked for again is answered again, one of another move drops what the one
 * before had left. Everything that a step made here is undone by its undo, which is
 * asked for whether the step was over or not. No move begins a step again that it has
 * undone: one that's asked for after its undo was overtaken by that, and is refused.
 */
#ifndef KHO_AGENT_RECEIVE_H
#define KHO_AGENT_RECEIVE_H

#include "agent/session.h"
#include "upgrade/move.h"

struct kho_arrival;		/* a workload that comes, receive_workload.c */
struct kho_arrival_pages;	/* its memory, receive_pages.c */
struct kho_anchor;		/* an address, receive_net.c */
struct kho_taken;		/* a volume, receive_volume.c */
struct kho_gauge;		/* probes, gauge.h */
struct kho_newcomer;		/* a workload that is started anew, receive_restart.c */

struct kho_receiver {
	struct kho_agent *agent;
	uint64_t id;			/* of the move */
	uint32_t undone[_KHO_STEP_MAX];	/* steps that were, and aren't begun any more, bit for bit */
	struct kho_arrival *arrivals[KHO_MOVE_ITEMS];
	struct kho_anchor *anchors[KHO_MOVE_ITEMS];
	struct kho_taken *volumes[KHO_MOVE_ITEMS];
	struct kho_newcomer *newcomers[KHO_MOVE_ITEMS];
	struct kho_gauge *gauge;	/* NULL: nothing is measured */
	/* whoever asked, if that's in this kernel (inherit.h); NULL: the other side is told */
	void (*answered)(void *ctx, const Kho__MoveResult *result);
	void *ctx;
};

/* What a step here is done by. Return as of struct kho_step_ops (move.h). */
struct kho_receive_ops {
	int (*begin)(struct kho_receiver *receiver, const Kho__MoveStep *step,
		     struct kho_err *err);
	int (*undo)(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err);
};

/*
 * What has come may leave again: forgets how it came. -EBUSY: it isn't all there yet.
 */
int kho_receive_let_go(struct kho_agent *agent, struct kho_err *err);

/* All of it is void, finished or not. */
void kho_receive_drop(struct kho_agent *agent);

void kho_receive_on_step(struct kho_session *session, const Kho__MoveStep *step);

/* The receiver of move @id; what another one left is dropped. NULL: no memory. */
struct kho_receiver *kho_receive_open(struct kho_agent *agent, uint64_t id);

/* Does a step. As of struct kho_receive_ops. */
int kho_receive_do(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err);

/* Answers a step. */
void kho_receive_answer(struct kho_receiver *receiver, enum kho_step step, bool undo,
			uint32_t item, const struct kho_err *err);

/* As above, with the MAC address of a NIC. */
void kho_receive_answer_mac(struct kho_receiver *receiver, enum kho_step step, uint32_t item,
			    const uint8_t mac[6], const struct kho_err *err);

/* As above, with how long it took, on this side's clock. */
void kho_receive_answer_took(struct kho_receiver *receiver, enum kho_step step, uint32_t item,
			     uint64_t ns, const struct kho_err *err);

/*
 * As above, of the step settle: with the memory that came after the workload ran, and what
 * was seen of it.
 */
void kho_receive_answer_settled(struct kho_arrival *arrival, const struct kho_err *err);

/* Where streams of a move go to; ends with NULL. */
extern const struct kho_sink_ops *const kho_receive_sinks[];

/* receive_workload.c */
extern const struct kho_receive_ops kho_receive_rehearse;	/* receive_rehearse.c */
extern const struct kho_receive_ops kho_receive_prepare, kho_receive_restore, kho_receive_resume,
	kho_receive_health, kho_receive_settle;

/* The arrival of that name; NULL: none. */
struct kho_arrival *kho_arrival_find(struct kho_receiver *receiver, const char *name);
void kho_arrival_free(struct kho_arrival *arrival);

/* Where its images go to. */
const char *kho_arrival_dir(const struct kho_arrival *arrival);

/* A part of it is here as a whole (ARRIVAL_IMAGES, ...). */
void kho_arrival_got(struct kho_arrival *arrival, unsigned int part);

/* Whether it runs and its memory isn't all there. */
bool kho_arrival_is_busy(const struct kho_arrival *arrival);

/* receive_archive.c: an archive that's here already, whole: its images (ARRIVAL_IMAGES), or files. */
int kho_arrival_take_archive(struct kho_arrival *arrival, unsigned int part, int fd,
			     struct kho_err *err);

/* Its memory, receive_pages.c. */
struct kho_arrival_pages *kho_arrival_pages(const struct kho_arrival *arrival);

extern const struct kho_sink_ops kho_sink_pages;

int kho_arrival_pages_new(struct kho_arrival_pages **ret, struct kho_err *err);
/*
 * That of a kernel which has ended, whole; both are taken over in any case, and the new one
 * is in the place of @pages.
 */
int kho_arrival_pages_take(struct kho_arrival_pages **pages, int data, int index,
			   struct kho_err *err);
struct kho_arrival_pages *kho_arrival_pages_free(struct kho_arrival_pages *pages);

/*
 * The final round is here, and so are all other images, in @dir: those of its memory
 * are added. *@ret_data and *@ret_index are what kho_page_store_load() takes; the first
 * stays the pages', the second is the caller's to close.
 */
int kho_arrival_pages_compose(struct kho_arrival_pages *pages, int dir, int *ret_data,
			      int *ret_index, struct kho_err *err);

/* receive_archive.c */
extern const struct kho_sink_ops kho_sink_images, kho_sink_sample, kho_sink_files;

/* Where the images for a rehearsal go to; made by the sink. */
void kho_sample_path(const char *name, char ret[128]);

/* receive_net.c, receive_nic.c, receive_volume.c, receive_restart.c */
extern const struct kho_receive_ops kho_receive_address, kho_receive_attach, kho_receive_announce;
extern const struct kho_receive_ops kho_receive_expect, kho_receive_take, kho_receive_keep;
extern const struct kho_receive_ops kho_receive_admit, kho_receive_start;
bool kho_newcomer_expected(const struct kho_receiver *receiver, const char *name);
void kho_newcomer_free(struct kho_newcomer *newcomer);
void kho_anchor_free(struct kho_anchor *anchor);
void kho_taken_free(struct kho_taken *taken);

/* Errors of kho_volume_check(), of any: before commit. */
int kho_taken_check(struct kho_receiver *receiver, struct kho_err *err);

/*
 * Volumes that were kept, also by an agent that was killed since: done with the first workload that
 * settles, when nobody waits.
 */
void kho_taken_settle(struct kho_receiver *receiver);

#endif
