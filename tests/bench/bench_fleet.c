// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a fleet asks of etcd: so many machines (FLEET_MACHINES=, 1000) that run the real member
 * and client, each with connections of its own, against a real etcd of three members. They
 * come all at once, are idle for a while, and are rolled (FLEET_ROLLED= of them, by default all:
 * the others watch); each phase is measured.
 *
 * A row of the table is a measured number, what it comes to if all are rolled, and with ten times
 * the machines, by the term that it follows: constant, linear or quadratic in their number. That
 * the terms are right shows in runs with fewer machines, whose numbers are by that term apart.
 */
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/now.h"
#include "fleet/control.h"
#include "fleet/keys.h"
#include "tests/bench/fleet_meter.h"
#include "tests/unit/run.h"

#define TIME_LIMIT	3600
#define DEFAULT_NR	1000u
#define MORE		10u		/* the other column's */
#define CALL_MS		30000u
#define IDLE_MS		60000u		/* three times a lease is kept */
#define QUIET_MS	5000u
#define COME_MS		600000u
#define ROLL_MS		3000000u
#define UPGRADE_MS	500u
#define RACK		50u		/* machines in one */
#define PERCENT		5u		/* of all, at a time */
#define IN_RACK		10u		/* of a rack's */
#define DIGEST		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct real_etcd real;
static struct kho_etcd_client *client;
static struct kho_etcd etcd;
static struct fleet fleet;
static struct kho_fleet_cache cache;
static double empty;			/* bytes of memory of a member that has nothing */
static struct kho_err err;

/* ---- who looks on ---- */

static void look_on(void)
{
	char prefix[KHO_ETCD_KEY];
	struct kho_etcd_kvs kvs;

	snprintf(prefix, sizeof(prefix), KHO_KEY_GROUP, "default");
	ck_assert_msg(etcd.ops->range(etcd.ctx, prefix, true, &kvs, &err) >= 0, "%s", err.msg);
	ck_assert_int_eq(kho_fleet_cache_fill(&cache, &kvs, 1, &err), 0);
	ck_assert_int_eq(etcd.ops->watch(etcd.ctx, prefix, kvs.revision + 1, &err), 0);
	kho_etcd_kvs_done(&kvs);
}

static size_t nr_live(void)
{
	size_t nr = 0;

	for (size_t i = 0; i < cache.view.nr; i++)
		nr += cache.view.nodes[i]->live;
	return nr;
}

static bool all_there(void)
{
	return nr_live() == fleet.nr;
}

static bool is_over(void)
{
	return cache.view.has_rollout && cache.view.rollout.state != KHO_ROLLOUT_RUNNING;
}

static bool never(void)
{
	return false;
}

/* Until @is_so, or the time is up. Returns how many changes it saw. */
static size_t watch_until(bool (*is_so)(void), uint64_t limit_ms)
{
	uint64_t now = kho_now_ms(CLOCK_MONOTONIC), end = now + limit_ms;
	size_t seen = 0;

	while (!is_so() && now < end) {
		struct kho_etcd_kvs kvs = {};

		if (etcd.ops->watch_next(etcd.ctx, (uint32_t)(end - now), &kvs, &err) < 0)
			look_on();
		else
			ck_assert_int_eq(kho_fleet_cache_change(&cache, &kvs, 1, &err), 0);
		seen += kvs.nr;
		kho_etcd_kvs_done(&kvs);
		now = kho_now_ms(CLOCK_MONOTONIC);
	}
	return seen;
}

static void wait_for_quiet(void)
{
	uint64_t end = kho_now_ms(CLOCK_MONOTONIC) + COME_MS;

	while (watch_until(never, QUIET_MS))
		ck_assert_uint_lt(kho_now_ms(CLOCK_MONOTONIC), end);
}

/* ---- what has to be so ---- */

static unsigned int limit(void)
{
	return fleet.nr * PERCENT / 100 ?: 1;
}

static void begin_rollout(void)
{
	struct kho_control control = { etcd, "default", "bench", NULL, kho_now_ms(CLOCK_REALTIME) };
	char document[1024];
	bool begun = false;

	snprintf(document, sizeof(document), "{\"schema\":1,\"id\":\"bench\",\"image\":\"/i\","
		 "\"digest\":\"" DIGEST "\",\"selector\":{\"role\":\"web\"},\"concurrency\":%u,"
		 "\"per_domain\":{\"label\":\"rack\",\"max\":%u}}", limit(), IN_RACK);
	ck_assert_msg(kho_control_start(&control, document, false, &begun, &err) >= 0, "%s", err.msg);
	ck_assert(begun);
}

static void tell_if_failed(const struct fleet_reading *reading)
{
	for (unsigned int i = 0, told = 0; reading->calls.failed && i < fleet.nr && told < 3; i++)
		if (fleet.agents[i].last.code < 0) {
			told++;
			printf("machine %u: %s\n", i, fleet.agents[i].last.msg);
		}
	printf("calls that failed: %" PRIu64 ", changes of leader: %.0f\n", reading->calls.failed,
	       reading->gauges[GAUGE_LEADERS]);
}

