// SPDX-License-Identifier: GPL-2.0-only
/* Each rule by which a machine goes on, alone: a few machines, one thing changed. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/decide.h"
#include "tests/unit/run.h"

#define NR	5u
#define NOW	1764120000000ull
#define MONO	50000000ull
#define DIGEST	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct kho_node nodes[NR];
static struct kho_node *pointers[NR];
static struct kho_fleet_view view;
static struct kho_fleet_facts facts;
static struct kho_semaphore semaphore;
static struct kho_decision decision;
static struct kho_err err;

/* Five machines a to e, all there; a is to be the canary. */
static void setup(void)
{
	memset(nodes, 0, sizeof(nodes));
	memset(&semaphore, 0, sizeof(semaphore));
	view = (struct kho_fleet_view){ .has_rollout = true, .nodes = pointers, .nr = NR };
	view.rollout.spec = (struct kho_rollout_spec){
		.id = "r", .group = "default", .digest = DIGEST, .nr_waves = 2,
		.waves = { { .name = "canary", .size = { .number = 1 }, .soak_sec = 60 },
			   { .name = "all" } },
		.concurrency = { .number = 2 }, .halt_failures = 2, .deadline_sec = 100, .undo_sec = 10,
	};
	facts = (struct kho_fleet_facts){ .now_ms = NOW, .mono_ms = MONO, .window_open = true,
					  .image = KHO_VERDICT_GOOD };
	for (unsigned int i = 0; i < NR; i++) {
		pointers[i] = &nodes[i];
		snprintf(nodes[i].id, sizeof(nodes[i].id), "%c", 'a' + i);
		nodes[i].live = true;
	}
}

static void put(unsigned int i, enum kho_node_state state, uint64_t since_ms)
{
	snprintf(nodes[i].status.rollout, sizeof(nodes[i].status.rollout), "r");
	nodes[i].status.state = state;
	nodes[i].status.since_ms = since_ms;
	nodes[i].status.taken_ms = state >= KHO_NODE_TAKEN ? NOW - 100000 + i : 0;
	nodes[i].has_slot = state == KHO_NODE_TAKEN || state == KHO_NODE_UPGRADING;
	if (!nodes[i].has_slot)
		return;
	snprintf(nodes[i].slot_rollout, sizeof(nodes[i].slot_rollout), "r");
	nodes[i].slot_since_ms = since_ms;
	nodes[i].slot_deadline_ms = 100000;
	nodes[i].slot_lost_ms = kho_rollout_lost_ms(&view.rollout.spec);
}

/* The canary is through, and its soak has passed. */
static void canary_done(void)
{
	put(0, KHO_NODE_DONE, NOW - 60000);
}

static void expect(unsigned int me, enum kho_action action, const char *reason)
{
	ck_assert_int_eq(kho_fleet_decide(&view, &nodes[me], &facts, &semaphore, &decision, &err), 0);
	ck_assert_msg(decision.action == action && strcmp(decision.reason, reason) == 0,
		      "%s: action %d, \"%s\": %s", nodes[me].id, decision.action, decision.reason,
		      decision.message);
}

START_TEST(nothing_to_do)
{
	view.has_rollout = false;
	expect(0, KHO_ACTION_WAIT, "NoRollout");
	view.has_rollout = true;
	ck_assert_int_eq(kho_labels_add(&view.rollout.spec.selector, "role=db", &err), 0);
	expect(0, KHO_ACTION_WAIT, "NotSelected");
}
END_TEST

START_TEST(canary_first)
{
	expect(0, KHO_ACTION_TAKE, "SlotFree");
	for (unsigned int i = 1; i < NR; i++)
		expect(i, KHO_ACTION_WAIT, "EarlierWave");
	put(0, KHO_NODE_UPGRADING, NOW);
	expect(1, KHO_ACTION_WAIT, "EarlierWave");
}
END_TEST

