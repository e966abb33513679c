// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fleets: a thousand rollouts over machines that run the real member (fleet/member.c), with
 * an etcd in memory and faults at instants that are drawn. What happened is recorded, and
 * checked as a whole afterwards. SIM_SEED= is the first of other lots.
 *
 * Faults: a daemon is killed, and started again; a machine is cut off from etcd; a machine
 * dies; etcd has no quorum; watches break, lag, or stay behind; answers of transactions are
 * lost, or take up to 90 s; upgrades fail, or hang until they're aborted; a machine's agent
 * doesn't answer; the operator pauses, resumes, aborts. A hanging upgrade ends by the machine's
 * own deadlines at deadline_sec plus undo_sec at the latest, though its daemon be dead: that's
 * assumed, and is the agent's to keep.
 *
 * Checked over the record: never more machines in upgrade than allowed, nor in a failure
 * domain; nothing begins outside of its wave; nothing begins once the rollout was halted,
 * paused or aborted for longer than a start may take; nothing is upgraded to what it runs. And
 * that it ends; as done only with nobody of the first wave failed.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/keys.h"
#include "fleet/member.h"
#include "sim/etcd_model.h"
#include "unit/run.h"

#ifdef __SANITIZE_ADDRESS__
#define RUNS		100u
#else
#define RUNS		1000u
#endif

#define TIME_LIMIT	250
#define SPREAD		0x9e3779b97f4a7c15ull
#define MACHINES	12u
#define EVENTS		4096u
#define DIGEST		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define BEGAN_MS	1764120000000ull
#define FAULTS_END_MS	(30ull * 60 * 1000)
#define RUN_MS		(4ull * 3600 * 1000)
#define DEADLINE_SEC	100u
#define UNDO_SEC	20u
#define SOAK_SEC	30u
#define BUDGET_MS	1000u

enum kind { BEGIN, END, STOP, GO };	/* STOP, GO: the rollout isn't running, or is */

struct event {
	uint64_t ms;
	enum kind kind;
	unsigned int machine;
	bool well;			/* of END */
};

struct machine {
	struct kho_member member;
	struct kho_member_spec spec;
	struct etcd_model_client client;
	bool up, dead;			/* its daemon; all of it, for good */
	uint64_t next_ms;		/* the daemon's next step, or its start */
	uint64_t heals_ms;		/* when it's no longer cut off; 0: it isn't */
	uint64_t silent_ms;		/* until when its agent doesn't answer */
	int64_t skew_ms;		/* of its clock */
	bool upgrading, well, done;
	uint64_t began_ms, ends_ms;	/* done: the last one's */
	uint64_t blackout_ms;		/* likewise */
	uint64_t boots, booted;		/* kernels so far; the one that its daemon is of */
};

struct world {
	struct etcd_model *etcd;
	struct machine machines[MACHINES];
	unsigned int nr;
	uint64_t limit, per_domain;
	unsigned int first;		/* machines of the first wave */
	uint64_t quorum_ms;		/* when it's back; 0: it's there */
	bool stopped;
	uint64_t rollout_revision;	/* that was read last */
	unsigned int hang, fail;	/* of 1000 upgrades */
	struct event events[EVENTS];
	size_t nr_events;
	struct machine *current;
	char bad[256];
};

static struct world *world;
static struct etcd_model *etcd;
static struct {
	uint64_t begun, failed, over, lost, halted, finished, aborted, deaths, most;
} count;

static uint64_t draw(uint64_t below)
{
	return etcd_model_draw(&etcd->lot, below);
}

static void record(enum kind kind, const struct machine *machine, bool well)
{
	ck_assert_uint_lt(world->nr_events, EVENTS);
	world->events[world->nr_events++] = (struct event){
		etcd->now_ms, kind, machine ? (unsigned int)(machine - world->machines) : 0, well };
}

/* ---- a machine ---- */

static uint64_t mono_ms(void *ctx)
{
	(void)ctx;
	return etcd->now_ms + 1;
}

static uint64_t now_ms(void *ctx)
{
	const struct machine *machine = ctx;

	return (uint64_t)((int64_t)(BEGAN_MS + etcd->now_ms) + machine->skew_ms);
}

static int ask_agent(const struct machine *machine, struct kho_err *err)
{
	return etcd->now_ms < machine->silent_ms ? kho_fail(err, -EAGAIN, "no answer") : 0;
}