static void check_result(void)
{
	ck_assert_msg(cache.view.rollout.state == KHO_ROLLOUT_DONE, "the rollout is %s: %s",
		      kho_rollout_state_name(cache.view.rollout.state), cache.view.rollout.message);
	for (unsigned int i = 0; i < fleet.nr; i++)
		ck_assert_msg(fleet.agents[i].begun == (i < fleet.rolled), "machine %u was upgraded %u times",
			      i, fleet.agents[i].begun);
	ck_assert_uint_le(fleet.most, limit());
	ck_assert_uint_le(fleet.most_in_rack, IN_RACK);
	printf("all %u were upgraded once; at most %u at a time (%u allowed), %u in a rack (%u)\n",
	       fleet.rolled, fleet.most, limit(), fleet.most_in_rack, IN_RACK);
}

/* ---- the table ---- */

/* How a number grows with that of the machines. */
enum term { CONSTANT, LINEAR, QUADRATIC, OF_HERE };

/* @scale: what it comes to if all are rolled. */
static void scaled(const char *what, const char *unit, double value, double scale, enum term term)
{
	static const char *const terms[] = { "constant", "linear", "quadratic", "of this host's CPUs" };
	double more = value * scale;

	for (unsigned int i = 0; i < term; i++)
		more *= MORE;
	if (term == OF_HERE)
		printf("| %s | %.3g%s | - | - | %s |\n", what, value, unit, terms[term]);
	else
		printf("| %s | %.3g%s | %.3g%s | %.3g%s | %s |\n", what, value, unit, value * scale, unit,
		       more, unit, terms[term]);
}

static void row(const char *what, const char *unit, double value, enum term term)
{
	scaled(what, unit, value, 1, term);
}

static void head(const char *phase)
{
	printf("\n| %s | measured | %u machines | %u machines | by |\n|---|---|---|---|---|\n", phase,
	       fleet.nr, MORE * fleet.nr);
}

static double asked(const struct fleet_calls *calls)
{
	return (double)(calls->ranges + calls->txns + calls->grants + calls->keeps + calls->watches);
}

static double bytes(const struct fleet_reading *d)
{
	return (double)(d->sent + d->received);
}

/* Each machine reads the records of all once, and is told of those that come after it. */
static void show_coming(const struct fleet_reading *d)
{
	double nr = fleet.nr;

	head("all come at once");
	row("it takes", " s", d->at_sec, OF_HERE);
	row("requests, each machine", "", asked(&d->calls) / nr, CONSTANT);
	row("bytes, each machine", " kB", bytes(d) / nr / 1e3, LINEAR);
	row("bytes, all", " MB", bytes(d) / 1e6, QUADRATIC);
	row("etcd's CPU time, all members", " s", d->gauges[GAUGE_CPU_SEC], QUADRATIC);
	row("kho-fleet's memory, beyond its own", " MB", d->memory / nr / 1e6, LINEAR);
}

static void show_idle(const struct fleet_reading *d)
{
	double nr = fleet.nr, minutes = d->at_sec / 60;

	head("idle");
	row("requests, each machine, a minute", "", asked(&d->calls) / nr / minutes, CONSTANT);
	row("bytes, each machine, a minute", " kB", bytes(d) / nr / minutes / 1e3, CONSTANT);
	row("leases kept, a second", "", d->gauges[GAUGE_RENEWED] / d->at_sec, LINEAR);
	row("bytes, all, a second", " kB", bytes(d) / d->at_sec / 1e3, LINEAR);
	row("entries of etcd's log, a second", "", d->gauges[GAUGE_COMMITTED] / d->at_sec, LINEAR);
	row("etcd's CPU time, all members, of one CPU", " %", 100 * d->gauges[GAUGE_CPU_SEC] / d->at_sec,
	    LINEAR);
	row("watches, the member that has most", "", d->gauges[GAUGE_WATCHERS], LINEAR);
}

static void show_requests(const struct fleet_reading *d)
{
	const struct fleet_calls *calls = &d->calls;
	double nr = fleet.rolled, changes = d->gauges[GAUGE_PUTS] + d->gauges[GAUGE_DELETES];

	row("transactions made, each machine", "", (double)calls->made / nr, CONSTANT);
	row("transactions that another one was before, each machine", "",
	    (double)(calls->txns - calls->made) / nr, LINEAR);
	row("other requests, each machine", "", (asked(calls) - (double)calls->txns) / nr, CONSTANT);
	row("changes of keys, each machine", "", changes / nr, CONSTANT);
	row("events that etcd sends for a change", "", d->gauges[GAUGE_EVENTS] / changes, LINEAR);
}

