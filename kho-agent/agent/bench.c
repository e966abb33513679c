// SPDX-License-Identifier: GPL-2.0-only
/* Measuring the channel; bench.h has the idea. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/bench.h"
#include "agent/session.h"
#include "base/bits.h"
#include "base/now.h"
#include "spawn/layout.h"

/* Streams of measurements: numbers that nothing else uses */
#define FIRST_STREAM		0xff000000u

#define PINGS			1000
#define BUFFER_SIZE		(32 * KHO_MIB)	/* more than caches hold */
#define STREAM_SIZE		(256 * KHO_MIB)
#define NS_PER_SEC		1000000000ULL
#define PING_TIMEOUT_NS		(5 * NS_PER_SEC)
#define STREAM_TIMEOUT_NS	(20 * NS_PER_SEC)

/* ---- buffers ---- */

/* Its pages are there: the first touch must not be what's measured. */
static void *map_buffer(void)
{
	void *p = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void *unmap_buffer(void *p)
{
	if (p)
		munmap(p, BUFFER_SIZE);
	return NULL;
}

static void cleanup_buffer(void **p)
{
	unmap_buffer(*p);
}

#define _cleanup_buffer_ __attribute__((cleanup(cleanup_buffer)))

/* Something that no page of zeroes, and no other place in it, is taken for. */
static void fill(void *data)
{
	uint64_t *words = data;

	for (size_t i = 0; i < BUFFER_SIZE / sizeof(*words); i++)
		words[i] = (i + 1) * 0x9e3779b97f4a7c15ULL;
}

static uint64_t per_second(uint64_t bytes, uint64_t ns)
{
	return (uint64_t)((double)bytes * NS_PER_SEC / (double)(ns ?: 1));
}

/* ---- messages ---- */

static int send_open(struct kho_session *session, uint32_t stream, struct kho_err *err)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__BulkOpen open = KHO__BULK_OPEN__INIT;
	char kind[] = KHO_MEASURE_KIND;

	open.has_stream = true;
	open.stream = stream;
	open.kind = kind;
	open.has_bytes = true;
	open.bytes = STREAM_SIZE;
	envelope.body_case = KHO__ENVELOPE__BODY_BULK_OPEN;
	envelope.bulk_open = &open;
	return kho_session_send(session, &envelope, err);
}

/* @why: code 0: all is well. What finds no room is found out by the peer's deadline. */
static void send_close(struct kho_session *session, uint32_t stream, uint64_t bytes,
		       const struct kho_err *why)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__BulkClose close = KHO__BULK_CLOSE__INIT;
	char text[sizeof(why->msg)];

	close.has_stream = true;
	close.stream = stream;
	close.has_bytes = true;
	close.bytes = bytes;
	close.has_code = true;
	close.code = why->code;
	if (why->code) {
		kho_text_clean(text, sizeof(text), why->msg);
		close.text = text;
	}
	envelope.body_case = KHO__ENVELOPE__BODY_BULK_CLOSE;
	envelope.bulk_close = &close;
	kho_session_send(session, &envelope, NULL);
}

/* ---- the side that reads ---- */

static void close_sink(struct kho_session *session)
{
	struct kho_measure_sink *sink = &session->bench.sink;

	unmap_buffer(sink->buf);
	*sink = (struct kho_measure_sink){};
	kho_channel_watch_bulk(session->channel, false, false);
}

static void open_sink(struct kho_session *session, const Kho__BulkOpen *open)
{
	struct kho_measure_sink *sink = &session->bench.sink;
	void *buf = sink->buf ?: session->bench.busy ? NULL : map_buffer();
	struct kho_err err;

	if (!buf) {
		if (session->bench.busy)
			kho_fail(&err, -EBUSY, "the peer measures itself; try again later");
		else
			kho_fail(&err, -ENOMEM, "the peer has no %llu MiB for a buffer",
				 BUFFER_SIZE / KHO_MIB);
		send_close(session, open->stream, 0, &err);
		return;
	}
	*sink = (struct kho_measure_sink){
		.stream = open->stream,
		.buf = buf,
		.size = BUFFER_SIZE,
	};
	kho_channel_watch_bulk(session->channel, true, false);
}