/* What is over by now, is over. */
static void settle(struct machine *machine)
{
	if (!machine->upgrading || etcd->now_ms < machine->ends_ms)
		return;
	machine->upgrading = false;
	machine->done = true;
	record(END, machine, machine->well);
	/* another kernel: its daemon begins anew */
	if (machine->well)
		machine->boots++;
}

static int look(void *ctx, const struct kho_rollout_spec *spec, uint64_t since_ms,
		struct kho_fleet_facts *facts, struct kho_err *err)
{
	struct machine *machine = ctx;
	uint64_t began = (uint64_t)((int64_t)(BEGAN_MS + machine->began_ms) + machine->skew_ms);

	(void)spec;
	settle(machine);
	if (ask_agent(machine, err) < 0)
		return -EAGAIN;
	facts->machine = machine->upgrading ? KHO_MACHINE_UPGRADING : KHO_MACHINE_IDLE;
	if (machine->done && began >= since_ms)
		facts->result = machine->well ? KHO_FLEET_RESULT_DONE : KHO_FLEET_RESULT_FAILED;
	facts->blackout_ms = facts->result == KHO_FLEET_RESULT_DONE ? machine->blackout_ms : 0;
	snprintf(facts->message, sizeof(facts->message), "simulated");
	return 0;
}

static int start(void *ctx, const struct kho_rollout_spec *spec, struct kho_err *err)
{
	struct machine *machine = ctx;

	(void)spec;
	settle(machine);
	if (ask_agent(machine, err) < 0)
		return -EAGAIN;
	if (machine->upgrading)
		return kho_fail(err, -EBUSY, "one is under way");
	/* its record may have said Busy when it was tried again, and not that it had been lost */
	if (machine->done && machine->well && !machine->silent_ms && !*world->bad)
		snprintf(world->bad, sizeof(world->bad), "%s is upgraded to what it runs",
			 machine->spec.id);
	count.begun++;
	machine->upgrading = true;
	machine->done = false;
	machine->began_ms = etcd->now_ms;
	machine->well = draw(1000) >= world->fail;
	machine->ends_ms = etcd->now_ms + 5000 + draw(60000);
	/* some are over the budget */
	machine->blackout_ms = 1 + draw(BUDGET_MS + BUDGET_MS / 20);
	if (draw(1000) < world->hang) {
		machine->well = false;
		machine->ends_ms = etcd->now_ms + (DEADLINE_SEC + UNDO_SEC) * 1000;
	}
	record(BEGIN, machine, false);
	/* it began, and nobody heard */
	return draw(100) ? 0 : kho_fail(err, -EAGAIN, "no answer");
}

static int abort_it(void *ctx, const char *why, struct kho_err *err)
{
	struct machine *machine = ctx;
	uint64_t undone = etcd->now_ms + draw(UNDO_SEC * 1000);

	(void)why;
	settle(machine);
	if (ask_agent(machine, err) < 0)
		return -EAGAIN;
	if (machine->upgrading && undone < machine->ends_ms) {
		machine->well = false;
		machine->ends_ms = undone;
	}
	return 0;
}

static bool is_over_budget(const struct machine *machine)
{
	return machine->done && machine->well && machine->blackout_ms > BUDGET_MS;
}

static enum kho_verdict check(void *ctx, const struct kho_rollout_spec *spec, enum kho_ask ask,
			      char message[KHO_FLEET_MESSAGE])
{
	const struct machine *machine = ctx;

	(void)spec;
	(void)message;
	return ask == KHO_ASK_BUDGET && is_over_budget(machine) ? KHO_VERDICT_BAD : KHO_VERDICT_GOOD;
}

static const struct kho_machine_ops machine_ops = {
	.now_ms = now_ms, .mono_ms = mono_ms, .look = look, .start = start, .abort = abort_it,
	.check = check,
};

static void boot(struct machine *machine)
{
	snprintf(machine->spec.boot, sizeof(machine->spec.boot), "boot-%llu",
		 (unsigned long long)machine->boots);
	memset(&machine->member, 0, sizeof(machine->member));
	machine->client.seen = SIZE_MAX;
	machine->booted = machine->boots;
	ck_assert_int_eq(kho_member_init(&machine->member, &machine->spec,
					 (struct kho_etcd){ &etcd_model_ops, &machine->client }, NULL), 0);
	machine->member.machine = &machine_ops;
	machine->member.ctx = machine;
	machine->up = true;
}