static void show_rollout(const struct fleet_reading *d)
{
	double nr = fleet.nr, all = nr / fleet.rolled, events = d->gauges[GAUGE_EVENTS];

	head("a rollout");
	row("it takes", " s", d->at_sec, OF_HERE);
	show_requests(d);
	row("bytes, each event", "", bytes(d) / events, CONSTANT);
	row("etcd's CPU time, each event", " us", 1e6 * d->gauges[GAUGE_CPU_SEC] / events, CONSTANT);
	scaled("events, each machine", "", (double)d->calls.events / nr, all, LINEAR);
	scaled("events, all", "", events, all, QUADRATIC);
	row("steps of kho-fleet, which asks kho-agent in each", "", (double)d->calls.steps / nr, OF_HERE);
	scaled("bytes, each machine", " MB", bytes(d) / nr / 1e6, all, LINEAR);
	scaled("bytes, all", " GB", bytes(d) / 1e9, all, QUADRATIC);
	scaled("of those, as etcd counts them before it makes JSON of them", " GB",
	       (d->gauges[GAUGE_GRPC_IN] + d->gauges[GAUGE_GRPC_OUT]) / 1e9, all, QUADRATIC);
	scaled("bytes from member to member", " MB", d->gauges[GAUGE_PEER_OUT] / 1e6, all, QUADRATIC);
	scaled("etcd's CPU time, all members", " s", d->gauges[GAUGE_CPU_SEC], all, QUADRATIC);
	scaled("kho-fleet's CPU time, each machine", " s", d->cpu_sec / nr, all, LINEAR);
	row("etcd's memory beyond that of an empty one, the largest member", " MB",
	    (d->gauges[GAUGE_MEMORY] - empty) / 1e6, LINEAR);
	scaled("etcd's database", " MB", d->gauges[GAUGE_DB] / 1e6, all, LINEAR);
}

/* ---- the run ---- */

static unsigned int number_of(const char *variable, unsigned int otherwise)
{
	const char *text = getenv(variable);

	return text && *text ? (unsigned int)strtoul(text, NULL, 10) : otherwise;
}

static void set_up(void)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	fleet.nr = number_of("FLEET_MACHINES", DEFAULT_NR);
	fleet.rolled = number_of("FLEET_ROLLED", fleet.nr);
	ck_assert_uint_le(fleet.rolled, fleet.nr);
	fleet.racks = (fleet.nr + RACK - 1) / RACK;
	fleet.upgrade_ms = UPGRADE_MS;
	/* two connections each, and the members have as many */
	ck_assert_msg(fleet.nr && files.rlim_cur > 4 * fleet.nr, "FLEET_MACHINES=%u needs more than %u "
		      "open files; ulimit -n raises it", fleet.nr, 4 * fleet.nr);
	real_etcd_start_patient(&real, REAL_ETCD_MEMBERS);
	client = real_etcd_client(&real, CALL_MS);
	etcd = kho_etcd_client_ops(client);
	real_etcd_wait(client);
	fleet.endpoints = real.endpoints;
	snprintf(cache.group, sizeof(cache.group), "default");
}

static struct fleet_reading reading(bool ends)
{
	struct fleet_reading now;

	ck_assert_msg(fleet_read(&fleet, &real, ends, &now, &err) >= 0, "%s", err.msg);
	return now;
}

static void measure(size_t (*phase)(void), void (*show)(const struct fleet_reading *))
{
	struct fleet_reading from = reading(false), to, between;

	phase();
	to = reading(true);
	between = fleet_between(&from, &to);
	show(&between);
	tell_if_failed(&between);
	fflush(stdout);
}

static size_t come(void)
{
	size_t seen;

	ck_assert_msg(fleet_begin(&fleet, &err) >= 0, "%s", err.msg);
	seen = watch_until(all_there, COME_MS);
	ck_assert_msg(all_there(), "%zu of %u machines came", nr_live(), fleet.nr);
	return seen;
}

static size_t stay(void)
{
	size_t seen = watch_until(never, IDLE_MS);

	ck_assert_uint_eq(seen, 0);
	return seen;
}

static size_t roll(void)
{
	begin_rollout();
	return watch_until(is_over, ROLL_MS);
}

START_TEST(costs)
{
	set_up();
	empty = reading(true).gauges[GAUGE_MEMORY];
	look_on();
	printf("etcd of %d members; %u machines, of which %u are rolled, %u at a time; racks of %u, %u "
	       "of one at a time; an upgrade takes %u ms\n", real.nr, fleet.nr, fleet.rolled, limit(),
	       RACK, IN_RACK, UPGRADE_MS);
	fflush(stdout);
	measure(come, show_coming);
	wait_for_quiet();
	measure(stay, show_idle);
	measure(roll, show_rollout);
	check_result();
	fleet_end(&fleet);
	kho_fleet_cache_done(&cache);
	kho_etcd_client_free(client);
	real_etcd_stop(&real);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fleets, measured");
	TCase *tc = tcase_create("costs");

	tcase_set_timeout(tc, TIME_LIMIT);
	tcase_add_test(tc, costs);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
