// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes a whole channel from the peer's side of the shared memory. The input is a
 * list of deeds: { u8 kind, u8 argument, u16 length, bytes }.
 *
 *	0  raw bytes into the control lane
 *	1  a frame with the bytes as payload; right CRC, seq by the argument
 *	2  raw bytes into the bulk lane
 *	3  a bulk chunk with the bytes as payload, right header
 *	4  8 bytes into one of the indices
 *	5  time passes
 *	6  the peer's kernel is in another state
 *	7  a proper hello and its acknowledgement, so that the link comes up
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "channel/channel.h"
#include "channel/frame.h"

#define CONTROL	(KHO_RING_HEADER_SIZE + (512u << 10))
#define BULK	(KHO_RING_HEADER_SIZE + (16u << 10))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

/* A channel's buffers are large: else each input would get pages never used before. */
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=1";
}

struct world {
	struct kho_channel_lanes lanes;
	struct kho_channel *ch;
	struct kho_ring control, bulk;	/* the peer's ends */
	uint64_t seq;
	uint64_t now;
	uint32_t status;
};

static void check(int condition)
{
	if (!condition)
		abort();
}

static uint32_t peer_status(void *ctx)
{
	return ((struct world *)ctx)->status;
}

static void message(void *ctx, const Kho__Envelope *envelope, uint64_t epoch)
{
	struct world *world = ctx;

	(void)epoch;
	check(kho_link_is_up(kho_channel_link(world->ch)));
	/* answers with what it got */
	if (envelope->body_case != KHO__ENVELOPE__BODY_HELLO)
		(void)kho_channel_send(world->ch, envelope, NULL);
}

static void event(void *ctx, const struct kho_link_event *link_event)
{
	(void)ctx;
	check(memchr(link_event->err.msg, 0, sizeof(link_event->err.msg)) ||
	      link_event->err.code == 0);
}

static struct kho_hello hello_of(enum kho_role role)
{
	struct kho_hello hello = {
		.protocol_min = 1, .protocol_max = 1, .role = role, .upgrade_id = "fuzz",
		.epoch = 1, .nonce = (uint64_t)role, .session = 1,
	};

	check(kho_features_add(&hello.features, KHO_FEATURE_BULK_CRC) == 0);
	return hello;
}

static void open_world(struct world *world)
{
	static const struct kho_channel_ops ops = {
		.peer_status = peer_status, .message = message, .event = event,
	};
	struct kho_channel_spec spec = {
		.link = {
			.heartbeat_ns = 100, .stall_ns = 300, .dead_ns = 0, .hello_ns = 0,
		},
		.ops = &ops, .ctx = world, .poll_min_ns = 1, .poll_max_ns = 1000,
	};
	static uint8_t memory[2 * CONTROL + 2 * BULK] __attribute__((aligned(64)));

	world->lanes = (struct kho_channel_lanes){
		.control_out = memory, .control_in = memory + CONTROL, .control_size = CONTROL,
		.bulk_out = memory + 2 * CONTROL, .bulk_in = memory + 2 * CONTROL + BULK,
		.bulk_size = BULK,
	};
	spec.lanes = world->lanes;
	spec.link.hello = hello_of(KHO_ROLE_OLD);
	spec.link.hello.session = 0;
	check(kho_channel_format(&world->lanes, NULL) == 0);
	check(kho_channel_open(&spec, &world->ch, NULL) == 0);
	check(kho_ring_attach(&world->control, world->lanes.control_in, CONTROL,
			      KHO_RING_PRODUCER, NULL) == 0);
	check(kho_ring_attach(&world->bulk, world->lanes.bulk_in, BULK, KHO_RING_PRODUCER,
			      NULL) == 0);
	kho_channel_start(world->ch, world->now);
}

static void send_frame(struct world *world, uint8_t how, const uint8_t *data, size_t size)
{
	struct kho_frame frame = {
		.flags = how & 1 ? KHO_FRAME_START : 0,
		.length = (uint32_t)size,
		.seq = how & 1 ? 0 : world->seq + (how & 2),
		.epoch = 1,
		.payload = data,
	};

	if (kho_frame_send(&world->control, &frame, NULL) == 0)
		world->seq = frame.seq + 1;
}

