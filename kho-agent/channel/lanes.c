// SPDX-License-Identifier: GPL-2.0-only
/*
 * The channel's lanes: their memory, waking the peer, and how long to sleep.
 *
 * Idle costs next to nothing: with a doorbell this side wakes for heartbeats
 * only; without one it looks every poll_max_ns. Busy costs no doorbell: who is
 * awake has not armed, and is not rung.
 */
#include <errno.h>

#include "channel/channel_private.h"

struct arena {
	void *base;
	size_t size;
	enum kho_ring_side side;
	const char *name;
};

static void arenas_of(const struct kho_channel_lanes *lanes, struct arena ret[NR_LANES])
{
	const size_t control = lanes->control_size, bulk = lanes->bulk_size;

	ret[CONTROL_OUT] = (struct arena){ lanes->control_out, control, KHO_RING_PRODUCER,
					   "control lane out" };
	ret[CONTROL_IN] = (struct arena){ lanes->control_in, control, KHO_RING_CONSUMER,
					  "control lane in" };
	ret[BULK_OUT] = (struct arena){ lanes->bulk_out, bulk, KHO_RING_PRODUCER, "bulk lane out" };
	ret[BULK_IN] = (struct arena){ lanes->bulk_in, bulk, KHO_RING_CONSUMER, "bulk lane in" };
}

static int check_sizes(const struct kho_channel_lanes *lanes, struct kho_err *err)
{
	if (kho_ring_capacity(lanes->control_size) < KHO_FRAME_SIZE_MAX + LINK_RESERVE)
		return kho_fail(err, -EINVAL,
				"channel: control lanes of %zu bytes can't hold a frame of %u; "
				"make them larger",
				lanes->control_size, KHO_FRAME_SIZE_MAX + LINK_RESERVE);
	if (kho_ring_capacity(lanes->bulk_size) < KHO_BULK_LANE_MIN)
		return kho_fail(err, -EINVAL,
				"channel: bulk lanes of %zu bytes are too small; "
				"they take %u and a header",
				lanes->bulk_size, KHO_BULK_LANE_MIN);
	return 0;
}

int kho_channel_format(const struct kho_channel_lanes *lanes, struct kho_err *err)
{
	struct arena arenas[NR_LANES];
	int r;

	r = check_sizes(lanes, err);
	if (r < 0)
		return r;
	arenas_of(lanes, arenas);
	for (int i = 0; i < NR_LANES; i++) {
		r = kho_ring_format(arenas[i].base, arenas[i].size, err);
		if (r < 0)
			return kho_wrap(err, r, "%s", arenas[i].name);
	}
	return 0;
}

int kho_lanes_attach(struct kho_channel *ch, const struct kho_channel_lanes *lanes,
		     struct kho_err *err)
{
	struct arena arenas[NR_LANES];
	int r;

	r = check_sizes(lanes, err);
	if (r < 0)
		return r;
	arenas_of(lanes, arenas);
	for (int i = 0; i < NR_LANES; i++) {
		r = kho_ring_attach(&ch->lanes[i].ring, arenas[i].base, arenas[i].size,
				    arenas[i].side, err);
		if (r < 0)
			return kho_wrap(err, r, "%s", arenas[i].name);
		ch->lanes[i].kicked = ch->lanes[i].ring.own;
	}
	return kho_bulk_reader_init(&ch->bulk_reader, &ch->lanes[BULK_IN].ring, err);
}

int kho_lanes_check(struct kho_channel *ch, struct kho_err *err)
{
	for (int i = 0; i < NR_LANES; i++)
		if (kho_ring_ready(&ch->lanes[i].ring) < 0)
			return kho_fail(err, -EBADMSG,
					"channel: the peer wrote garbage into an index; "
					"fence and respawn it");
	if (ch->bulk_reader.error)
		return kho_fail(err, -EBADMSG,
				"channel: the peer wrote garbage into its bulk lane; "
				"fence and respawn it");
	return 0;
}