static void kill_daemon(struct machine *machine, uint64_t down_ms)
{
	if (machine->up)
		kho_member_done(&machine->member);
	machine->up = false;
	machine->next_ms = etcd->now_ms + down_ms;
}

/* ---- faults ---- */

static void die(struct machine *machine)
{
	kill_daemon(machine, 0);
	machine->dead = true;
	count.deaths++;
	if (machine->upgrading) {
		machine->upgrading = false;
		record(END, machine, false);
	}
}

static void set_rollout(enum kho_rollout_state state, uint64_t round)
{
	char key[KHO_ETCD_KEY];
	const struct kho_etcd_kv *kv;
	static struct kho_rollout rollout;
	char *spec, *text;

	snprintf(key, sizeof(key), KHO_KEY_ROLLOUT, "default");
	kv = etcd_model_get(etcd, key);
	ck_assert_int_eq(kho_rollout_parse(kv->value, kv->size, &rollout, NULL), 0);
	ck_assert_int_eq(kho_rollout_spec_text(kv->value, kv->size, &spec, NULL), 0);
	rollout.state = state;
	rollout.round += round;
	ck_assert_int_eq(kho_rollout_format(&rollout, spec, &text, NULL), 0);
	etcd_model_put(etcd, key, text);
	free(spec);
	free(text);
}

static enum kho_rollout_state rollout_state(void)
{
	static struct kho_rollout rollout;
	const struct kho_etcd_kv *kv = etcd_model_get(etcd, "kho/fleet/v1/default/rollout");

	/* read anew only when it has changed */
	if (kv->revision != world->rollout_revision)
		ck_assert_int_eq(kho_rollout_parse(kv->value, kv->size, &rollout, NULL), 0);
	world->rollout_revision = kv->revision;
	return rollout.state;
}

static void operate(void)
{
	enum kho_rollout_state state = rollout_state();

	if (etcd->no_quorum)
		return;
	if (state == KHO_ROLLOUT_RUNNING && !draw(20)) {
		count.aborted++;
		set_rollout(KHO_ROLLOUT_ABORTED, 0);
	} else if (state == KHO_ROLLOUT_RUNNING) {
		set_rollout(KHO_ROLLOUT_PAUSED, 0);
	} else if (state == KHO_ROLLOUT_HALTED) {
		set_rollout(KHO_ROLLOUT_RUNNING, 1);
	}
}

static void cause_fault(void)
{
	struct machine *machine = &world->machines[draw(world->nr)];

	switch (draw(9)) {
	case 0: case 1:
		if (!machine->dead)
			kill_daemon(machine, draw(10) ? draw(30000) : draw(400000));
		break;
	case 2: case 3:
		machine->client.cut = true;
		machine->heals_ms = etcd->now_ms + (draw(3) ? draw(60000) : draw(400000));
		break;
	case 4:
		etcd_model_quorum(etcd, false);
		world->quorum_ms = etcd->now_ms + draw(120000);
		break;
	case 5:
		/* a member of etcd is lost: its watches are, too */
		for (unsigned int i = 0; i < world->nr; i++)
			if (draw(2))
				world->machines[i].client.seen = SIZE_MAX;
		break;
	case 6:
		if (!draw(6) && !machine->dead)
			die(machine);
		break;
	case 7:
		machine->silent_ms = etcd->now_ms + (draw(3) ? draw(60000) : draw(400000));
		break;
	default:
		operate();
	}
}

/* ---- a run ---- */

