/* SPDX-License-Identifier: GPL-2.0-only */
/* A sighting as a message: what one agent's probes saw, told the other. Pure. */
#ifndef KHO_AGENT_GAUGE_MESSAGE_H
#define KHO_AGENT_GAUGE_MESSAGE_H

#include "bpf/measured.h"
#include "channel.pb-c.h"

/* Trouble on one address. */
struct kho_tcp_sighting {
	struct kho_tcp_address address;
	struct kho_tcp_seen seen;
};

/* The message and all that it points to, in one piece of memory. */
struct kho_seen_message {
	Kho__MoveSeen seen;
	Kho__SeenFaults faults;
	uint64_t slots[KHO_FAULTS_SLOTS];
	Kho__NotSeen not_seen[_KHO_PROBE_MAX], *not_seen_list[_KHO_PROBE_MAX];
	char why[_KHO_PROBE_MAX][KHO_PROBE_WHY];
	Kho__SeenTcp tcp[KHO_TCP_ADDRESSES], *tcp_list[KHO_TCP_ADDRESSES];
	struct kho_tcp_address addresses[KHO_TCP_ADDRESSES];
};

/* Only what the side that workloads come to can see. Times that are 0 are left out. */
void kho_seen_message_fill(struct kho_seen_message *message, const struct kho_sighting *sighting);

/* One more address; false: there's no room. */
bool kho_seen_message_add(struct kho_seen_message *message, const struct kho_tcp_sighting *tcp);

/* Whatever a peer sends: what makes no sense is left out, texts are made printable. */
void kho_seen_message_read(const Kho__MoveSeen *seen, struct kho_sighting *ret);

/* False: the @i-th address makes no sense. */
bool kho_seen_message_read_tcp(const Kho__MoveSeen *seen, size_t i, struct kho_tcp_sighting *ret);

#endif
