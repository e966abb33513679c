// SPDX-License-Identifier: GPL-2.0-only
/*
 * How fast a channel is on this machine: two processes, each pinned to a CPU of
 * its own, over the lanes that a region has. One line a run:
 *
 *	channel cpus 0,1 memcpy 10.1 GB/s bulk 8.3 GB/s (0.82) crc 6.4 GB/s (0.63) ...
 *
 * The parent is the old side and measures (channel/measure.h: the same code
 * measures between two kernels); the child is the new side, answers pings and
 * reads the stream into memory. memcpy is timed between buffers of the same size
 * on the parent's CPU. Neither side has a doorbell: both spin.
 *
 *	bench_channel [MiB a stream] [CPU CPU]
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "channel/measure.h"
#include "spawn/layout.h"

#define PINGS		20000u
#define BUF_SIZE	(64u << 20)	/* beyond what caches hold */
#define TIMEOUT_NS	60000000000ULL
#define ROUNDS		3		/* the best one counts */

struct bench {
	struct kho_channel_lanes lanes;	/* as the old side sees them */
	uint64_t stream_bytes;
	unsigned int cpus[2];
};

/* One side; the new one has a sink. */
struct side {
	struct kho_channel *ch;
	bool failed;
	struct kho_measure_sink sink;
};

struct result {
	uint64_t memcpy_ns;
	struct kho_measure_rate bulk;
	struct kho_measure_latency ping;
};

static uint64_t now_ns(void *ctx)
{
	struct timespec ts;

	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void die(const char *what, const struct kho_err *err)
{
	fprintf(stderr, "bench_channel: %s: %s\n", what, err->msg);
	exit(EXIT_FAILURE);
}

static void pin(pid_t pid, unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(pid, sizeof(set), &set) < 0) {
		fprintf(stderr, "bench_channel: CPU %u: %s\n", cpu, strerror(errno));
		exit(EXIT_FAILURE);
	}
}

static void *memory(size_t size, int flags)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS | MAP_POPULATE,
		       -1, 0);

	if (p == MAP_FAILED) {
		fprintf(stderr, "bench_channel: %zu bytes: %s\n", size, strerror(errno));
		exit(EXIT_FAILURE);
	}
	return p;
}

static void map_lanes(struct bench *bench)
{
	size_t control = KHO_CONTROL_LANE_SIZE, bulk = KHO_BULK_LANE_SIZE;
	uint8_t *p = memory(2 * control + 2 * bulk, MAP_SHARED);

	bench->lanes = (struct kho_channel_lanes){
		.control_out = p,
		.control_in = p + control,
		.control_size = control,
		.bulk_out = p + 2 * control,
		.bulk_in = p + 2 * control + bulk,
		.bulk_size = bulk,
	};
}

static void on_message(void *ctx, const Kho__Envelope *envelope, uint64_t epoch)
{
	(void)ctx;
	(void)envelope;
	(void)epoch;
}

static void on_event(void *ctx, const struct kho_link_event *event)
{
	struct side *side = ctx;

	side->failed |= event->kind == KHO_LINK_EVENT_DEAD || event->kind == KHO_LINK_EVENT_REFUSED;
	if (side->failed)
		fprintf(stderr, "bench_channel: %s\n", event->err.msg);
}

static void open_side(struct side *side, const struct kho_channel_lanes *lanes,
		      enum kho_role role, bool crc)
{
	static const struct kho_channel_ops ops = { .message = on_message, .event = on_event };
	struct kho_channel_spec spec = {
		.lanes = *lanes,
		.link = {
			.hello = {
				.protocol_min = KHO_PROTOCOL_MIN, .protocol_max = KHO_PROTOCOL_MAX,
				.role = role, .upgrade_id = "bench", .nonce = (uint64_t)role,
			},
			.heartbeat_ns = KHO_LINK_HEARTBEAT_NS, .stall_ns = KHO_LINK_STALL_NS,
			.dead_ns = KHO_LINK_DEAD_NS, .hello_ns = KHO_LINK_HELLO_NS,
		},
		.ops = &ops, .ctx = side, .spin_ns = KHO_CHANNEL_SPIN_NS,
		.poll_min_ns = KHO_CHANNEL_POLL_MIN_NS, .poll_max_ns = KHO_CHANNEL_POLL_MAX_NS,
	};
	struct kho_err err;

	if (crc)
		(void)kho_features_add(&spec.link.hello.features, KHO_FEATURE_BULK_CRC);
	if (kho_channel_open(&spec, &side->ch, &err) < 0)
		die("open", &err);
	kho_channel_start(side->ch, now_ns(NULL));
}