/* The peer has given up: what it had sent until then must not stay in the lane. */
static void empty_sink(struct kho_session *session)
{
	uint64_t left = KHO_BULK_LANE_SIZE;
	int64_t some;

	/* more than fits isn't of before */
	while (left && (some = kho_measure_sink_step(session->channel, &session->bench.sink)) > 0)
		left -= (uint64_t)some < left ? (uint64_t)some : left;
	close_sink(session);
}

void kho_bench_serve(struct kho_session *session)
{
	struct kho_measure_sink *sink = &session->bench.sink;
	struct kho_err none = {};

	if (!sink->buf || kho_measure_sink_step(session->channel, sink) < 0 || !sink->ended)
		return;
	send_close(session, sink->stream, sink->bytes, &none);
	close_sink(session);
}

void kho_bench_drop(struct kho_session *session)
{
	if (session->bench.sink.buf)
		close_sink(session);
}

static void note_close(struct kho_bench *bench, const Kho__BulkClose *close)
{
	char text[128] = "";

	bench->closed = true;
	bench->closed_bytes = close->has_bytes ? close->bytes : 0;
	bench->closed_err = (struct kho_err){};
	if (!close->has_code || close->code == 0)
		return;
	kho_text_clean(text, sizeof(text), close->text ?: "no reason given");
	kho_fail(&bench->closed_err, close->code == -EBUSY || close->code == -ENOMEM ?
		 close->code : -EIO, "the peer did not take the data: %s", text);
}

bool kho_bench_on_message(struct kho_session *session, const Kho__Envelope *envelope)
{
	struct kho_bench *bench = &session->bench;
	const Kho__BulkClose *close = envelope->bulk_close;

	if (envelope->body_case == KHO__ENVELOPE__BODY_BULK_OPEN) {
		const Kho__BulkOpen *open = envelope->bulk_open;

		if (!open->kind || strcmp(open->kind, KHO_MEASURE_KIND) != 0)
			return false;
		open_sink(session, open);
		return true;
	}
	if (envelope->body_case != KHO__ENVELOPE__BODY_BULK_CLOSE || !close->has_stream)
		return false;
	if (bench->busy && close->stream == bench->stream)
		note_close(bench, close);
	else if (bench->sink.buf && close->stream == bench->sink.stream)
		empty_sink(session);
	else
		return false;
	return true;
}

/* ---- the side that measures ---- */

static uint64_t now_of(void *ctx)
{
	(void)ctx;
	return kho_now_ns();
}

static const struct kho_measure_ops spinning = { .now = now_of };

static int round_trips(struct kho_session *session, uint32_t count, uint64_t *ret_ns,
		       struct kho_err *err)
{
	const struct kho_measure measure = {
		.channel = session->channel,
		.ops = &spinning,
		.timeout_ns = PING_TIMEOUT_NS,
	};
	struct kho_measure_latency latency;
	int r = kho_measure_round_trip(&measure, count, &latency, err);

	if (r >= 0)
		*ret_ns = latency.median_ns;
	return r;
}

/* Messages stay in order: what answers the Ping has seen BulkOpen. */
static int open_stream(struct kho_session *session, struct kho_err *err)
{
	struct kho_bench *bench = &session->bench;
	uint64_t ignored;
	int r;

	bench->stream = bench->stream < FIRST_STREAM ? FIRST_STREAM : bench->stream + 1;
	bench->closed = false;
	r = send_open(session, bench->stream, err);
	if (r >= 0)
		r = round_trips(session, 1, &ignored, err);
	if (r < 0 || !bench->closed)
		return r;
	if (bench->closed_err.code)
		return kho_fail(err, bench->closed_err.code, "%s", bench->closed_err.msg);
	return kho_fail(err, -EIO, "the peer closed the stream before it began; "
			"see whether its agent was restarted");
}

static int wait_for_close(struct kho_session *session, struct kho_err *err)
{
	const struct kho_bench *bench = &session->bench;
	uint64_t now = kho_now_ns(), deadline = now + PING_TIMEOUT_NS;

	for (; !bench->closed; now = kho_now_ns()) {
		if (now >= deadline)
			return kho_fail(err, -ETIMEDOUT, "the peer does not say whether it has got "
					"the data; see whether its agent is alive");
		if (kho_channel_process(session->channel, now) < 0)
			return kho_fail(err, -ENOTCONN, "the link went down; see khoctl status");
	}
	if (bench->closed_err.code)
		return kho_fail(err, bench->closed_err.code, "%s", bench->closed_err.msg);
	if (bench->closed_bytes != STREAM_SIZE)
		return kho_fail(err, -EIO, "the peer got %llu of %llu bytes; something else writes "
				"into the region, so reclaim it",
				(unsigned long long)bench->closed_bytes,
				(unsigned long long)STREAM_SIZE);
	return 0;
}