static void set_up(uint64_t seed)
{
	char key[KHO_ETCD_KEY], spec[1024], *text;
	struct kho_rollout rollout = { .owner = "sim" };
	unsigned int percent;

	memset(world, 0, sizeof(*world));
	etcd_model_init(etcd, seed | 1);
	world->etcd = etcd;
	world->nr = 3 + (unsigned int)draw(MACHINES - 2);
	percent = 10 + (unsigned int)draw(41);
	world->limit = world->nr * percent / 100 ?: 1;
	world->per_domain = 1 + draw(2);
	world->first = draw(2) ? 1 : 2 + (unsigned int)draw(2);
	world->hang = (unsigned int)draw(100);
	world->fail = (unsigned int)draw(100);
	snprintf(spec, sizeof(spec), "{\"schema\":1,\"id\":\"k\",\"image\":\"/i\",\"digest\":\"" DIGEST
		 "\",\"concurrency\":\"%u%%\",\"per_domain\":{\"label\":\"rack\",\"max\":%u},"
		 "\"waves\":[{\"name\":\"first\",\"size\":%u}],"
		 "\"soak_sec\":%u,\"halt_failures\":%u,\"deadline_sec\":%u,\"undo_sec\":%u,"
		 "\"blackout_ms\":%u}", percent, (unsigned int)world->per_domain, world->first,
		 SOAK_SEC, 1 + (unsigned int)draw(4), DEADLINE_SEC,
		 UNDO_SEC, BUDGET_MS);
	ck_assert_int_eq(kho_rollout_format(&rollout, spec, &text, NULL), 0);
	snprintf(key, sizeof(key), KHO_KEY_ROLLOUT, "default");
	for (unsigned int i = 0; i < world->nr; i++) {
		struct machine *machine = &world->machines[i];
		struct kho_node node = {};
		char *entry;

		snprintf(machine->spec.id, sizeof(machine->spec.id), "m%02u", i);
		snprintf(machine->spec.group, sizeof(machine->spec.group), "default");
		kho_labels_add(&machine->spec.labels, i % 3 ? i % 3 == 1 ? "rack=1" : "rack=2" : "rack=0",
			       NULL);
		machine->spec.ttl_sec = 10;
		machine->skew_ms = (int64_t)draw(4000) - 2000;
		machine->client = (struct etcd_model_client){ .model = etcd, .seen = SIZE_MAX,
			.lose = (unsigned int)draw(60), .slow = (unsigned int)draw(20),
			.lag = (unsigned int)draw(500) };
		machine->next_ms = draw(20000);
		/* all are known from the beginning, so that percent are of all */
		node.labels = machine->spec.labels;
		ck_assert_int_eq(kho_node_format(&node, &entry, NULL), 0);
		snprintf(node.id, sizeof(node.id), "%s", machine->spec.id);
		char name[KHO_ETCD_KEY];

		snprintf(name, sizeof(name), KHO_KEY_NODE, "default", node.id);
		etcd_model_put(etcd, name, entry);
		free(entry);
	}
	etcd_model_put(etcd, key, text);
	free(text);
}

static void heal(void)
{
	if (world->quorum_ms && etcd->now_ms >= world->quorum_ms) {
		world->quorum_ms = 0;
		etcd_model_quorum(etcd, true);
	}
	for (unsigned int i = 0; i < world->nr; i++) {
		struct machine *machine = &world->machines[i];

		settle(machine);
		if (machine->heals_ms && etcd->now_ms >= machine->heals_ms) {
			machine->heals_ms = 0;
			machine->client.cut = false;
		}
	}
}

static void run_daemon(struct machine *machine)
{
	uint32_t wait_ms;

	/* the upgrade was over in the meantime */
	if (machine->up && machine->booted != machine->boots) {
		kill_daemon(machine, draw(20000));
		return;
	}
	if (!machine->up)
		boot(machine);
	kho_member_step(&machine->member, &wait_ms, NULL);
	machine->next_ms = etcd->now_ms + 1 + wait_ms / 2 + draw(wait_ms / 2 + 1);
	settle(machine);
	if (machine->booted != machine->boots)
		kill_daemon(machine, draw(20000));
}

/* When the rollout stops, and goes on, as etcd has it. */
static void note_state(void)
{
	bool stopped = rollout_state() != KHO_ROLLOUT_RUNNING;

	if (stopped != world->stopped)
		record(stopped ? STOP : GO, NULL, false);
	world->stopped = stopped;
}

static struct machine *next_machine(void)
{
	struct machine *next = NULL;

	for (unsigned int i = 0; i < world->nr; i++) {
		struct machine *machine = &world->machines[i];

		if (!machine->dead && (!next || machine->next_ms < next->next_ms))
			next = machine;
	}
	return next;
}

static bool any_slot(void)
{
	char prefix[KHO_ETCD_KEY];

	snprintf(prefix, sizeof(prefix), KHO_KEY_SLOTS, "default");
	for (size_t i = 0; i < etcd->nr_keys; i++)
		if (strncmp(etcd->keys[i].key, prefix, strlen(prefix)) == 0)
			return true;
	return false;
}

static void read_node(const struct machine *machine, struct kho_node *ret)
{
	char key[KHO_ETCD_KEY];
	const struct kho_etcd_kv *kv;

	snprintf(key, sizeof(key), KHO_KEY_NODE, "default", machine->spec.id);
	kv = etcd_model_get(etcd, key);
	ck_assert_int_eq(kho_node_parse(kv->value, kv->size, ret, NULL), 0);
}

