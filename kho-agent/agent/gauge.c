// SPDX-License-Identifier: GPL-2.0-only
/* Probes in a move; gauge.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "agent/gauge.h"
#include "migrate/workload/cgroup.h"

#define SAMPLES		16u	/* of the clock: while nothing else is done for a workload */
#define NS_PER_SEC	1000000000ull
#define NS_PER_USEC	1000ull

struct kho_gauge {
	struct kho_agent *agent;
	struct kho_probes *probes;
	struct kho_clock_sample samples[KHO_MOVE_ITEMS];
	uint32_t sampled;			/* bit for bit */
	/* side that they leave: what the other one has told */
	struct kho_sighting there[KHO_MOVE_ITEMS];
	struct kho_tcp_sighting tcp_there[KHO_TCP_ADDRESSES];
	unsigned int nr_tcp_there;
	char why_no_tcp_there[KHO_PROBE_WHY];
	/* side that they come to: addresses that are watched */
	struct kho_tcp_address addresses[KHO_TCP_ADDRESSES];
	unsigned int nr_addresses;
	struct kho_seen_message message;
	struct kho_measured_cpu began, peer;
};

/* ---- both sides ---- */

static uint64_t cpu_ns(int who)
{
	struct rusage usage;

	if (getrusage(who, &usage) < 0)
		return 0;
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_SEC +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * NS_PER_USEC;
}

static void tell_missing(const struct kho_gauge *gauge, enum kho_probe_side side)
{
	for (unsigned int probe = 0; probe < _KHO_PROBE_MAX; probe++) {
		const char *why = kho_probes_why(gauge->probes, probe);

		if (why && (side == KHO_PROBE_COMES || probe != KHO_PROBE_FAULTS))
			kho_agent_progress(gauge->agent, "not measured: %s: %s",
					   kho_probe_name(probe), why);
	}
}

static struct kho_gauge *gauge_new(struct kho_agent *agent, enum kho_probe_side side)
{
	const struct kho_bpf host = kho_bpf_host();
	struct kho_gauge *gauge = calloc(1, sizeof(*gauge));
	struct kho_err err;

	if (!gauge || kho_probes_new(&host, side, &gauge->probes, &err) < 0) {
		free(gauge);
		return NULL;
	}
	gauge->agent = agent;
	gauge->began.agent_ns = cpu_ns(RUSAGE_SELF);
	gauge->began.helpers_ns = cpu_ns(RUSAGE_CHILDREN);
	for (unsigned int i = 0; i < KHO_MOVE_ITEMS; i++)
		kho_sighting_none(&gauge->there[i], "the other agent told nothing");
	snprintf(gauge->why_no_tcp_there, KHO_PROBE_WHY, "the other agent told nothing");
	return gauge;
}

static void attach(struct kho_gauge *gauge, enum kho_probe_side side)
{
	kho_probes_attach(gauge->probes);
	tell_missing(gauge, side);
}

struct kho_gauge *kho_gauge_free(struct kho_gauge *gauge)
{
	if (gauge)
		kho_probes_free(gauge->probes);
	free(gauge);
	return NULL;
}

/* Near to what was seen: clocks of two kernels are drawn to the right time apart. */
static void sample_clock(struct kho_gauge *gauge, uint32_t item)
{
	if (kho_clock_sample(&gauge->agent->clock, SAMPLES, &gauge->samples[item], NULL) >= 0)
		gauge->sampled |= 1u << item;
}

static void make_sighting(struct kho_gauge *gauge, uint32_t item, struct kho_sighting *ret)
{
	struct kho_seen seen;
	struct kho_err err;

	kho_probes_read(gauge->probes, item, &seen);
	if (!(gauge->sampled & 1u << item))
		kho_sighting_none(ret, "it didn't come so far");
	else if (kho_sighting_make(&seen, &gauge->samples[item], gauge->agent->info.tsc_khz, ret,
				   &err) < 0)
		kho_sighting_none(ret, err.msg);
}