static int send_stream(struct kho_session *session, const void *data, bool no_crc,
		       uint64_t *ret_rate, struct kho_err *err)
{
	const struct kho_measure measure = {
		.channel = session->channel,
		.ops = &spinning,
		.timeout_ns = STREAM_TIMEOUT_NS,
	};
	struct kho_measure_source source = {
		.buf = data,
		.size = BUFFER_SIZE,
		.bytes = STREAM_SIZE,
		.no_crc = no_crc,
	};
	struct kho_measure_rate rate;
	int r = open_stream(session, err);

	if (r < 0)
		return r;
	source.stream = session->bench.stream;
	r = kho_measure_bulk(&measure, &source, &rate, err);
	if (r >= 0)
		r = wait_for_close(session, err);
	else
		send_close(session, source.stream, 0, err);
	if (r >= 0)
		*ret_rate = per_second(rate.bytes, rate.ns);
	return r;
}

/* @step: from a piece's place in @from to the next one's. */
static uint64_t copy_rate_once(char *to, const char *from, size_t step)
{
	const size_t piece = KHO_BULK_CHUNK - KHO_BULK_HEADER_SIZE;
	uint64_t begin = kho_now_ns(), bytes = 0;

	for (size_t n = 0; bytes < STREAM_SIZE; n++) {
		size_t in = n * KHO_BULK_CHUNK % BUFFER_SIZE;
		size_t out = n * step % (BUFFER_SIZE - KHO_BULK_CHUNK);

		memcpy(to + in + KHO_BULK_HEADER_SIZE, from + out, piece);
		bytes += piece;
		/* or else the copies are found to be of no use */
		__asm__ volatile("" : : "r"(to) : "memory");
	}
	return per_second(bytes, kho_now_ns() - begin);
}

/*
 * In pieces as the lane's, since memcpy() takes another way for large ones; and both from
 * places that lie in their pages as those that they go to and, as in the lane, at any
 * distance: there it takes different ways as well, one several times as fast as the
 * other. The faster one is what the lane has to bear comparison with.
 */
static uint64_t copy_rate(char *to, const char *from)
{
	uint64_t alike = copy_rate_once(to, from, KHO_BULK_CHUNK);
	uint64_t drifting = copy_rate_once(to, from, KHO_BULK_CHUNK - KHO_BULK_HEADER_SIZE);

	return alike > drifting ? alike : drifting;
}

static int measure_all(struct kho_session *session, struct kho_bench_result *ret,
		       struct kho_err *err)
{
	_cleanup_buffer_ void *from = map_buffer();
	_cleanup_buffer_ void *to = map_buffer();
	struct kho_bench_result result;
	int r;

	if (!from || !to)
		return kho_fail(err, -ENOMEM, "no memory for two buffers of %llu MiB; free some",
				BUFFER_SIZE / KHO_MIB);
	fill(from);
	r = round_trips(session, PINGS, &result.round_trip_ns, err);
	if (r >= 0)
		r = send_stream(session, from, true, &result.bulk_bytes_per_sec, err);
	if (r >= 0)
		r = send_stream(session, from, false, &result.bulk_crc_bytes_per_sec, err);
	if (r < 0)
		return r;
	result.memcpy_bytes_per_sec = copy_rate(to, from);
	*ret = result;
	return 0;
}

int kho_bench_run(struct kho_session *session, struct kho_bench_result *ret, struct kho_err *err)
{
	int r;

	if (!session || !kho_link_is_up(kho_channel_link(session->channel)))
		return kho_fail(err, -ENOTCONN, "there's no other kernel to measure the channel to; "
				"spawn one first");
	if (session->bench.sink.buf)
		return kho_fail(err, -EBUSY, "the peer measures the channel; try again later");
	session->bench.busy = true;
	r = measure_all(session, ret, err);
	session->bench.busy = false;
	return r < 0 ? kho_wrap(err, r, "bench") : 0;
}