/* But for those that are dead, or don't begin again for their budget: they keep a rollout open. */
static bool all_have_ended(void)
{
	for (unsigned int i = 0; i < world->nr; i++) {
		struct kho_node node = {};

		read_node(&world->machines[i], &node);
		if (!world->machines[i].dead && node.status.state < KHO_NODE_DONE &&
		    !is_over_budget(&world->machines[i]))
			return false;
	}
	return true;
}

/* Nothing is under way, and nothing can begin any more. */
static bool is_over(void)
{
	enum kho_rollout_state state = rollout_state();

	if (any_slot())
		return false;
	if (state == KHO_ROLLOUT_DONE || state == KHO_ROLLOUT_ABORTED)
		return true;
	if (etcd->now_ms < FAULTS_END_MS)
		return false;
	return state == KHO_ROLLOUT_HALTED || (state == KHO_ROLLOUT_RUNNING && all_have_ended());
}

static void run(void)
{
	uint64_t fault_ms = 30000 + draw(60000);

	while (etcd->now_ms < RUN_MS) {
		struct machine *machine = next_machine();

		if (!machine)
			return;
		etcd_model_advance(etcd, machine->next_ms);
		heal();
		run_daemon(machine);
		note_state();
		if (etcd->now_ms >= fault_ms && etcd->now_ms < FAULTS_END_MS) {
			cause_fault();
			note_state();
			fault_ms = etcd->now_ms + 5000 + draw(120000);
		}
		/* whoever paused it, resumes it */
		if (rollout_state() == KHO_ROLLOUT_PAUSED && !etcd->no_quorum && !draw(50))
			set_rollout(KHO_ROLLOUT_RUNNING, 0);
		note_state();
		if (is_over())
			return;
	}
	snprintf(world->bad, sizeof(world->bad), "it doesn't end: %s",
		 kho_rollout_state_name(rollout_state()));
}

/* ---- the history, checked ---- */

static void check_begin(const struct event *event, const unsigned int *in_domain, unsigned int all,
			uint64_t stopped_ms, uint64_t canary_ms)
{
	unsigned int domain = event->machine % 3;

	if (all > world->limit)
		snprintf(world->bad, sizeof(world->bad), "%u machines at %llu ms, %llu allowed", all,
			 (unsigned long long)event->ms, (unsigned long long)world->limit);
	if (in_domain[domain] > world->per_domain)
		snprintf(world->bad, sizeof(world->bad), "%u machines of one domain", in_domain[domain]);
	if (stopped_ms && event->ms > stopped_ms + KHO_FLEET_START_MS)
		snprintf(world->bad, sizeof(world->bad), "machine %u begins though the rollout stopped",
			 event->machine);
	/* whoever comes after the canary: 4 s are for clocks that differ */
	if (all > world->first && !canary_ms)
		snprintf(world->bad, sizeof(world->bad), "machine %u begins beside the canary",
			 event->machine);
	if (canary_ms && event->ms + 4000 < canary_ms + SOAK_SEC * 1000 && all > 1 && world->first == 1)
		snprintf(world->bad, sizeof(world->bad), "machine %u begins in the canary's soak",
			 event->machine);
}

static void check_history(void)
{
	unsigned int in_domain[3] = {}, all = 0;
	uint64_t stopped_ms = 0, canary_ms = 0;

	for (size_t i = 0; i < world->nr_events && !*world->bad; i++) {
		const struct event *event = &world->events[i];
		bool begin = event->kind == BEGIN;

		if (event->kind == STOP || event->kind == GO) {
			stopped_ms = event->kind == STOP ? event->ms : 0;
			count.halted += event->kind == STOP;
			continue;
		}
		all += begin ? 1 : -1u;
		in_domain[event->machine % 3] += begin ? 1 : -1u;
		if (begin)
			check_begin(event, in_domain, all, stopped_ms, canary_ms);
		if (begin && all > count.most)
			count.most = all;
		if (event->kind == END && event->well && !canary_ms)
			canary_ms = event->ms;
		count.failed += event->kind == END && !event->well;
	}
}