/* ---- the side that they leave ---- */

void kho_gauge_leaving(struct kho_mover *mover)
{
	const struct kho_config *config = mover->config;
	struct kho_tcp_address address;

	if (mover->gauge || mover->trial)
		return;
	mover->gauge = gauge_new(mover->agent, KHO_PROBE_LEAVES);
	if (!mover->gauge)
		return;
	for (unsigned int i = 0; i < config->nr_workloads; i++)
		if (mover->departures[i])
			kho_probes_watch(mover->gauge->probes, i,
					 mover->departures[i]->unit.cgroup);
	for (unsigned int i = 0; i < config->nr_addresses; i++)
		for (unsigned int j = 0; j < config->addresses[i].nr_addresses; j++)
			if (kho_tcp_address_parse(config->addresses[i].addresses[j], &address,
						  NULL) >= 0)
				kho_probes_watch_address(mover->gauge->probes, &address);
	attach(mover->gauge, KHO_PROBE_LEAVES);
}

void kho_gauge_frozen(const struct kho_departure *d)
{
	struct kho_gauge *gauge = d->mover->gauge;

	if (!gauge)
		return;
	kho_probes_mark(gauge->probes, d->item, KHO_WATCH_FROZEN);
	sample_clock(gauge, d->item);
}

void kho_gauge_note(struct kho_departure *d, const Kho__MoveSeen *seen)
{
	struct kho_gauge *gauge = d->mover->gauge;

	if (!gauge || !seen)
		return;
	kho_seen_message_read(seen, &gauge->there[d->item]);
	snprintf(gauge->why_no_tcp_there, KHO_PROBE_WHY, "%s",
		 gauge->there[d->item].why[KHO_PROBE_TCP]);
	gauge->nr_tcp_there = 0;
	for (size_t i = 0; i < seen->n_tcp && gauge->nr_tcp_there < KHO_TCP_ADDRESSES; i++)
		if (kho_seen_message_read_tcp(seen, i, &gauge->tcp_there[gauge->nr_tcp_there]))
			gauge->nr_tcp_there++;
	gauge->peer.peer_agent_ns = seen->has_agent_cpu_ns ? seen->agent_cpu_ns : 0;
	gauge->peer.peer_helpers_ns = seen->has_helpers_cpu_ns ? seen->helpers_cpu_ns : 0;
}

void kho_gauge_of(const struct kho_departure *d, struct kho_measured *ret)
{
	struct kho_gauge *gauge = d->mover->gauge;
	struct kho_sighting here, there;

	if (gauge) {
		make_sighting(gauge, d->item, &here);
		kho_measured_join(&here, &gauge->there[d->item], gauge->agent->info.tsc_khz, ret);
		return;
	}
	kho_sighting_none(&here, "the agent was started again in the move");
	kho_sighting_none(&there, "the agent that it would have told was started again");
	kho_measured_join(&here, &there, 0, ret);
}

void kho_gauge_cpu(const struct kho_mover *mover, struct kho_measured_cpu *ret)
{
	*ret = (struct kho_measured_cpu){};
	if (!mover->gauge)
		return;
	*ret = mover->gauge->peer;
	ret->agent_ns = cpu_ns(RUSAGE_SELF) - mover->gauge->began.agent_ns;
	ret->helpers_ns = cpu_ns(RUSAGE_CHILDREN) - mover->gauge->began.helpers_ns;
}

/* NULL: it was seen here. */
static const char *read_here(struct kho_gauge *gauge, const struct kho_tcp_address *address,
			     struct kho_tcp_seen *ret)
{
	if (kho_probes_read_address(gauge->probes, address, ret))
		return NULL;
	return kho_probes_why(gauge->probes, KHO_PROBE_TCP);
}