START_TEST(canary_soaks)
{
	put(0, KHO_NODE_DONE, NOW - 59999);
	expect(1, KHO_ACTION_WAIT, "Soaking");
	canary_done();
	expect(1, KHO_ACTION_TAKE, "SlotFree");
}
END_TEST

/* Whoever was a canary stays one, though "0" comes before it by name. */
START_TEST(canary_stays)
{
	canary_done();
	snprintf(nodes[1].id, sizeof(nodes[1].id), "0");
	pointers[0] = &nodes[1];
	pointers[1] = &nodes[0];
	expect(1, KHO_ACTION_TAKE, "SlotFree");
}
END_TEST

START_TEST(canary_fails)
{
	put(0, KHO_NODE_FAILED, NOW - 90000);
	snprintf(nodes[0].status.reason, sizeof(nodes[0].status.reason), "UpgradeFailed");
	expect(1, KHO_ACTION_HALT, "TooManyFailures");
	ck_assert_str_eq(decision.message, "1 failed: a (UpgradeFailed)");
	view.rollout.state = KHO_ROLLOUT_HALTED;
	expect(1, KHO_ACTION_WAIT, "NotRunning");
	/* resumed: it's tried again */
	view.rollout.state = KHO_ROLLOUT_RUNNING;
	view.rollout.round = 1;
	expect(0, KHO_ACTION_TAKE, "SlotFree");
	expect(1, KHO_ACTION_WAIT, "EarlierWave");
}
END_TEST

START_TEST(slots)
{
	canary_done();
	expect(1, KHO_ACTION_TAKE, "SlotFree");
	expect(2, KHO_ACTION_TAKE, "SlotFree");
	expect(3, KHO_ACTION_WAIT, "NotItsTurn");
	put(1, KHO_NODE_TAKEN, NOW);
	expect(2, KHO_ACTION_TAKE, "SlotFree");
	expect(3, KHO_ACTION_WAIT, "NotItsTurn");
	put(2, KHO_NODE_UPGRADING, NOW);
	expect(3, KHO_ACTION_WAIT, "NoSlot");
	ck_assert_str_eq(decision.message, "2 of 2 slots are taken");
	/* who can't, or isn't there, is nobody's turn */
	setup();
	canary_done();
	put(1, KHO_NODE_BLOCKED, NOW);
	nodes[2].live = false;
	expect(3, KHO_ACTION_TAKE, "SlotFree");
	expect(4, KHO_ACTION_TAKE, "SlotFree");
}
END_TEST

START_TEST(slots_of_others)
{
	canary_done();
	ck_assert_int_eq(kho_semaphore_add(&semaphore, "someone", &err), 0);
	expect(1, KHO_ACTION_TAKE, "SlotFree");
	expect(2, KHO_ACTION_WAIT, "NotItsTurn");
	ck_assert_int_eq(kho_semaphore_add(&semaphore, "someone-else", &err), 0);
	expect(1, KHO_ACTION_WAIT, "NoSlot");
	semaphore.nr = 1;
	semaphore.total = 1;
	expect(1, KHO_ACTION_TAKE, "SlotFree");
	view.rollout.spec.share_slots = true;
	expect(1, KHO_ACTION_WAIT, "NoSlot");
}
END_TEST

START_TEST(percent)
{
	canary_done();
	view.rollout.spec.concurrency = (struct kho_share){ .number = 39, .percent = true };
	expect(1, KHO_ACTION_TAKE, "SlotFree");
	expect(2, KHO_ACTION_WAIT, "NotItsTurn");
	view.rollout.spec.concurrency.number = 40;
	expect(2, KHO_ACTION_TAKE, "SlotFree");
}
END_TEST

START_TEST(domains)
{
	canary_done();
	view.rollout.spec.concurrency.number = 4;
	snprintf(view.rollout.spec.domain, sizeof(view.rollout.spec.domain), "rack");
	view.rollout.spec.per_domain.number = 1;
	for (unsigned int i = 0; i < NR; i++)
		ck_assert_int_eq(kho_labels_add(&nodes[i].labels, i % 2 ? "rack=1" : "rack=2", &err), 0);
	put(1, KHO_NODE_UPGRADING, NOW);
	expect(3, KHO_ACTION_WAIT, "DomainFull");
	expect(2, KHO_ACTION_TAKE, "SlotFree");
}
END_TEST

