/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How far a move is, as it's told to whoever watches: plain data, which the agent fills
 * in and khoctl reads, and its JSON between them. Pure.
 *
 *	{ "state": "running", "phase": "sync", "step": "pre-copy", "workloads": [
 *	  { "name": "redis", "state": "copying", "rounds": 3, "bytes": 125829120,
 *	    "dirtyBytesPerSec": 5242880, "predictedMs": 120, "frozenMs": 0 } ] }
 *
 * Two of them that were zeroed before they were filled in can be compared by memcmp().
 */
#ifndef KHO_API_PROGRESS_H
#define KHO_API_PROGRESS_H

#include <stdint.h>
#include <systemd/sd-json.h>

#define KHO_PROGRESS_WORKLOADS	32u
#define KHO_PROGRESS_NAME	32u
#define KHO_PROGRESS_WORD	16u

struct kho_progress_workload {
	char name[KHO_PROGRESS_NAME];
	char state[KHO_PROGRESS_WORD];	/* here, copying, sampled, frozen, runs there, ... */
	uint32_t rounds;
	uint64_t bytes;			/* of memory, that went over in all rounds */
	uint64_t dirty_per_sec;		/* bytes that it writes to; 0: not known yet */
	uint64_t predicted_ms;		/* of the blackout; 0: likewise */
	uint64_t frozen_ms;		/* as measured; 0: it wasn't, or is yet */
};

struct kho_progress {
	char state[KHO_PROGRESS_WORD];	/* "": nothing was moved. Of enum kho_move_state */
	char phase[KHO_PROGRESS_WORD];	/* of the step */
	char step[KHO_PROGRESS_WORD];
	unsigned int nr;
	struct kho_progress_workload workloads[KHO_PROGRESS_WORKLOADS];
};

/* *@ret is a reference. -ENOMEM. */
int kho_progress_json(const struct kho_progress *progress, sd_json_variant **ret);

/* What's missing is left out, what's too long is cut. */
void kho_progress_parse(sd_json_variant *v, struct kho_progress *ret);

/* A text of an object, printable and cut to fit; "" if it isn't there. */
void kho_progress_text(sd_json_variant *object, const char *name, char *ret, size_t size);
uint64_t kho_progress_number(sd_json_variant *object, const char *name);

#endif
