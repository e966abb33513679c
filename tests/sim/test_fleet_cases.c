// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fleets: what lots would draw too rarely, step by step, with the real member (fleet/member.c)
 * on an etcd in memory. Machines are played: each is at what its test says.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/keys.h"
#include "fleet/member.h"
#include "sim/etcd_model.h"
#include "unit/calm_machine.h"
#include "unit/run.h"

#define MACHINES	4u
#define DIGEST		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define BEGAN_MS	1764120000000ull
#define STEP_MS		2000u
#define TTL_SEC		10u
#define ROLLOUT		"kho/fleet/v1/default/rollout"
#define SLOT		"kho/fleet/v1/default/slots/%s"

struct machine {
	struct kho_member member;
	struct kho_member_spec spec;
	struct etcd_model_client client;
	enum kho_fleet_machine at;
	uint64_t began_ms;		/* of its last upgrade; 0: none */
	enum kho_fleet_result result;	/* likewise */
	unsigned int begun, aborted;
	bool silent;			/* its kho-agent doesn't answer */
};

static struct etcd_model *etcd;
static struct machine *machines;
static struct kho_err err;

/* ---- a machine ---- */

static uint64_t mono_ms(void *ctx)
{
	(void)ctx;
	return etcd->now_ms + 1;
}

static uint64_t now_ms(void *ctx)
{
	(void)ctx;
	return BEGAN_MS + etcd->now_ms;
}

static int look(void *ctx, const struct kho_rollout_spec *spec, uint64_t since_ms,
		struct kho_fleet_facts *facts, struct kho_err *e)
{
	const struct machine *machine = ctx;
	bool mine;

	(void)spec;
	if (machine->silent)
		return kho_fail(e, -EAGAIN, "no answer");
	mine = since_ms && machine->began_ms >= since_ms &&
	       machine->began_ms - since_ms <= KHO_FLEET_START_MS;
	facts->machine = mine || machine->at == KHO_MACHINE_IDLE ? machine->at : KHO_MACHINE_BUSY;
	if (mine && machine->at == KHO_MACHINE_IDLE)
		facts->result = machine->result;
	return 0;
}

static int start(void *ctx, const struct kho_rollout_spec *spec, struct kho_err *e)
{
	struct machine *machine = ctx;

	(void)spec;
	(void)e;
	machine->at = KHO_MACHINE_UPGRADING;
	machine->began_ms = now_ms(NULL);
	machine->begun++;
	return 0;
}

static int abort_it(void *ctx, const char *why, struct kho_err *e)
{
	struct machine *machine = ctx;

	(void)why;
	(void)e;
	machine->aborted++;
	return 0;
}

static const struct kho_machine_ops machine_ops = {
	.now_ms = now_ms, .mono_ms = mono_ms, .look = look, .start = start, .abort = abort_it,
	.check = calm_check,
};

/* Its daemon, of the kernel @boot; nothing is left of one that was there. */
static void boot(struct machine *machine, const char *id, const char *boot)
{
	kho_member_done(&machine->member);
	memset(&machine->member, 0, sizeof(machine->member));
	machine->spec = (struct kho_member_spec){ .group = "default", .ttl_sec = TTL_SEC };
	snprintf(machine->spec.id, sizeof(machine->spec.id), "%s", id);
	snprintf(machine->spec.boot, sizeof(machine->spec.boot), "%s", boot);
	machine->client = (struct etcd_model_client){ .model = etcd, .seen = SIZE_MAX };
	ck_assert_int_eq(kho_member_init(&machine->member, &machine->spec,
					 (struct kho_etcd){ &etcd_model_ops, &machine->client }, &err), 0);
	machine->member.machine = &machine_ops;
	machine->member.ctx = machine;
}

static void finish(struct machine *machine, enum kho_fleet_result result)
{
	machine->at = KHO_MACHINE_IDLE;
	machine->result = result;
}

/* ---- all together ---- */

static void setup(void)
{
	static const char spec[] = "{\"schema\":1,\"id\":\"k\",\"image\":\"/i\",\"digest\":\"" DIGEST "\","
		"\"deadline_sec\":100,\"undo_sec\":20}";
	struct kho_rollout rollout = { .owner = "test" };
	char *text;

	etcd = calloc(1, sizeof(*etcd));
	machines = calloc(MACHINES, sizeof(*machines));
	ck_assert(etcd && machines);
	etcd_model_init(etcd, 1);
	ck_assert_int_eq(kho_rollout_format(&rollout, spec, &text, &err), 0);
	etcd_model_put(etcd, ROLLOUT, text);
	free(text);
}

