/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside the agent: a workload that comes. Its unit waits as kho-restore, images
 * arrive, it's restored, runs, and is an ordinary unit in the end.
 *
 * Between prepare and restore a copy may be rehearsed (receive_rehearse.c), which leaves
 * it READY.
 *
 *	prepare       images, files      restore              resume            settle
 *	  | stub starts  | "restore"       | "go"               | "resume"        |
 *	  v              v                 v                    v                 v
 *	WAITING -ready-> READY ...> LOADING ...> RESTORING -stopped-> STOPPED -resumed-> RUNS
 *	                                    undo of restore, of resume: killed
 *	                                    undo of prepare: unit dropped
 *
 * As soon as all of it is here, images of its memory are made and CRIU reads them; it
 * waits before it makes tasks, for these may need a volume that isn't here yet.
 */
#ifndef KHO_AGENT_ARRIVAL_H
#define KHO_AGENT_ARRIVAL_H

#include "agent/command.h"
#include "agent/receive.h"
#include "migrate/restore/restore.h"
#include "migrate/workload/unit.h"

enum arrival_state {
	ARRIVAL_WAITING = 0,		/* for kho-restore */
	ARRIVAL_READY,
	ARRIVAL_LOADING,		/* CRIU reads images */
	ARRIVAL_RESTORING,
	ARRIVAL_STOPPED,
	ARRIVAL_RESUMING,
	ARRIVAL_RUNS,
	ARRIVAL_COMPLETE,		/* all memory is there */
	ARRIVAL_FAILED,
};

/* What has to be here. */
#define ARRIVAL_IMAGES	1u
#define ARRIVAL_FILES	2u
#define ARRIVAL_ALL	(ARRIVAL_IMAGES | ARRIVAL_FILES)

struct kho_arrival {
	struct kho_receiver *receiver;
	uint32_t item;
	char name[64];
	char unit[KHO_UNIT_NAME];
	char cgroup[KHO_UNIT_PATH];	/* where it was in the old kernel; "": not known */
	char dir[128];			/* images */
	enum arrival_state state;
	enum kho_step asked;		/* to be answered when it's so far; 0: nothing */
	unsigned int here;		/* ARRIVAL_... */
	sd_event_source *load;
	struct kho_err failed;		/* why, in that state */
	struct kho_arrival_pages *pages;
	uint64_t footprint;		/* bytes that it will take; 0: not known */
	uint64_t lazy_bytes, lazy_ms;
	bool settled;
	int listener, conn;
	sd_event_source *listen_source, *conn_source;
	struct kho_command *start;	/* of the unit; ends when it's active, or has failed */
	struct kho_command *health;
	struct kho_command *unit_work;	/* drop, settle: systemd is asked to read units again */
	sd_event_source *server;	/* kho-restore of an agent that was killed; NULL: none */
};

static inline struct kho_arrival *arrival(struct kho_receiver *receiver, const Kho__MoveStep *step)
{
	return receiver->arrivals[step->item];
}

/* receive_workload.c: tells kho-restore, with descriptors, which stay the caller's. */
int kho_arrival_tell_with(struct kho_arrival *arrival, const char *line,
			  const int fds[KHO_RESTORE_FDS], struct kho_err *err);

/* receive_rehearse.c: kho-restore has said how it went. */
void kho_arrival_rehearsed(struct kho_arrival *arrival, const char *numbers);
void kho_arrival_unrehearsed(struct kho_arrival *arrival, const char *why);

/* receive_workload.c: it's over; whoever asked is told why. */
void kho_arrival_failed(struct kho_arrival *arrival, const char *why);

/* All memory is there; @numbers: "BYTES MS". */
void kho_arrival_completed(struct kho_arrival *arrival, const char *numbers);

/* Tasks whose memory isn't all there, and won't come, are killed. */
void kho_arrival_lost(struct kho_arrival *arrival, const char *why);

/*
 * receive_adopt.c: one that an agent had which was killed since. NULL with err->code 0:
 * there's none.
 */
struct kho_arrival *kho_arrival_adopt(struct kho_receiver *receiver, const Kho__MoveStep *step,
				      struct kho_err *err);

/* Of such a one: completed, or lost, is told later. */
int kho_arrival_wait_server(struct kho_arrival *arrival, struct kho_err *err);

/* Where images go to, by name of the workload. */
void kho_arrival_set_dir(struct kho_arrival *arrival);
bool kho_arrival_is_good_name(const char *name);

/* kho-restore has come. @userdata is the arrival. */
int kho_arrival_on_connect(sd_event_source *source, int fd, uint32_t revents, void *userdata);

#endif