/* Who was over the budget has failed by that, and nobody who wasn't. */
static void check_budget(void)
{
	for (unsigned int i = 0; i < world->nr && !*world->bad; i++) {
		struct kho_node node = {};
		bool over, upgraded;

		read_node(&world->machines[i], &node);
		over = strcmp(node.status.reason, "OverBudget") == 0;
		upgraded = strcmp(node.status.reason, "Upgraded") == 0;
		if ((over && node.status.blackout_ms <= BUDGET_MS && node.status.state == KHO_NODE_FAILED) ||
		    (upgraded && (node.status.blackout_ms > BUDGET_MS || !node.status.blackout_ms)))
			snprintf(world->bad, sizeof(world->bad), "machine %u stood still for %llu ms and is "
				 "%s", i, (unsigned long long)node.status.blackout_ms, node.status.reason);
		count.over += over && node.status.state == KHO_NODE_FAILED;
	}
}

/* What is done, is done by its own rules. */
static void check_done(void)
{
	static struct kho_fleet_cache cache;
	struct kho_etcd_kvs kvs = { .of = etcd->keys, .nr = etcd->nr_keys };
	struct kho_tally tally;

	if (*world->bad || rollout_state() != KHO_ROLLOUT_DONE)
		return;
	snprintf(cache.group, sizeof(cache.group), "default");
	ck_assert_int_eq(kho_fleet_cache_fill(&cache, &kvs, 1, NULL), 0);
	ck_assert_int_eq(kho_fleet_tally(&cache.view, NULL, &tally, NULL), 0);
	if (tally.waves[0].ended > tally.waves[0].done ||
	    tally.failures >= cache.view.rollout.spec.halt_failures)
		snprintf(world->bad, sizeof(world->bad), "it's done with %zu failed, %zu of the first wave",
			 tally.failures, tally.waves[0].ended - tally.waves[0].done);
	kho_fleet_cache_done(&cache);
}

/* Where everything is, when something's wrong. */
static void tell(void)
{
	for (unsigned int i = 0; i < world->nr; i++) {
		struct machine *machine = &world->machines[i];
		struct kho_node node = {};

		read_node(machine, &node);
		fprintf(stderr, "%s: %s (%s); %s%s%slast \"%s\": %s\n", machine->spec.id,
		       kho_node_state_name(node.status.state), node.status.reason,
		       machine->dead ? "dead, " : "", machine->up ? "" : "down, ",
		       machine->upgrading ? "upgrading, " : "",
		       machine->up ? machine->member.last.reason ?: "" : "",
		       machine->up ? machine->member.last.message : "");
	}
}

static void tear_down(void)
{
	count.finished += rollout_state() == KHO_ROLLOUT_DONE;
	for (unsigned int i = 0; i < world->nr; i++) {
		struct kho_node node = {};

		read_node(&world->machines[i], &node);
		count.lost += node.status.state == KHO_NODE_LOST;
		if (world->machines[i].up)
			kho_member_done(&world->machines[i].member);
	}
	etcd_model_done(etcd);
}

START_TEST(rollouts)
{
	const char *text = getenv("SIM_SEED");
	uint64_t first = text ? strtoull(text, NULL, 0) : 1;

	for (uint64_t i = 0; i < RUNS; i++) {
		set_up((first + i) * SPREAD);
		run();
		check_history();
		check_budget();
		check_done();
		if (*world->bad)
			tell();
		ck_assert_msg(!*world->bad, "SIM_SEED=%llu: %s", (unsigned long long)(first + i),
			      world->bad);
		tear_down();
	}
	printf("%u rollouts: %llu upgrades begun, %llu failed, %llu machines over the budget at the end, "
	       "%llu lost for good, %llu died, "
	       "%llu stops, %llu aborted, %llu finished; at most %llu at a time\n", RUNS,
	       (unsigned long long)count.begun, (unsigned long long)count.failed,
	       (unsigned long long)count.over,
	       (unsigned long long)count.lost, (unsigned long long)count.deaths,
	       (unsigned long long)count.halted, (unsigned long long)count.aborted,
	       (unsigned long long)count.finished, (unsigned long long)count.most);
	ck_assert_uint_gt(count.lost, 0);
	ck_assert_uint_gt(count.over, 0);
	ck_assert_uint_gt(count.finished, 0);
	ck_assert_uint_gt(count.most, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fleets by lot");
	TCase *tc = tcase_create("rollouts");

	world = calloc(1, sizeof(*world));
	etcd = calloc(1, sizeof(*etcd));
	tcase_set_timeout(tc, TIME_LIMIT);
	tcase_add_test(tc, rollouts);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
