// SPDX-License-Identifier: GPL-2.0-only
/* A sighting as a message; gauge_message.h has the idea. */
#include <stdio.h>
#include <string.h>

#include "agent/gauge_message.h"
#include "channel/hello.h"

static void fill_times(Kho__MoveSeen *seen, const struct kho_sighting *s)
{
	seen->has_first_run_tsc = s->first_run != 0;
	seen->first_run_tsc = s->first_run;
	seen->has_first_call_tsc = s->first_call != 0;
	seen->first_call_tsc = s->first_call;
	seen->has_first_packet_tsc = s->first_packet != 0;
	seen->first_packet_tsc = s->first_packet;
	seen->has_dropped = true;
	seen->dropped = s->dropped;
}

static void fill_faults(struct kho_seen_message *message, const struct kho_faults_seen *faults)
{
	Kho__SeenFaults *f = &message->faults;

	kho__seen_faults__init(f);
	f->has_count = f->has_total_ns = f->has_max_ns = true;
	f->count = faults->count;
	f->total_ns = faults->total_ns;
	f->max_ns = faults->max_ns;
	for (unsigned int i = 0; i < KHO_FAULTS_SLOTS; i++) {
		message->slots[i] = faults->slots[i];
		if (faults->slots[i])
			f->n_slots = i + 1;
	}
	f->slots = message->slots;
	message->seen.faults = f;
}

static void fill_reasons(struct kho_seen_message *message, const struct kho_sighting *s)
{
	Kho__MoveSeen *seen = &message->seen;

	for (unsigned int probe = 0; probe < _KHO_PROBE_MAX; probe++) {
		Kho__NotSeen *not_seen = &message->not_seen[seen->n_not_seen];

		if (!*s->why[probe])
			continue;
		kho__not_seen__init(not_seen);
		not_seen->has_probe = true;
		not_seen->probe = probe;
		memcpy(message->why[probe], s->why[probe], KHO_PROBE_WHY);
		not_seen->why = message->why[probe];
		message->not_seen_list[seen->n_not_seen++] = not_seen;
	}
	seen->not_seen = message->not_seen_list;
}

void kho_seen_message_fill(struct kho_seen_message *message, const struct kho_sighting *s)
{
	kho__move_seen__init(&message->seen);
	fill_times(&message->seen, s);
	if (!*s->why[KHO_PROBE_FAULTS])
		fill_faults(message, &s->faults);
	fill_reasons(message, s);
	message->seen.tcp = message->tcp_list;
}

bool kho_seen_message_add(struct kho_seen_message *message, const struct kho_tcp_sighting *tcp)
{
	size_t i = message->seen.n_tcp;
	Kho__SeenTcp *t = &message->tcp[i];

	if (i == KHO_TCP_ADDRESSES)
		return false;
	kho__seen_tcp__init(t);
	message->addresses[i] = tcp->address;
	t->has_address = true;
	t->address.data = message->addresses[i].bytes;
	t->address.len = sizeof(message->addresses[i].bytes);
	t->has_retransmits = t->has_resets_sent = t->has_resets_received = true;
	t->has_zero_windows = t->has_window_probes = true;
	t->retransmits = tcp->seen.retransmits;
	t->resets_sent = tcp->seen.resets_sent;
	t->resets_received = tcp->seen.resets_received;
	t->zero_windows = tcp->seen.zero_windows;
	t->window_probes = tcp->seen.window_probes;
	message->tcp_list[i] = t;
	message->seen.n_tcp++;
	return true;
}

/* ---- reading ---- */

static void set_why(struct kho_sighting *s, unsigned int probe, const char *text)
{
	kho_text_clean(s->why[probe], KHO_PROBE_WHY, *text ? text : "no reason was given");
}

static void read_faults(const Kho__SeenFaults *faults, struct kho_sighting *ret)
{
	if (!faults || !faults->has_count || !faults->has_total_ns || !faults->has_max_ns ||
	    faults->n_slots > KHO_FAULTS_SLOTS) {
		set_why(ret, KHO_PROBE_FAULTS, "the other agent didn't tell");
		return;
	}
	ret->faults = (struct kho_faults_seen){
		.count = faults->count,
		.total_ns = faults->total_ns,
		.max_ns = faults->max_ns,
	};
	for (size_t i = 0; i < faults->n_slots; i++)
		ret->faults.slots[i] = faults->slots[i];
}

void kho_seen_message_read(const Kho__MoveSeen *seen, struct kho_sighting *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->first_run = seen->has_first_run_tsc ? seen->first_run_tsc : 0;
	ret->first_call = seen->has_first_call_tsc ? seen->first_call_tsc : 0;
	ret->first_packet = seen->has_first_packet_tsc ? seen->first_packet_tsc : 0;
	ret->dropped = seen->has_dropped ? seen->dropped : 0;
	read_faults(seen->faults, ret);
	for (size_t i = 0; i < seen->n_not_seen; i++) {
		const Kho__NotSeen *not_seen = seen->not_seen[i];

		if (not_seen->has_probe && not_seen->probe < _KHO_PROBE_MAX)
			set_why(ret, not_seen->probe, not_seen->why ?: "");
	}
}

bool kho_seen_message_read_tcp(const Kho__MoveSeen *seen, size_t i, struct kho_tcp_sighting *ret)
{
	const Kho__SeenTcp *t = seen->tcp[i];

	if (!t->has_address || t->address.len != sizeof(ret->address.bytes))
		return false;
	memcpy(ret->address.bytes, t->address.data, sizeof(ret->address.bytes));
	ret->seen = (struct kho_tcp_seen){
		.retransmits = t->has_retransmits ? t->retransmits : 0,
		.resets_sent = t->has_resets_sent ? t->resets_sent : 0,
		.resets_received = t->has_resets_received ? t->resets_received : 0,
		.zero_windows = t->has_zero_windows ? t->zero_windows : 0,
		.window_probes = t->has_window_probes ? t->window_probes : 0,
	};
	return true;
}
