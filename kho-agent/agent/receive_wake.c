// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers of an address that was off the network, or had no kernel at all: they are told to repeat
 * now what they've sent meanwhile (wake.h). Where packets were held for them instead, nobody waits.
 *
 * Who they are is in the images that their workloads were restored from.
 */
#include <errno.h>
#include <stdlib.h>

#include "agent/anchor.h"
#include "agent/arrival.h"
#include "base/cleanup.h"
#include "migrate/criu/connections.h"

static bool was_silent(const struct kho_anchor *a)
{
	return a->later || a->receiver->answered;
}

static bool is_at(const struct kho_anchor *a, const struct kho_connection *connection)
{
	for (size_t i = 0; i < a->count; i++)
		if (kho_address_equal(&a->services[i].address, &connection->local))
			return true;
	return false;
}

static int add_peers(struct kho_anchor *a, const struct kho_connection *list, size_t nr,
		     struct kho_err *err)
{
	struct kho_connection *more;

	more = reallocarray(a->peers, a->nr_peers + nr + 1, sizeof(*more));
	if (!more)
		return kho_fail(err, -ENOMEM, "no memory for peers that wait");
	a->peers = more;
	for (size_t i = 0; i < nr; i++)
		if (is_at(a, &list[i]))
			more[a->nr_peers++] = list[i];
	return 0;
}

void kho_anchor_find_peers(struct kho_anchor *a)
{
	struct kho_receiver *receiver = a->receiver;

	a->nr_peers = 0;
	if (!was_silent(a))
		return;
	for (size_t i = 0; i < KHO_MOVE_ITEMS; i++) {
		const struct kho_arrival *from = receiver->arrivals[i];
		_cleanup_free_ struct kho_connection *list = NULL;
		struct kho_err err = {};
		size_t nr = 0;
		int r;

		if (!from || from->state < ARRIVAL_RUNS || from->state == ARRIVAL_FAILED)
			continue;
		r = kho_tcp_connections(from->dir, &list, &nr, &err);
		if (r >= 0)
			r = add_peers(a, list, nr, &err);
		/* they repeat it by themselves, later */
		if (r < 0)
			kho_agent_progress(receiver->agent, "peers of %s aren't woken: %s", from->name,
					   err.msg);
	}
}

void kho_anchor_wake_peers(struct kho_anchor *a)
{
	struct kho_err err = {};

	if (a->nr_peers && kho_wake(a->peers, a->nr_peers, &err) < 0)
		kho_agent_progress(a->receiver->agent, "%s", err.msg);
}