START_TEST(blocked_and_back)
{
	facts.image = KHO_VERDICT_UNKNOWN;
	expect(0, KHO_ACTION_LOOK, "Looking");
	ck_assert_int_eq(decision.ask, KHO_ASK_IMAGE);
	facts.image = KHO_VERDICT_BAD;
	expect(0, KHO_ACTION_REPORT, "ImageMissing");
	ck_assert_int_eq(decision.state, KHO_NODE_BLOCKED);
	put(0, KHO_NODE_BLOCKED, NOW);
	snprintf(nodes[0].status.reason, sizeof(nodes[0].status.reason), "ImageMissing");
	expect(0, KHO_ACTION_WAIT, "ImageMissing");
	facts.image = KHO_VERDICT_GOOD;
	expect(0, KHO_ACTION_REPORT, "Ready");
	ck_assert_int_eq(decision.state, KHO_NODE_PENDING);
}
END_TEST

START_TEST(gates_before)
{
	view.rollout.spec.nr_gates = 1;
	expect(0, KHO_ACTION_LOOK, "Looking");
	ck_assert_int_eq(decision.ask, KHO_ASK_BEFORE);
	facts.before = KHO_VERDICT_BAD;
	expect(0, KHO_ACTION_REPORT, "GateFailed");
	facts.before = KHO_VERDICT_GOOD;
	expect(0, KHO_ACTION_TAKE, "SlotFree");
}
END_TEST

START_TEST(not_now)
{
	facts.window_open = false;
	expect(0, KHO_ACTION_WAIT, "OutsideWindow");
	facts.window_open = true;
	facts.outdated = true;
	expect(0, KHO_ACTION_WAIT, "NotRegistered");
	facts.outdated = false;
	facts.machine = KHO_MACHINE_BUSY;
	expect(0, KHO_ACTION_REPORT, "Busy");
	facts.machine = KHO_MACHINE_IDLE;
	for (int i = KHO_ROLLOUT_PAUSED; i < _KHO_ROLLOUT_STATE_MAX; i++) {
		view.rollout.state = (enum kho_rollout_state)i;
		expect(0, KHO_ACTION_WAIT, "NotRunning");
	}
}
END_TEST

START_TEST(begins)
{
	put(0, KHO_NODE_TAKEN, NOW);
	facts.fresh = true;
	expect(0, KHO_ACTION_START, "Starting");
	view.rollout.state = KHO_ROLLOUT_PAUSED;
	expect(0, KHO_ACTION_RELEASE, "GivenBack");
	ck_assert_int_eq(decision.state, KHO_NODE_PENDING);
	view.rollout.state = KHO_ROLLOUT_RUNNING;
	facts.fresh = false;
	expect(0, KHO_ACTION_RELEASE, "GivenBack");
	nodes[0].status.attempts = 3;
	expect(0, KHO_ACTION_RELEASE, "NeverBegan");
	ck_assert_int_eq(decision.state, KHO_NODE_FAILED);
	/* the slot is of a rollout that was taken away */
	nodes[0].status.attempts = 1;
	facts.fresh = true;
	snprintf(nodes[0].slot_rollout, sizeof(nodes[0].slot_rollout), "other");
	expect(0, KHO_ACTION_RELEASE, "GivenBack");
}
END_TEST

/*
 * Another daemon is registered by this name. What this one knows is of its own machine, while
 * record and slot may be of the other one: it may end its own upgrade, and write nothing.
 */
