// SPDX-License-Identifier: GPL-2.0-only
/* Machines of a fleet, played; fleet_agent.h has the idea. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/now.h"
#include "tests/bench/fleet_agent.h"
#include "tests/unit/calm_machine.h"

#define STACK		(512u << 10)
#define LEASE_SEC	60u		/* kho-fleet's own default */
#define CALL_MS		30000u

#define COUNT(what, nr) __atomic_add_fetch(&(what), (nr), __ATOMIC_RELAXED)
#define READ(what) __atomic_load_n(&(what), __ATOMIC_RELAXED)

/* ---- etcd, counted ---- */

static int counted(struct fleet_agent *agent, int r)
{
	if (r < 0)
		COUNT(agent->calls.failed, 1);
	return r;
}

static int do_range(void *ctx, const char *key, bool prefix, struct kho_etcd_kvs *ret,
		    struct kho_err *err)
{
	struct fleet_agent *agent = ctx;

	COUNT(agent->calls.ranges, 1);
	return counted(agent, agent->etcd.ops->range(agent->etcd.ctx, key, prefix, ret, err));
}

static int do_txn(void *ctx, const struct kho_etcd_txn *txn, bool *ret_made, uint64_t *ret_revision,
		  struct kho_err *err)
{
	struct fleet_agent *agent = ctx;
	int r = agent->etcd.ops->txn(agent->etcd.ctx, txn, ret_made, ret_revision, err);

	COUNT(agent->calls.txns, 1);
	COUNT(agent->calls.made, r >= 0 && *ret_made);
	return counted(agent, r);
}

static int do_grant(void *ctx, uint64_t ttl_sec, uint64_t *ret, struct kho_err *err)
{
	struct fleet_agent *agent = ctx;

	COUNT(agent->calls.grants, 1);
	return counted(agent, agent->etcd.ops->grant(agent->etcd.ctx, ttl_sec, ret, err));
}

static int do_keep(void *ctx, uint64_t lease, struct kho_err *err)
{
	struct fleet_agent *agent = ctx;

	COUNT(agent->calls.keeps, 1);
	return counted(agent, agent->etcd.ops->keep(agent->etcd.ctx, lease, err));
}

static int do_revoke(void *ctx, uint64_t lease, struct kho_err *err)
{
	struct fleet_agent *agent = ctx;

	COUNT(agent->calls.grants, 1);
	return counted(agent, agent->etcd.ops->revoke(agent->etcd.ctx, lease, err));
}

static int do_watch(void *ctx, const char *prefix, uint64_t revision, struct kho_err *err)
{
	struct fleet_agent *agent = ctx;

	COUNT(agent->calls.watches, 1);
	return counted(agent, agent->etcd.ops->watch(agent->etcd.ctx, prefix, revision, err));
}

static int do_watch_next(void *ctx, uint32_t timeout_ms, struct kho_etcd_kvs *ret,
			 struct kho_err *err)
{
	struct fleet_agent *agent = ctx;
	int r = agent->etcd.ops->watch_next(agent->etcd.ctx, timeout_ms, ret, err);

	COUNT(agent->calls.lines, r >= 0 && (ret->nr || ret->revision));
	COUNT(agent->calls.events, r >= 0 ? ret->nr : 0);
	return counted(agent, r);
}

static const struct kho_etcd_ops counting_ops = {
	.range = do_range, .txn = do_txn, .grant = do_grant, .keep = do_keep, .revoke = do_revoke,
	.watch = do_watch, .watch_next = do_watch_next,
};

struct fleet_calls fleet_calls(const struct fleet *fleet)
{
	struct fleet_calls sum = {};

	for (unsigned int i = 0; fleet->agents && i < fleet->nr; i++) {
		const struct fleet_calls *calls = &fleet->agents[i].calls;

		sum.ranges += READ(calls->ranges);
		sum.txns += READ(calls->txns);
		sum.made += READ(calls->made);
		sum.grants += READ(calls->grants);
		sum.keeps += READ(calls->keeps);
		sum.watches += READ(calls->watches);
		sum.lines += READ(calls->lines);
		sum.events += READ(calls->events);
		sum.steps += READ(calls->steps);
		sum.looks += READ(calls->looks);
		sum.failed += READ(calls->failed);
	}
	return sum;
}

/* ---- a machine ---- */

static void raise_to(unsigned int *most, unsigned int now)
{
	unsigned int seen = READ(*most);

	while (now > seen && !__atomic_compare_exchange_n(most, &seen, now, false, __ATOMIC_RELAXED,
							  __ATOMIC_RELAXED))
		;
}

/* Whether an upgrade has just ended: another boot follows. */
static bool settle(struct fleet_agent *agent)
{
	struct fleet *fleet = agent->fleet;

	if (!agent->upgrading || kho_now_ms(CLOCK_REALTIME) < agent->ends_ms)
		return false;
	agent->upgrading = false;
	agent->done = true;
	COUNT(fleet->at_work[agent->rack], -1u);
	COUNT(fleet->now, -1u);
	return true;
}

