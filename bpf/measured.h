/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was measured of a workload in a move: what the probes of both kernels saw, on one
 * clock.
 *
 *	kernel A: struct kho_seen --+-- by A's clock sample --> sighting \
 *	                                                                  join --> measured
 *	kernel B: struct kho_seen --+-- by B's clock sample --> sighting /
 *	                                (goes over the channel)
 *
 * Each kernel stamps by its own monotonic clock. A sample of that clock beside the TSC,
 * which both read alike, makes a sighting of it: times in ticks of the TSC. What a
 * difference between two of them is worth is what the two samples' windows are: a
 * microsecond on real hardware.
 *
 * Plain structs that own nothing and point nowhere. Pure.
 */
#ifndef KHO_BPF_MEASURED_H
#define KHO_BPF_MEASURED_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/probes.h"
#include "system/clock.h"

/* By one kernel. Ticks of the TSC; 0: not seen. */
struct kho_sighting {
	uint64_t last_run, first_run;	/* a CPU left the last, took up the first of its tasks */
	uint64_t first_call;		/* system call */
	uint64_t last_packet, first_packet;	/* with data, to another host */
	struct kho_faults_seen faults;
	uint64_t dropped;		/* events that there was no room for */
	char why[_KHO_PROBE_MAX][KHO_PROBE_WHY];	/* not measured; "": it was */
};

/* A time that was measured, or wasn't: ns, or why not. */
struct kho_interval {
	bool known;
	uint64_t ns;
	char why[KHO_PROBE_WHY];
};

enum kho_interval_kind {
	KHO_INTERVAL_FROZEN = 0,		/* the last instruction there to the first one here */
	KHO_INTERVAL_SILENT,		/* the last packet there to the first one here */
	KHO_INTERVAL_CALL,		/* the first instruction to the first system call */
	KHO_INTERVAL_PACKET,		/* the first instruction to the first packet */
	_KHO_INTERVAL_MAX,
};

struct kho_measured {
	struct kho_interval intervals[_KHO_INTERVAL_MAX];
	bool has_faults;
	struct kho_faults_seen faults;
	char why_no_faults[KHO_PROBE_WHY];
	uint64_t dropped;
};

/* "frozen", "silent", "first_syscall", "first_packet": as in reports. */
const char *kho_interval_name(enum kho_interval_kind kind);

/* -EINVAL, -ERANGE as of kho_clock_tsc_at(): the sample isn't of the kernel that saw it. */
int kho_sighting_make(const struct kho_seen *seen, const struct kho_clock_sample *sample,
		      uint32_t tsc_khz, struct kho_sighting *ret, struct kho_err *err);

/* Nothing is known, for one reason. */
void kho_sighting_none(struct kho_sighting *ret, const char *why);

/*
 * @left saw it leave, @came saw it come. What is out of order, or longer than a day, isn't
 * believed: a sighting may be of another kernel's agent.
 */
void kho_measured_join(const struct kho_sighting *left, const struct kho_sighting *came,
		       uint32_t tsc_khz, struct kho_measured *ret);

#endif