START_TEST(not_registered)
{
	facts.outdated = true;
	facts.fresh = true;
	put(0, KHO_NODE_TAKEN, NOW);
	expect(0, KHO_ACTION_WAIT, "NotRegistered");
	nodes[0].status.attempts = 3;
	expect(0, KHO_ACTION_WAIT, "NotRegistered");
	put(0, KHO_NODE_UPGRADING, NOW);
	expect(0, KHO_ACTION_WAIT, "NotRegistered");
	facts.result = KHO_FLEET_RESULT_DONE;
	expect(0, KHO_ACTION_WAIT, "NotRegistered");
	facts.result = KHO_FLEET_RESULT_FAILED;
	expect(0, KHO_ACTION_WAIT, "NotRegistered");
	facts.machine = KHO_MACHINE_UPGRADING;
	expect(0, KHO_ACTION_WAIT, "Upgrading");
	facts.held_ms = 100001;
	expect(0, KHO_ACTION_ABORT, "DeadlinePassed");
	facts.machine = KHO_MACHINE_IDLE;
	/* nor does it say of the other one that it's there already */
	put(0, KHO_NODE_PENDING, NOW);
	memcpy(facts.digest, DIGEST, sizeof(DIGEST));
	expect(0, KHO_ACTION_WAIT, "NotRegistered");
	/* nobody is registered: the slot is that of a daemon that's gone, and this one goes on */
	nodes[0].live = false;
	put(0, KHO_NODE_UPGRADING, NOW);
	facts.result = KHO_FLEET_RESULT_FAILED;
	expect(0, KHO_ACTION_RELEASE, "UpgradeFailed");
}
END_TEST

START_TEST(upgrades)
{
	put(0, KHO_NODE_TAKEN, NOW);
	facts.machine = KHO_MACHINE_UPGRADING;
	expect(0, KHO_ACTION_REPORT, "Upgrading");
	put(0, KHO_NODE_UPGRADING, NOW);
	expect(0, KHO_ACTION_WAIT, "Upgrading");
	/* whatever becomes of the rollout */
	view.rollout.state = KHO_ROLLOUT_ABORTED;
	expect(0, KHO_ACTION_WAIT, "Upgrading");
	facts.held_ms = 100001;
	expect(0, KHO_ACTION_ABORT, "DeadlinePassed");
	facts.held_ms = 0;
	nodes[0].slot_since_ms = NOW - 100001;
	expect(0, KHO_ACTION_ABORT, "DeadlinePassed");
	nodes[0].slot_since_ms = NOW;
	facts.machine = KHO_MACHINE_IDLE;
	facts.result = KHO_FLEET_RESULT_DONE;
	expect(0, KHO_ACTION_RELEASE, "Upgraded");
	ck_assert_int_eq(decision.state, KHO_NODE_DONE);
	facts.result = KHO_FLEET_RESULT_FAILED;
	expect(0, KHO_ACTION_RELEASE, "UpgradeFailed");
	ck_assert_int_eq(decision.state, KHO_NODE_FAILED);
	facts.result = KHO_FLEET_RESULT_NONE;
	expect(0, KHO_ACTION_RELEASE, "Vanished");
}
END_TEST

START_TEST(gates_after)
{
	view.rollout.spec.nr_gates = 1;
	view.rollout.spec.gates[0].after = true;
	put(0, KHO_NODE_UPGRADING, NOW);
	facts.machine = KHO_MACHINE_SOAK;
	expect(0, KHO_ACTION_LOOK, "Looking");
	ck_assert_int_eq(decision.ask, KHO_ASK_AFTER);
	facts.after = KHO_VERDICT_BAD;
	expect(0, KHO_ACTION_ABORT, "GateFailed");
	view.rollout.spec.stay = true;
	expect(0, KHO_ACTION_WAIT, "Upgrading");
	facts.machine = KHO_MACHINE_IDLE;
	facts.result = KHO_FLEET_RESULT_DONE;
	expect(0, KHO_ACTION_RELEASE, "GateFailed");
	ck_assert_int_eq(decision.state, KHO_NODE_FAILED);
	facts.after = KHO_VERDICT_GOOD;
	expect(0, KHO_ACTION_RELEASE, "Upgraded");
}
END_TEST

