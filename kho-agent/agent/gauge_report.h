/* SPDX-License-Identifier: GPL-2.0-only */
/* What was measured, for the report of a move: docs/report.md has the keys. Pure. */
#ifndef KHO_AGENT_GAUGE_REPORT_H
#define KHO_AGENT_GAUGE_REPORT_H

#include <systemd/sd-json.h>

#include "bpf/measured.h"

/* CPU time since the move began; ns. */
struct kho_measured_cpu {
	uint64_t agent_ns, helpers_ns;
	uint64_t peer_agent_ns, peer_helpers_ns;	/* 0: not known */
};

/* An address in both kernels; a reason is NULL where there's something to tell. */
struct kho_measured_address {
	const char *name, *address;
	struct kho_tcp_seen old, new;
	const char *why_not_old, *why_not_new;
};

/* Each gives a reference, or returns a negative errno of sd-json's. */
int kho_measured_to_json(const struct kho_measured *measured, sd_json_variant **ret);
int kho_measured_address_to_json(const struct kho_measured_address *address,
				 sd_json_variant **ret);
int kho_measured_cpu_to_json(const struct kho_measured_cpu *cpu, sd_json_variant **ret);

#endif