/* NULL: it was seen there. */
static const char *read_there(const struct kho_gauge *gauge,
			      const struct kho_tcp_address *address, struct kho_tcp_seen *ret)
{
	for (unsigned int i = 0; i < gauge->nr_tcp_there; i++)
		if (memcmp(&gauge->tcp_there[i].address, address, sizeof(*address)) == 0) {
			*ret = gauge->tcp_there[i].seen;
			return NULL;
		}
	return *gauge->why_no_tcp_there ? gauge->why_no_tcp_there :
					    "the other agent told nothing";
}

void kho_gauge_address(const struct kho_mover *mover, struct kho_measured_address *ret)
{
	struct kho_gauge *gauge = mover->gauge;
	struct kho_tcp_address address;

	ret->why_not_old = ret->why_not_new = "the agent was started again in the move";
	if (!gauge || kho_tcp_address_parse(ret->address, &address, NULL) < 0)
		return;
	ret->why_not_old = read_here(gauge, &address, &ret->old);
	ret->why_not_new = read_there(gauge, &address, &ret->new);
}

/* ---- the side that they come to ---- */

void kho_gauge_coming(struct kho_receiver *receiver)
{
	if (receiver->gauge)
		return;
	receiver->gauge = gauge_new(receiver->agent, KHO_PROBE_COMES);
	if (receiver->gauge)
		attach(receiver->gauge, KHO_PROBE_COMES);
}

void kho_gauge_watch_address(struct kho_receiver *receiver, const char *text)
{
	struct kho_gauge *gauge = receiver->gauge;
	struct kho_tcp_address address;

	if (!gauge || gauge->nr_addresses == KHO_TCP_ADDRESSES ||
	    kho_tcp_address_parse(text, &address, NULL) < 0)
		return;
	gauge->addresses[gauge->nr_addresses++] = address;
	kho_probes_watch_address(gauge->probes, &address);
}

void kho_gauge_arrived(const struct kho_arrival *a)
{
	struct kho_gauge *gauge = a->receiver->gauge;
	char cgroup[KHO_UNIT_PATH];
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (gauge && getsockopt(a->conn, SOL_SOCKET, SO_PEERCRED, &peer, &size) >= 0 &&
	    kho_cgroup_of(peer.pid, cgroup, sizeof(cgroup), NULL) >= 0)
		kho_probes_watch(gauge->probes, a->item, cgroup);
}

void kho_gauge_mark(const struct kho_arrival *a, enum kho_watch_phase phase)
{
	struct kho_gauge *gauge = a->receiver->gauge;

	if (!gauge)
		return;
	kho_probes_mark(gauge->probes, a->item, phase);
	if (phase == KHO_WATCH_RESUMED)
		sample_clock(gauge, a->item);
}

Kho__MoveSeen *kho_gauge_seen(const struct kho_arrival *a)
{
	struct kho_gauge *gauge = a->receiver->gauge;
	struct kho_sighting sighting;
	struct kho_seen_message *message;

	if (!gauge)
		return NULL;
	message = &gauge->message;
	make_sighting(gauge, a->item, &sighting);
	kho_seen_message_fill(message, &sighting);
	for (unsigned int i = 0; i < gauge->nr_addresses; i++) {
		struct kho_tcp_sighting tcp = { .address = gauge->addresses[i] };

		if (kho_probes_read_address(gauge->probes, &tcp.address, &tcp.seen))
			kho_seen_message_add(message, &tcp);
	}
	message->seen.has_agent_cpu_ns = message->seen.has_helpers_cpu_ns = true;
	message->seen.agent_cpu_ns = cpu_ns(RUSAGE_SELF) - gauge->began.agent_ns;
	message->seen.helpers_cpu_ns = cpu_ns(RUSAGE_CHILDREN) - gauge->began.helpers_ns;
	return &message->seen;
}

void kho_gauge_release(struct kho_receiver *receiver)
{
	for (unsigned int i = 0; i < KHO_MOVE_ITEMS; i++)
		if (receiver->arrivals[i] && !receiver->arrivals[i]->settled)
			return;
	receiver->gauge = kho_gauge_free(receiver->gauge);
}
