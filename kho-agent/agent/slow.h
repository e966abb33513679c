/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside the agent: a workload that is slowed down while its memory is copied
 * (NoConvergence=throttle). It's let go as soon as it's frozen: CRIU works from inside
 * of its tasks, and would be slowed down as well.
 */
#ifndef KHO_AGENT_SLOW_H
#define KHO_AGENT_SLOW_H

#include "agent/departure.h"

/* Of a round that begins, and one that's over. Unknown if the cgroup doesn't tell. */
void kho_slow_begin_round(struct kho_departure *departure);
uint64_t kho_slow_round_cpu_ns(const struct kho_departure *departure);

/* One step more, as migrate/pages/rounds.h says. */
int kho_slow_down(struct kho_departure *departure, struct kho_err *err);

/* It runs as it did before. */
void kho_slow_end(struct kho_departure *departure);

/* Workloads that an agent has left so. */
void kho_slow_end_all(struct kho_agent *agent);

#endif