/* The slot is of a rollout that was taken away: the next one's gates aren't for its image. */
START_TEST(gates_of_another)
{
	view.rollout.spec.nr_gates = 1;
	view.rollout.spec.gates[0].after = true;
	put(0, KHO_NODE_UPGRADING, NOW);
	snprintf(nodes[0].slot_rollout, sizeof(nodes[0].slot_rollout), "other");
	facts.machine = KHO_MACHINE_SOAK;
	expect(0, KHO_ACTION_WAIT, "Upgrading");
	facts.after = KHO_VERDICT_BAD;
	expect(0, KHO_ACTION_WAIT, "Upgrading");
	facts.machine = KHO_MACHINE_IDLE;
	facts.result = KHO_FLEET_RESULT_DONE;
	expect(0, KHO_ACTION_RELEASE, "Upgraded");
	ck_assert_int_eq(decision.state, KHO_NODE_DONE);
	ck_assert(!decision.runs_target);
}
END_TEST

/* Before: what's likely to be too long doesn't begin. */
START_TEST(budget_before)
{
	view.rollout.spec.blackout_ms = 500;
	expect(0, KHO_ACTION_LOOK, "Looking");
	ck_assert_int_eq(decision.ask, KHO_ASK_BUDGET);
	facts.budget = KHO_VERDICT_BAD;
	snprintf(facts.budget_message, sizeof(facts.budget_message), "501 ms");
	expect(0, KHO_ACTION_REPORT, "OverBudget");
	ck_assert_int_eq(decision.state, KHO_NODE_BLOCKED);
	ck_assert_str_eq(decision.message, "501 ms");
	facts.budget = KHO_VERDICT_GOOD;
	expect(0, KHO_ACTION_TAKE, "SlotFree");
}
END_TEST

/* After: what was too long is a failure, though the image runs; it isn't done again. */
START_TEST(budget_after)
{
	view.rollout.spec.blackout_ms = 500;
	put(0, KHO_NODE_UPGRADING, NOW);
	facts.result = KHO_FLEET_RESULT_DONE;
	facts.blackout_ms = 500;
	expect(0, KHO_ACTION_RELEASE, "Upgraded");
	ck_assert(decision.runs_target);
	ck_assert_uint_eq(decision.blackout_ms, 500);
	facts.blackout_ms = 501;
	expect(0, KHO_ACTION_RELEASE, "OverBudget");
	ck_assert_int_eq(decision.state, KHO_NODE_FAILED);
	ck_assert(decision.runs_target);
	ck_assert_uint_eq(decision.blackout_ms, 501);
	/* the slot is of another rollout, which had a budget of its own, or none */
	snprintf(nodes[0].slot_rollout, sizeof(nodes[0].slot_rollout), "other");
	expect(0, KHO_ACTION_RELEASE, "Upgraded");
	/* nor is it of this one's image */
	ck_assert(!decision.runs_target);
	/* the canary stood still for too long: nobody else begins */
	put(0, KHO_NODE_FAILED, NOW);
	snprintf(nodes[0].status.reason, sizeof(nodes[0].status.reason), "OverBudget");
	expect(1, KHO_ACTION_HALT, "TooManyFailures");
	ck_assert_str_eq(decision.message, "1 failed: a (OverBudget)");
	/* resumed: it's there, and forgiven */
	view.rollout.round = 1;
	facts = (struct kho_fleet_facts){ .now_ms = NOW, .mono_ms = MONO, .window_open = true,
					  .digest = DIGEST, .budget = KHO_VERDICT_BAD };
	expect(0, KHO_ACTION_REPORT, "AlreadyThere");
}
END_TEST