static int look(void *ctx, const struct kho_rollout_spec *spec, uint64_t since_ms,
		struct kho_fleet_facts *facts, struct kho_err *err)
{
	struct fleet_agent *agent = ctx;

	(void)spec;
	(void)err;
	COUNT(agent->calls.looks, 1);
	facts->machine = agent->upgrading ? KHO_MACHINE_UPGRADING : KHO_MACHINE_IDLE;
	if (agent->done && since_ms && agent->began_ms >= since_ms)
		facts->result = KHO_FLEET_RESULT_DONE;
	return 0;
}

static int start(void *ctx, const struct kho_rollout_spec *spec, struct kho_err *err)
{
	struct fleet_agent *agent = ctx;
	struct fleet *fleet = agent->fleet;

	(void)spec;
	if (agent->upgrading)
		return kho_fail(err, -EBUSY, "one is under way");
	agent->begun++;
	agent->upgrading = true;
	agent->done = false;
	agent->began_ms = kho_now_ms(CLOCK_REALTIME);
	agent->ends_ms = agent->began_ms + fleet->upgrade_ms;
	raise_to(&fleet->most, COUNT(fleet->now, 1));
	raise_to(&fleet->most_in_rack, COUNT(fleet->at_work[agent->rack], 1));
	return 0;
}

static const struct kho_machine_ops machine_ops = {
	.now_ms = calm_now_ms, .mono_ms = calm_mono_ms, .look = look, .start = start,
	.abort = calm_abort, .check = calm_check,
};

/* ---- its daemon ---- */

static void describe(struct fleet_agent *agent)
{
	char label[32];

	agent->spec = (struct kho_member_spec){ .group = "default", .release = "6.12.94-bench",
						.ttl_sec = LEASE_SEC };
	snprintf(agent->spec.id, sizeof(agent->spec.id), "machine-%05u", agent->index);
	snprintf(agent->spec.boot, sizeof(agent->spec.boot), "b0074b0074-%05u-%u", agent->index,
		 agent->boots);
	snprintf(label, sizeof(label), "rack=r%u", agent->rack);
	kho_labels_add(&agent->spec.labels, label, NULL);
	kho_labels_add(&agent->spec.labels,
		       agent->index < agent->fleet->rolled ? "role=web" : "role=db", NULL);
}

/* As kho-fleet's own loop, until an upgrade has ended. */
static void run_boot(struct fleet_agent *agent)
{
	uint32_t wait_ms;

	while (!READ(agent->fleet->ended) && !settle(agent)) {
		struct kho_err err = {};
		int r = kho_member_step(&agent->member, &wait_ms, &err);

		COUNT(agent->calls.steps, 1);
		if (r < 0) {
			agent->last = err;
			agent->last.code = r;
		}
		if (r < 0 || !agent->member.loaded)
			poll(NULL, 0, (int)wait_ms);
		else
			kho_member_wait(&agent->member, wait_ms);
	}
}

static void *run(void *arg)
{
	struct fleet_agent *agent = arg;
	struct kho_etcd_spec spec = { .endpoints = agent->fleet->endpoints, .timeout_ms = CALL_MS,
				      .first = agent->index };

	while (!READ(agent->fleet->ended)) {
		struct kho_etcd_client *client = NULL;
		int r = kho_etcd_client_new(&spec, &client, &agent->last);

		if (r < 0)
			break;
		describe(agent);
		agent->etcd = kho_etcd_client_ops(client);
		memset(&agent->member, 0, sizeof(agent->member));
		r = kho_member_init(&agent->member, &agent->spec,
				    (struct kho_etcd){ &counting_ops, agent }, &agent->last);
		if (r >= 0) {
			agent->member.machine = &machine_ops;
			agent->member.ctx = agent;
			run_boot(agent);
			kho_member_leave(&agent->member);
			kho_member_done(&agent->member);
		}
		kho_etcd_client_free(client);
		agent->boots++;
	}
	return NULL;
}

int fleet_begin(struct fleet *fleet, struct kho_err *err)
{
	unsigned int nr = fleet->nr;
	pthread_attr_t attr;
	int r = 0;

	fleet->agents = calloc(nr, sizeof(*fleet->agents));
	fleet->at_work = calloc(fleet->racks, sizeof(*fleet->at_work));
	if (!fleet->agents || !fleet->at_work)
		return kho_fail(err, -ENOMEM, "no memory for %u machines", nr);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	for (fleet->nr = 0; fleet->nr < nr && !r; fleet->nr += !r) {
		struct fleet_agent *agent = &fleet->agents[fleet->nr];

		agent->fleet = fleet;
		agent->index = fleet->nr;
		agent->rack = fleet->nr % fleet->racks;
		r = pthread_create(&agent->thread, &attr, run, agent);
	}
	pthread_attr_destroy(&attr);
	return r ? kho_fail(err, -EAGAIN, "no thread for machine %u: %s", fleet->nr, strerror(r)) : 0;
}

void fleet_end(struct fleet *fleet)
{
	__atomic_store_n(&fleet->ended, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < fleet->nr; i++)
		pthread_join(fleet->agents[i].thread, NULL);
	free(fleet->agents);
	free(fleet->at_work);
}