void kho_lanes_disarm(struct kho_channel *ch)
{
	for (int i = 0; i < NR_LANES; i++)
		kho_ring_disarm(&ch->lanes[i].ring);
}

void kho_channel_kick(struct kho_channel *ch)
{
	bool wake = false;

	for (int i = 0; i < NR_LANES; i++) {
		struct lane *lane = &ch->lanes[i];

		if (lane->kicked == lane->ring.own)
			continue;
		lane->kicked = lane->ring.own;
		wake |= kho_ring_must_wake(&lane->ring);
	}
	if (!wake || !ch->ops->ring)
		return;
	ch->stats.rings++;
	if (ch->ops->ring(ch->ctx) < 0)
		ch->stats.ring_failures++;
}

void kho_lanes_note(struct kho_channel *ch, int messages, uint64_t now)
{
	uint64_t moved = ch->lanes[BULK_OUT].ring.own + ch->lanes[BULK_IN].ring.own;

	if (messages <= 0 && moved == ch->bulk_moved)
		return;
	ch->bulk_moved = moved;
	ch->active = now;
}

void kho_channel_watch_bulk(struct kho_channel *ch, bool readable, bool writable)
{
	ch->watch_in = readable;
	ch->watch_out = writable;
}

void kho_channel_set_doorbell(struct kho_channel *ch, bool doorbell)
{
	ch->doorbell = doorbell;
}

/* Whether @need bytes (0: no matter) are missing, so that this side may sleep. */
static bool lacks(struct kho_channel *ch, enum lane_index index, uint64_t need)
{
	struct kho_ring *ring = &ch->lanes[index].ring;
	ssize_t ready;

	if (need == 0)
		return true;
	if (ch->doorbell)
		return kho_ring_arm(ring, need) == 1;
	ready = kho_ring_ready(ring);
	return ready >= 0 && (uint64_t)ready < need;
}

/* True if there's nothing to do; with a doorbell the peer wakes us when there is. */
static bool may_sleep(struct kho_channel *ch)
{
	uint64_t room = kho_bulk_good_room(&ch->lanes[BULK_OUT].ring);

	return lacks(ch, CONTROL_IN, 1) &&
	       lacks(ch, CONTROL_OUT, ch->pending ? 0 : ch->blocked) &&
	       lacks(ch, BULK_IN, ch->watch_in ? 1 : 0) &&
	       lacks(ch, BULK_OUT, ch->watch_out ? room : 0);
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
	if (value < low)
		return low;
	return value > high ? high : value;
}

int kho_channel_wait(struct kho_channel *ch, uint64_t now, uint64_t *ret_deadline)
{
	uint64_t deadline = kho_link_deadline(&ch->link);
	uint64_t idle, poll;

	kho_channel_kick(ch);
	if (ch->link.state == KHO_LINK_DOWN || kho_link_is_over(&ch->link)) {
		*ret_deadline = KHO_LINK_NEVER;
		return 0;
	}
	kho_lanes_note(ch, 0, now);
	idle = now > ch->active ? now - ch->active : 0;
	if (ch->more || deadline <= now || idle < ch->spin_ns)
		return 1;
	if (!may_sleep(ch)) {
		kho_lanes_disarm(ch);
		return 1;
	}
	poll = now + clamp(idle / 8, ch->poll_min_ns, ch->poll_max_ns);
	/*
	 * Before the hellos have passed, nobody knows whether the doorbell works.
	 * What found no room asks for none: it is tried again soon.
	 */
	if ((!ch->doorbell || ch->pending || !kho_link_is_up(&ch->link)) && poll < deadline)
		deadline = poll;
	*ret_deadline = deadline;
	return 0;
}

uint64_t kho_channel_next_deadline(const struct kho_channel *ch)
{
	return kho_link_deadline(&ch->link);
}