START_TEST(lost)
{
	uint64_t lost_ms = kho_rollout_lost_ms(&view.rollout.spec);

	canary_done();
	put(1, KHO_NODE_UPGRADING, NOW);
	nodes[1].live = false;
	nodes[1].missing_since_ms = MONO - lost_ms + 1;
	expect(2, KHO_ACTION_TAKE, "SlotFree");
	nodes[1].missing_since_ms = MONO - lost_ms;
	expect(2, KHO_ACTION_FREE, "Lost");
	ck_assert_ptr_eq(decision.other, &nodes[1]);
	/* others than the first few that are there leave it to them */
	expect(4, KHO_ACTION_WAIT, "NotItsTurn");
	/* a rollout that isn't running frees slots, too */
	view.rollout.state = KHO_ROLLOUT_HALTED;
	expect(2, KHO_ACTION_FREE, "Lost");
	/* one that comes back with its upgrade still under way undoes it */
	view.rollout.state = KHO_ROLLOUT_RUNNING;
	put(1, KHO_NODE_LOST, NOW);
	nodes[1].live = true;
	facts.machine = KHO_MACHINE_UPGRADING;
	expect(1, KHO_ACTION_ABORT, "NoSlotAnyMore");
	facts.machine = KHO_MACHINE_IDLE;
	expect(1, KHO_ACTION_WAIT, "Lost");
	memcpy(facts.digest, DIGEST, sizeof(DIGEST));
	expect(1, KHO_ACTION_REPORT, "Recovered");
}
END_TEST

START_TEST(halts)
{
	canary_done();
	put(1, KHO_NODE_FAILED, NOW);
	expect(2, KHO_ACTION_TAKE, "SlotFree");
	put(3, KHO_NODE_LOST, NOW);
	expect(2, KHO_ACTION_HALT, "TooManyFailures");
	/* whoever doesn't look after that begins nothing until it's written down */
	expect(4, KHO_ACTION_WAIT, "Halting");
	/* one of the first wave that fails last: the wave is through, but halts all the same */
	setup();
	view.rollout.spec.waves[0].size.number = 2;
	put(0, KHO_NODE_DONE, NOW - 90000);
	put(1, KHO_NODE_FAILED, NOW - 80000);
	expect(2, KHO_ACTION_HALT, "TooManyFailures");
	expect(4, KHO_ACTION_WAIT, "Halting");
	/* resumed: it's tried again before the next wave */
	view.rollout.round = 1;
	expect(1, KHO_ACTION_TAKE, "SlotFree");
	expect(2, KHO_ACTION_WAIT, "EarlierWave");
	/* a wave in which nothing went well is no wave that's through */
	setup();
	canary_done();
	view.rollout.spec.nr_waves = 3;
	view.rollout.spec.waves[1] = (struct kho_wave){ .name = "second", .size = { .number = 1 } };
	view.rollout.spec.waves[2] = (struct kho_wave){ .name = "all" };
	put(1, KHO_NODE_FAILED, NOW);
	expect(2, KHO_ACTION_HALT, "TooManyFailures");
}
END_TEST

START_TEST(ends)
{
	memcpy(facts.digest, DIGEST, sizeof(DIGEST));
	expect(0, KHO_ACTION_REPORT, "AlreadyThere");
	for (unsigned int i = 0; i < NR; i++)
		put(i, KHO_NODE_DONE, NOW);
	put(3, KHO_NODE_FAILED, NOW);
	expect(0, KHO_ACTION_FINISH, "AllThrough");
	ck_assert_str_eq(decision.message, "5 machines are through, 1 of them failed");
	/* one that isn't there and has yet to be upgraded keeps it open */
	put(4, KHO_NODE_PENDING, NOW);
	nodes[4].live = false;
	expect(0, KHO_ACTION_WAIT, "Done");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		nothing_to_do, canary_first, canary_soaks, canary_stays, canary_fails, slots,
		slots_of_others, percent, domains, blocked_and_back, gates_before, not_now, begins,
		not_registered, upgrades, gates_after, gates_of_another, budget_before, budget_after, lost,
		halts, ends,
	};
	Suite *suite = suite_create("decisions of a machine");
	TCase *tc = tcase_create("rules");

	tcase_add_checked_fixture(tc, setup, NULL);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