static void teardown(void)
{
	for (unsigned int i = 0; i < MACHINES; i++)
		kho_member_done(&machines[i].member);
	etcd_model_done(etcd);
	free(machines);
	free(etcd);
}

/* @nr machines from @first on, for @ms. */
static void step(unsigned int first, unsigned int nr, uint64_t ms)
{
	uint64_t end = etcd->now_ms + ms;
	uint32_t wait_ms;

	do {
		for (unsigned int i = first; i < first + nr; i++)
			kho_member_step(&machines[i].member, &wait_ms, &err);
		etcd_model_advance(etcd, etcd->now_ms + STEP_MS);
	} while (etcd->now_ms < end);
}

static bool has_slot(const char *id)
{
	char key[KHO_ETCD_KEY];

	snprintf(key, sizeof(key), SLOT, id);
	return etcd_model_get(etcd, key);
}

static void expect(const char *id, enum kho_node_state state, const char *reason)
{
	char key[KHO_ETCD_KEY];
	struct kho_node node = {};
	const struct kho_etcd_kv *kv;

	snprintf(key, sizeof(key), KHO_KEY_NODE, "default", id);
	kv = etcd_model_get(etcd, key);
	ck_assert_ptr_nonnull(kv);
	ck_assert_int_eq(kho_node_parse(kv->value, kv->size, &node, &err), 0);
	ck_assert_msg(node.status.state == state && strcmp(node.status.reason, reason) == 0,
		      "%s is %s (%s), not %s (%s)", id, kho_node_state_name(node.status.state),
		      node.status.reason, kho_node_state_name(state), reason);
}

static void expect_rollout(enum kho_rollout_state state)
{
	static struct kho_rollout rollout;
	const struct kho_etcd_kv *kv = etcd_model_get(etcd, ROLLOUT);

	ck_assert_int_eq(kho_rollout_parse(kv->value, kv->size, &rollout, &err), 0);
	ck_assert_int_eq(rollout.state, state);
}

/* ---- cases ---- */

/* Two machines of one name: the second one keeps its hands off the first one's slot. */
START_TEST(twins)
{
	boot(&machines[0], "m1", "boot-a");
	boot(&machines[1], "m1", "boot-b");
	step(0, 1, 3 * STEP_MS);
	ck_assert_uint_eq(machines[0].begun, 1);
	step(0, 2, 60000);
	ck_assert(has_slot("m1"));
	expect("m1", KHO_NODE_UPGRADING, "Upgrading");
	/* nor does it tell how its own last one went */
	machines[1].began_ms = machines[0].began_ms;
	finish(&machines[1], KHO_FLEET_RESULT_FAILED);
	step(0, 2, 10000);
	expect("m1", KHO_NODE_UPGRADING, "Upgrading");
	finish(&machines[0], KHO_FLEET_RESULT_DONE);
	step(0, 2, 10000);
	ck_assert(!has_slot("m1"));
	expect("m1", KHO_NODE_DONE, "Upgraded");
	ck_assert_uint_eq(machines[1].begun, 0);
}
END_TEST

/* The new kernel's daemon is there before the old one's lease has ended: it waits for that. */
START_TEST(next_kernel)
{
	boot(&machines[0], "m1", "boot-a");
	step(0, 1, 3 * STEP_MS);
	ck_assert(has_slot("m1"));
	boot(&machines[0], "m1", "boot-b");
	finish(&machines[0], KHO_FLEET_RESULT_DONE);
	step(0, 1, TTL_SEC * 500);
	ck_assert(has_slot("m1"));
	step(0, 1, TTL_SEC * 1000);
	ck_assert(!has_slot("m1"));
	expect("m1", KHO_NODE_DONE, "Upgraded");
}
END_TEST

/* Who has no kho-agent begins nothing, but looks after the others, and isn't waited for. */
START_TEST(silent_agents)
{
	static const char *const ids[] = { "m1", "m2", "m3" };

	boot(&machines[3], "m4", "boot-d");
	step(3, 1, 3 * STEP_MS);
	ck_assert(has_slot("m4"));
	for (unsigned int i = 0; i < 3; i++) {
		boot(&machines[i], ids[i], "boot");
		machines[i].silent = true;
	}
	step(0, 3, (TTL_SEC + 120) * 1000);
	ck_assert(has_slot("m4"));
	expect("m1", KHO_NODE_BLOCKED, "Busy");
	step(0, 3, (TTL_SEC + 20) * 1000);
	ck_assert(!has_slot("m4"));
	expect("m4", KHO_NODE_LOST, "Lost");
	expect_rollout(KHO_ROLLOUT_HALTED);
}
END_TEST

