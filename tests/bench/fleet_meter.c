// SPDX-License-Identifier: GPL-2.0-only
/* Readings; fleet_meter.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/now.h"
#include "tests/bench/fleet_meter.h"

#define METRICS_MAX	(4u << 20)
#define CALL_MS		30000u

/* Of all members together, or of the one that has most: what's applied, all of them apply. */
static const struct {
	const char *name;
	bool sum, may_lack;		/* what's counted by label isn't there before it has happened */
} gauges_of[_GAUGE_MAX] = {
	[GAUGE_GRPC_IN] = { "etcd_network_client_grpc_received_bytes_total", true, false },
	[GAUGE_GRPC_OUT] = { "etcd_network_client_grpc_sent_bytes_total", true, false },
	[GAUGE_PEER_OUT] = { "etcd_network_peer_sent_bytes_total", true, true },
	[GAUGE_PUTS] = { "etcd_mvcc_put_total", false, false },
	[GAUGE_DELETES] = { "etcd_mvcc_delete_total", false, false },
	[GAUGE_TXNS] = { "etcd_mvcc_txn_total", false, false },
	[GAUGE_RANGES] = { "etcd_mvcc_range_total", true, false },
	[GAUGE_EVENTS] = { "etcd_debugging_mvcc_events_total", true, false },
	[GAUGE_RENEWED] = { "etcd_debugging_lease_renewed_total", true, false },
	[GAUGE_COMMITTED] = { "etcd_server_proposals_committed_total", false, false },
	[GAUGE_CPU_SEC] = { "process_cpu_seconds_total", true, false },
	[GAUGE_LEADERS] = { "etcd_server_leader_changes_seen_total", false, false },
	[GAUGE_WATCHERS] = { "etcd_debugging_mvcc_watcher_total", false, false },
	[GAUGE_SLOW_WATCHERS] = { "etcd_debugging_mvcc_slow_watcher_total", false, false },
	[GAUGE_DB] = { "etcd_mvcc_db_total_size_in_bytes", false, false },
	[GAUGE_MEMORY] = { "process_resident_memory_bytes", false, false },
};

/* ---- bytes: libcurl's send() and recv() are these ---- */

static uint64_t sent, received;

ssize_t send(int fd, const void *data, size_t size, int flags)
{
	ssize_t n = sendto(fd, data, size, flags, NULL, 0);

	if (n > 0)
		__atomic_add_fetch(&sent, (uint64_t)n, __ATOMIC_RELAXED);
	return n;
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
	ssize_t n = recvfrom(fd, data, size, flags, NULL, NULL);

	if (n > 0)
		__atomic_add_fetch(&received, (uint64_t)n, __ATOMIC_RELAXED);
	return n;
}

/* ---- etcd ---- */

/* All series of that name together. -ENOENT: there's none */
static int sum_of(const char *text, const char *name, double *ret)
{
	size_t size = strlen(name);
	int r = -ENOENT;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, size) == 0 && (line[size] == ' ' || line[size] == '{')) {
			const char *value = line + strcspn(line, "\n");

			while (value > line && value[-1] != ' ')
				value--;
			*ret += strtod(value, NULL);
			r = 0;
		}
	}
	return r;
}

static int read_member(struct kho_web *web, int port, double gauges[_GAUGE_MAX], struct kho_err *err)
{
	char url[64];
	struct kho_web_request request = { .url = url, .timeout_ms = CALL_MS, .max = METRICS_MAX };
	struct kho_web_answer answer = {};
	int r;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/metrics", port);
	r = kho_web_call(web, &request, &answer, err);
	for (unsigned int i = 0; r >= 0 && i < _GAUGE_MAX; i++) {
		double value = 0;

		if (sum_of(answer.body, gauges_of[i].name, &value) < 0 && !gauges_of[i].may_lack)
			r = kho_fail(err, -ENOENT, "this etcd's /metrics has no %s",
				     gauges_of[i].name);
		if (gauges_of[i].sum)
			gauges[i] += value;
		else if (value > gauges[i])
			gauges[i] = value;
	}
	free(answer.body);
	return r;
}

static int read_gauges(const struct real_etcd *etcd, double gauges[_GAUGE_MAX], struct kho_err *err)
{
	struct kho_web *web;
	int r = kho_web_new(NULL, &web, err);

	if (r < 0)
		return r;
	for (int i = 0; i < etcd->nr && r >= 0; i++)
		r = read_member(web, etcd->client_ports[i], gauges, err);
	kho_web_free(web);
	return r;
}

/* ---- all ---- */

static double resident(void)
{
	unsigned long long size, pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%llu %llu", &size, &pages) != 2)
		pages = 0;
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double seconds(const struct timeval *tv)
{
	return (double)tv->tv_sec + (double)tv->tv_usec / 1e6;
}

static void read_own(const struct fleet *fleet, struct fleet_reading *ret)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	ret->at_sec = (double)kho_now_ms(CLOCK_MONOTONIC) / 1000;
	ret->calls = fleet_calls(fleet);
	ret->sent = __atomic_load_n(&sent, __ATOMIC_RELAXED);
	ret->received = __atomic_load_n(&received, __ATOMIC_RELAXED);
	ret->cpu_sec = seconds(&usage.ru_utime) + seconds(&usage.ru_stime);
	ret->memory = resident();
}

int fleet_read(const struct fleet *fleet, const struct real_etcd *etcd, bool ends,
	       struct fleet_reading *ret, struct kho_err *err)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	/* asking is in no measurement of what this process sends */
	if (ends)
		read_own(fleet, ret);
	r = read_gauges(etcd, ret->gauges, err);
	if (!ends)
		read_own(fleet, ret);
	return r;
}

struct fleet_reading fleet_between(const struct fleet_reading *a, const struct fleet_reading *b)
{
	struct fleet_reading d = *b;
	const uint64_t *from = (const uint64_t *)&a->calls;
	uint64_t *to = (uint64_t *)&d.calls;

	d.at_sec -= a->at_sec;
	d.sent -= a->sent;
	d.received -= a->received;
	d.cpu_sec -= a->cpu_sec;
	for (unsigned int i = 0; i < GAUGE_WATCHERS; i++)
		d.gauges[i] -= a->gauges[i];
	for (size_t i = 0; i < sizeof(d.calls) / sizeof(uint64_t); i++)
		to[i] -= from[i];
	return d;
}