/* The new side: serves until its parent kills it. */
static void serve(const struct bench *bench, bool crc)
{
	const struct kho_channel_lanes *l = &bench->lanes;
	struct kho_channel_lanes lanes = {
		.control_out = l->control_in, .control_in = l->control_out,
		.control_size = l->control_size,
		.bulk_out = l->bulk_in, .bulk_in = l->bulk_out, .bulk_size = l->bulk_size,
	};
	struct side side = { .sink = { .stream = 1, .size = BUF_SIZE } };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	side.sink.buf = memory(BUF_SIZE, MAP_PRIVATE);
	open_side(&side, &lanes, KHO_ROLE_NEW, crc);
	while (!side.failed) {
		kho_channel_process(side.ch, now_ns(NULL));
		if (kho_channel_bulk_reader(side.ch) &&
		    kho_measure_sink_step(side.ch, &side.sink) < 0)
			break;
		if (side.sink.ended)
			side.sink.ended = false;
	}
	_exit(EXIT_FAILURE);
}

static uint64_t best_memcpy(const void *from, void *to)
{
	uint64_t best = UINT64_MAX, begin, ns;

	for (int i = 0; i < ROUNDS; i++) {
		begin = now_ns(NULL);
		memcpy(to, from, BUF_SIZE);
		/* so that the copy isn't found to be of no use */
		__asm__ volatile("" : : "r"(to) : "memory");
		ns = now_ns(NULL) - begin;
		if (ns < best)
			best = ns;
	}
	return best;
}

static void wait_until_up(struct side *side)
{
	while (!kho_link_is_up(kho_channel_link(side->ch)) && !side->failed)
		kho_channel_process(side->ch, now_ns(NULL));
	if (side->failed)
		exit(EXIT_FAILURE);
}

static void measure(const struct bench *bench, struct side *side, const void *buf,
		    struct result *ret)
{
	static const struct kho_measure_ops ops = { .now = now_ns };
	struct kho_measure m = { .channel = side->ch, .ops = &ops, .timeout_ns = TIMEOUT_NS };
	struct kho_measure_source source = {
		.stream = 1, .buf = buf, .size = BUF_SIZE, .bytes = bench->stream_bytes,
	};
	struct kho_measure_rate rate;
	struct kho_err err;

	if (kho_measure_round_trip(&m, PINGS, &ret->ping, &err) < 0)
		die("round trips", &err);
	for (int i = 0; i < ROUNDS; i++) {
		if (kho_measure_bulk(&m, &source, &rate, &err) < 0)
			die("bulk", &err);
		if (i == 0 || rate.ns < ret->bulk.ns)
			ret->bulk = rate;
	}
}

static void run(const struct bench *bench, bool crc, const void *buf, struct result *ret)
{
	struct side side = { .ch = NULL };
	struct kho_err err;
	pid_t pid;

	if (kho_channel_format(&bench->lanes, &err) < 0)
		die("format", &err);
	pid = fork();
	if (pid < 0) {
		perror("bench_channel: fork");
		exit(EXIT_FAILURE);
	}
	if (pid == 0)
		serve(bench, crc);
	/* by the parent: the child may have to wait for the CPU that it inherits */
	pin(pid, bench->cpus[1]);
	open_side(&side, &bench->lanes, KHO_ROLE_OLD, crc);
	wait_until_up(&side);
	measure(bench, &side, buf, ret);
	kho_channel_free(side.ch);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static double rate_of(uint64_t bytes, uint64_t ns)
{
	return (double)bytes / (double)ns;
}

int main(int argc, char **argv)
{
	struct bench bench = { .stream_bytes = 512 << 20, .cpus = { 0, 1 } };
	struct result plain = { 0 }, crc = { 0 };
	double base, bulk, bulk_crc;
	void *from, *to;

	if (argc > 1)
		bench.stream_bytes = strtoull(argv[1], NULL, 10) << 20;
	for (int i = 0; i < 2 && argc == 4; i++)
		bench.cpus[i] = (unsigned int)strtoul(argv[2 + i], NULL, 10);
	if (bench.stream_bytes == 0 || (argc > 2 && argc != 4)) {
		fprintf(stderr, "usage: bench_channel [MiB a stream] [CPU CPU]\n");
		return 2;
	}
	pin(0, bench.cpus[0]);
	map_lanes(&bench);
	from = memory(BUF_SIZE, MAP_PRIVATE);
	to = memory(BUF_SIZE, MAP_PRIVATE);
	memset(from, 0x5a, BUF_SIZE);
	base = rate_of(BUF_SIZE, best_memcpy(from, to));
	run(&bench, false, from, &plain);
	run(&bench, true, from, &crc);
	bulk = rate_of(plain.bulk.bytes, plain.bulk.ns);
	bulk_crc = rate_of(crc.bulk.bytes, crc.bulk.ns);
	printf("channel cpus %u,%u memcpy %.2f GB/s bulk %.2f GB/s (%.2f) crc %.2f GB/s (%.2f) "
	       "round trip min %.2f median %.2f p99 %.2f us\n", bench.cpus[0], bench.cpus[1], base,
	       bulk, bulk / base, bulk_crc, bulk_crc / base, (double)plain.ping.min_ns / 1e3,
	       (double)plain.ping.median_ns / 1e3, (double)plain.ping.p99_ns / 1e3);
	return 0;
}