static void send_envelope(struct world *world, uint8_t how, const Kho__Envelope *envelope)
{
	uint8_t buf[8192];

	check(kho__envelope__get_packed_size(envelope) <= sizeof(buf));
	send_frame(world, how, buf, kho__envelope__pack(envelope, buf));
}

static void come_up(struct world *world, uint8_t nonce)
{
	struct kho_hello hello = hello_of(KHO_ROLE_NEW);
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__HelloAck ack = KHO__HELLO_ACK__INIT;
	struct kho_hello_message m;
	char *features[] = { (char *)(uintptr_t)KHO_FEATURE_BULK_CRC };

	hello.nonce = 10 + nonce % 4u;
	kho_hello_write(&hello, &m);
	envelope.body_case = KHO__ENVELOPE__BODY_HELLO;
	envelope.hello = &m.hello;
	send_envelope(world, 1, &envelope);
	kho_channel_process(world->ch, world->now);
	ack.has_nonce = ack.has_session = ack.has_protocol = true;
	ack.nonce = (uint64_t)KHO_ROLE_OLD;
	ack.session = kho_channel_link(world->ch)->config.hello.session;
	ack.protocol = 1;
	ack.features = features;
	ack.n_features = 1;
	envelope.body_case = KHO__ENVELOPE__BODY_HELLO_ACK;
	envelope.hello_ack = &ack;
	send_envelope(world, 0, &envelope);
}

static void write_index(struct world *world, uint8_t which, const uint8_t *data, size_t size)
{
	void *const arenas[] = {
		world->lanes.control_out, world->lanes.control_in, world->lanes.bulk_out,
		world->lanes.bulk_in,
	};
	struct kho_ring_shared *shared = arenas[which % 4];

	memcpy(&shared->lines[which % 4 % 2 ? KHO_RING_PRODUCER : KHO_RING_CONSUMER].index, data,
	       size < 8 ? size : 8);
}

static void send_chunk(struct world *world, uint8_t how, const uint8_t *data, size_t size)
{
	struct kho_bulk_writer writer;

	check(kho_bulk_writer_init(&writer, &world->bulk, 1 + how % 3u, how & 4, NULL) == 0);
	writer.offset = how;
	if (how & 8)
		(void)kho_bulk_finish(&writer);
	else
		(void)kho_bulk_write(&writer, data, size);
}

static void use_bulk(struct world *world)
{
	struct kho_bulk_reader *reader = kho_channel_bulk_reader(world->ch);
	struct kho_bulk_writer writer;
	uint8_t buf[300];

	while (reader && kho_bulk_read(reader, buf, sizeof(buf)) >= 0)
		;
	if (kho_channel_bulk_writer(world->ch, 1, &writer, NULL) == 0)
		(void)kho_bulk_write(&writer, buf, 10);
}

static void do_deed(struct world *world, uint8_t kind, uint8_t arg, const uint8_t *data,
		    size_t size)
{
	switch (kind % 8) {
	case 0:
		(void)kho_ring_write_some(&world->control, data, size);
		break;
	case 1:
		send_frame(world, arg, data, size);
		break;
	case 2:
		(void)kho_ring_write_some(&world->bulk, data, size);
		break;
	case 3:
		send_chunk(world, arg, data, size);
		break;
	case 4:
		write_index(world, arg, data, size);
		break;
	case 5:
		world->now += arg;
		break;
	case 6:
		world->status = arg % 6;
		break;
	default:
		come_up(world, arg);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = { .now = 1000 };
	uint64_t deadline;
	size_t length;

	open_world(&world);
	while (size >= 4) {
		length = data[2] | (size_t)data[3] << 8;
		if (length > size - 4)
			length = size - 4;
		do_deed(&world, data[0], data[1], data + 4, length);
		data += 4 + length;
		size -= 4 + length;
		check(kho_channel_process(world.ch, world.now) <= KHO_CHANNEL_BUDGET);
		use_bulk(&world);
		if (kho_channel_wait(world.ch, world.now, &deadline) == 0)
			check(deadline > world.now);
	}
	kho_channel_free(world.ch);
	return 0;
}
