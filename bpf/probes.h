/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All probes of one kernel, for the time of one move.
 *
 *	kho_probes_new()	loaded; they see nothing yet
 *	kho_probes_watch()	once for each workload and address; before or after
 *	kho_probes_attach()	from here on they cost something
 *	kho_probes_mark()	how far a workload has come (watch.h)
 *	kho_probes_read()
 *	kho_probes_free()	nothing of them is left in the kernel
 *
 * A probe that fails, whenever that is, is dropped, and the reason kept: what it would have
 * measured isn't known from then on, and no other probe, nor any move, fails with it. So
 * most calls here can't fail.
 */
#ifndef KHO_BPF_PROBES_H
#define KHO_BPF_PROBES_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/faults.h"
#include "bpf/frozen.h"
#include "bpf/load.h"
#include "bpf/silent.h"
#include "bpf/tcp.h"
#include "bpf/watch.h"

#define KHO_PROBE_WHY	200u		/* bytes of a reason, with terminator */

/* Their numbers go over the channel (MoveSeen): none is ever given anew. */
enum kho_probe {
	KHO_PROBE_FROZEN = 0,
	KHO_PROBE_SILENT,
	KHO_PROBE_FAULTS,
	KHO_PROBE_TCP,
	_KHO_PROBE_MAX,
};

enum kho_probe_side {
	KHO_PROBE_LEAVES,		/* workloads leave this kernel */
	KHO_PROBE_COMES,		/* or come to it */
};

/* What was seen of a workload; a part whose reason isn't "" is all 0. */
struct kho_seen {
	struct kho_frozen_seen frozen;
	struct kho_silent_seen silent;
	struct kho_faults_seen faults;
	char why[_KHO_PROBE_MAX][KHO_PROBE_WHY];
};

struct kho_probes;

const char *kho_probe_name(enum kho_probe probe);

/* -ENOMEM. */
int kho_probes_new(const struct kho_bpf *bpf, enum kho_probe_side side, struct kho_probes **ret,
		   struct kho_err *err);
void kho_probes_attach(struct kho_probes *probes);

/* @cgroup: its folder, or one that it's in. */
void kho_probes_watch(struct kho_probes *probes, uint32_t workload, const char *cgroup);
void kho_probes_watch_address(struct kho_probes *probes, const struct kho_tcp_address *address);

void kho_probes_mark(struct kho_probes *probes, uint32_t workload, enum kho_watch_phase phase);

void kho_probes_read(struct kho_probes *probes, uint32_t workload, struct kho_seen *ret);

/* False: it isn't known; kho_probes_why() says why. */
bool kho_probes_read_address(struct kho_probes *probes, const struct kho_tcp_address *address,
			     struct kho_tcp_seen *ret);

/* NULL: it measures. */
const char *kho_probes_why(const struct kho_probes *probes, enum kho_probe probe);

/* NULL is fine; returns NULL. */
struct kho_probes *kho_probes_free(struct kho_probes *probes);

/* "10.0.0.1", "10.0.0.1/24" or IPv6 likewise. -EINVAL: it's neither. */
int kho_tcp_address_parse(const char *text, struct kho_tcp_address *ret, struct kho_err *err);

#endif
