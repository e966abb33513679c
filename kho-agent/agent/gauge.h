/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What's measured of a move by probes in the kernel (bpf/), in the agent: when they're
 * attached, told how far a workload has come, read and dropped. docs/measuring.md has what
 * the results mean.
 *
 *	side that they leave			side that they come to
 *
 *	prepare	loaded, attached		prepare	loaded, attached
 *						kho-restore is there: its cgroup is watched
 *	freeze	frozen: mark
 *						restore	coming: mark
 *						resume	resumed: mark
 *		<------------------------------	settle	read; goes with the answer
 *	over	read, joined, reported, dropped		dropped with the last workload
 *
 * Nothing here can fail a move: what can't be measured has its reason instead.
 */
#ifndef KHO_AGENT_GAUGE_H
#define KHO_AGENT_GAUGE_H

#include "agent/arrival.h"
#include "agent/departure.h"
#include "agent/gauge_message.h"
#include "agent/gauge_report.h"
#include "bpf/measured.h"

struct kho_gauge;

/* ---- the side that they leave ---- */

/* Once it's known what moves. */
void kho_gauge_leaving(struct kho_mover *mover);

/* All its tasks stand still. */
void kho_gauge_frozen(const struct kho_departure *departure);

/* The other side's sightings of it; NULL: it sent none. */
void kho_gauge_note(struct kho_departure *departure, const Kho__MoveSeen *seen);

/* What both saw of it. */
void kho_gauge_of(const struct kho_departure *departure, struct kho_measured *ret);

/* CPU time of both sides' agents, and of programs they ran. */
void kho_gauge_cpu(const struct kho_mover *mover, struct kho_measured_cpu *ret);

/* In both kernels: ret->address ("10.0.0.1/24") is given, what was seen is filled in. */
void kho_gauge_address(const struct kho_mover *mover, struct kho_measured_address *ret);

/* ---- the side that they come to ---- */

/* Each once at least; may be asked for again. */
void kho_gauge_coming(struct kho_receiver *receiver);
void kho_gauge_watch_address(struct kho_receiver *receiver, const char *address);

/* kho-restore of its unit is there, at the other end of a->conn. */
void kho_gauge_arrived(const struct kho_arrival *arrival);
void kho_gauge_mark(const struct kho_arrival *arrival, enum kho_watch_phase phase);

/* What was seen of it so far; NULL: nothing, or no memory. Valid until the next call. */
Kho__MoveSeen *kho_gauge_seen(const struct kho_arrival *arrival);

/* Ends what is measured here once no workload is on its way any more: settled, or undone. */
void kho_gauge_release(struct kho_receiver *receiver);

/* NULL is fine; returns NULL. */
struct kho_gauge *kho_gauge_free(struct kho_gauge *gauge);

#endif