/* One that has a slot keeps it until its agent says what it's at. */
START_TEST(silent_with_slot)
{
	boot(&machines[0], "m1", "boot-a");
	step(0, 1, 3 * STEP_MS);
	machines[0].silent = true;
	finish(&machines[0], KHO_FLEET_RESULT_DONE);
	step(0, 1, 200000);
	ck_assert(has_slot("m1"));
	expect("m1", KHO_NODE_UPGRADING, "Upgrading");
	machines[0].silent = false;
	step(0, 1, 3 * STEP_MS);
	ck_assert(!has_slot("m1"));
	expect("m1", KHO_NODE_DONE, "Upgraded");
}
END_TEST

/* m1 is cut off in its upgrade, which goes well; m2 sees it missing, and frees its slot. */
static void lose_first(void)
{
	boot(&machines[0], "m1", "boot-a");
	step(0, 1, 3 * STEP_MS);
	boot(&machines[1], "m2", "boot");
	machines[0].client.cut = true;
	step(0, 2, (TTL_SEC + 150) * 1000);
	expect("m1", KHO_NODE_LOST, "Lost");
	expect_rollout(KHO_ROLLOUT_HALTED);
	ck_assert_uint_eq(machines[0].begun, 1);
}

static void resume(void)
{
	static struct kho_rollout rollout;
	const struct kho_etcd_kv *kv = etcd_model_get(etcd, ROLLOUT);
	char *spec, *text;

	ck_assert_int_eq(kho_rollout_parse(kv->value, kv->size, &rollout, &err), 0);
	ck_assert_int_eq(kho_rollout_spec_text(kv->value, kv->size, &spec, &err), 0);
	rollout.state = KHO_ROLLOUT_RUNNING;
	rollout.round++;
	ck_assert_int_eq(kho_rollout_format(&rollout, spec, &text, &err), 0);
	etcd_model_put(etcd, ROLLOUT, text);
	free(spec);
	free(text);
}

/* The new kernel's daemon is the first that reaches etcd: what was lost is found. */
START_TEST(found_again)
{
	lose_first();
	finish(&machines[0], KHO_FLEET_RESULT_DONE);
	boot(&machines[0], "m1", "boot-b");
	step(0, 2, 5 * STEP_MS);
	expect("m1", KHO_NODE_DONE, "Recovered");
	/* which its daemon knows when it's started again, and the next rollout by it */
	boot(&machines[0], "m1", "boot-b");
	resume();
	step(0, 2, 5 * STEP_MS);
	ck_assert_str_eq(machines[0].member.digest, DIGEST);
	ck_assert_uint_eq(machines[0].begun, 1);
}
END_TEST

START_TEST(found_after_resume)
{
	lose_first();
	resume();
	finish(&machines[0], KHO_FLEET_RESULT_DONE);
	boot(&machines[0], "m1", "boot-b");
	step(0, 1, 5 * STEP_MS);
	expect("m1", KHO_NODE_DONE, "AlreadyThere");
	ck_assert_uint_eq(machines[0].begun, 1);
}
END_TEST

/* It failed, or is at it still, by a daemon that never knew of the slot. */
START_TEST(not_found)
{
	lose_first();
	machines[0].aborted = 0;
	boot(&machines[0], "m1", "boot-a");
	step(0, 1, 5 * STEP_MS);
	expect("m1", KHO_NODE_LOST, "Lost");
	ck_assert_uint_gt(machines[0].aborted, 0);
	finish(&machines[0], KHO_FLEET_RESULT_FAILED);
	step(0, 1, 5 * STEP_MS);
	expect("m1", KHO_NODE_LOST, "Lost");
	/* tried again, then */
	resume();
	step(0, 1, 5 * STEP_MS);
	ck_assert_uint_eq(machines[0].begun, 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fleets step by step");
	TCase *tc = tcase_create("cases");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, twins);
	tcase_add_test(tc, next_kernel);
	tcase_add_test(tc, silent_agents);
	tcase_add_test(tc, silent_with_slot);
	tcase_add_test(tc, found_again);
	tcase_add_test(tc, found_after_resume);
	tcase_add_test(tc, not_found);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
