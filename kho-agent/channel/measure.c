// SPDX-License-Identifier: GPL-2.0-only
/* Measuring a channel; measure.h says what is timed. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "channel/measure.h"

static uint64_t now_of(const struct kho_measure *measure)
{
	return measure->ops->now(measure->ctx);
}

/* Written at once: the reader is woken after this much. */
#define STEP	(256u << 10)

/* Read at once: the reader has other things to do. */
#define SINK_STEP	(4 << 20)

/* Lets the channel work; first sleeps, if it may and the channel has nothing to do. */
static int turn(const struct kho_measure *measure, uint64_t deadline, bool may_sleep,
		struct kho_err *err)
{
	uint64_t now = now_of(measure), until;

	if (now >= deadline)
		return kho_fail(err, -ETIMEDOUT,
				"measure: not done after %llu ms; is the peer's agent serving?",
				(unsigned long long)(measure->timeout_ns / 1000000));
	if (may_sleep && measure->ops->sleep &&
	    kho_channel_wait(measure->channel, now, &until) == 0)
		measure->ops->sleep(measure->ctx, until < deadline ? until : deadline);
	if (kho_channel_process(measure->channel, now_of(measure)) < 0)
		return kho_fail(err, -ENOTCONN, "measure: the link went down; see its last event");
	return 0;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int one_round_trip(const struct kho_measure *measure, uint64_t id, uint64_t deadline,
			  struct kho_err *err)
{
	int r;

	r = kho_channel_ping(measure->channel, id, err);
	if (r < 0)
		return r;
	kho_channel_kick(measure->channel);
	while (kho_channel_last_pong(measure->channel) != id) {
		r = turn(measure, deadline, true, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int kho_measure_round_trip(const struct kho_measure *measure, uint32_t count,
			   struct kho_measure_latency *ret, struct kho_err *err)
{
	uint64_t start = now_of(measure), begin, end;
	uint64_t base = kho_channel_last_pong(measure->channel);
	_cleanup_free_ uint64_t *samples = NULL;
	int r;

	if (count == 0 || count > KHO_MEASURE_PINGS_MAX)
		return kho_fail(err, -EINVAL, "measure: %u pings; give 1 to %u", count,
				KHO_MEASURE_PINGS_MAX);
	samples = calloc(count, sizeof(*samples));
	if (!samples)
		return kho_fail(err, -ENOMEM, "measure: no memory for %u samples; "
				"take fewer", count);
	for (uint32_t i = 0; i < count; i++) {
		begin = now_of(measure);
		r = one_round_trip(measure, base + i + 1, start + measure->timeout_ns, err);
		if (r < 0)
			return r;
		end = now_of(measure);
		samples[i] = end - begin;
	}
	qsort(samples, count, sizeof(*samples), compare);
	*ret = (struct kho_measure_latency){
		.count = count,
		.min_ns = samples[0],
		.median_ns = samples[count / 2],
		.p99_ns = samples[count - 1 - count / 100],
		.max_ns = samples[count - 1],
	};
	return 0;
}

/* Writes a step of the source: bytes, or negative. */
static ssize_t write_source(struct kho_bulk_writer *writer, const struct kho_measure_source *source)
{
	size_t at = writer->offset % source->size;
	uint64_t left = source->bytes - writer->offset;
	size_t size = source->size - at;

	if (size > left)
		size = left;
	if (size > STEP)
		size = STEP;
	return kho_bulk_write(writer, (const uint8_t *)source->buf + at, size);
}

static int write_all(const struct kho_measure *measure, struct kho_bulk_writer *writer,
		     const struct kho_measure_source *source, struct kho_err *err)
{
	uint64_t deadline = now_of(measure) + measure->timeout_ns;
	ssize_t some;
	int r;

	while (!writer->ended) {
		some = writer->offset < source->bytes ? write_source(writer, source)
						      : kho_bulk_finish(writer);
		if (some < 0 && some != -EAGAIN)
			return kho_fail(err, (int)some,
					"measure: the bulk lane is broken; "
					"see the link's last event");
		r = turn(measure, deadline, some == -EAGAIN, err);
		if (r < 0)
			return r;
	}
	/* all of the lane is free again when the last byte was read; nobody rings for that */
	while (kho_ring_ready(writer->ring) != (ssize_t)writer->ring->size) {
		r = turn(measure, deadline, false, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int kho_measure_bulk(const struct kho_measure *measure, const struct kho_measure_source *source,
		     struct kho_measure_rate *ret, struct kho_err *err)
{
	struct kho_bulk_writer writer;
	uint64_t begin;
	int r;

	if (source->size == 0)
		return kho_fail(err, -EINVAL, "measure: nothing to send; give the source a buffer");
	r = kho_channel_bulk_writer(measure->channel, source->stream, &writer, err);
	if (r < 0)
		return r;
	if (source->no_crc)
		kho_bulk_writer_leave_out_crc(&writer);
	begin = now_of(measure);
	kho_channel_watch_bulk(measure->channel, false, true);
	r = write_all(measure, &writer, source, err);
	kho_channel_watch_bulk(measure->channel, false, false);
	if (r < 0)
		return r;
	*ret = (struct kho_measure_rate){ .bytes = source->bytes, .ns = now_of(measure) - begin };
	return 0;
}

int64_t kho_measure_sink_step(struct kho_channel *ch, struct kho_measure_sink *sink)
{
	struct kho_bulk_reader *reader = kho_channel_bulk_reader(ch);
	struct kho_bulk_chunk chunk;
	int64_t done = 0;
	ssize_t some;
	size_t at;
	int r = 0;

	if (!reader)
		return -ENOTCONN;
	while (done < SINK_STEP && (r = kho_bulk_next(reader, &chunk, NULL)) == 0 &&
	       chunk.stream == sink->stream) {
		at = sink->bytes % sink->size;
		some = kho_bulk_read(reader, (uint8_t *)sink->buf + at, sink->size - at);
		if (some < 0)
			return some;
		sink->bytes += (uint64_t)some;
		done += some;
		sink->ended |= (chunk.flags & KHO_BULK_END) && (uint32_t)some == chunk.length;
		kho_channel_kick(ch);
	}
	return r < 0 && r != -EAGAIN ? r : done;
}
