// SPDX-License-Identifier: GPL-2.0-only
/* Operators' commands on an etcd in memory: who has a group, who may take it, what's written down. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/control.h"
#include "fleet/node.h"
#include "sim/etcd_model.h"
#include "unit/run.h"

#define DIGEST	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DOCUMENT(id) "{\"schema\":1,\"id\":\"" id "\",\"image\":\"/i\",\"digest\":\"" DIGEST "\"}"
#define ROLLOUT	"kho/fleet/v1/default/rollout"
#define MINUTE	60000ull

static struct etcd_model *model;
static struct etcd_model_client client;
static struct kho_control control;
static struct kho_err err;

static void setup(void)
{
	model = calloc(1, sizeof(*model));
	etcd_model_init(model, 1);
	client = (struct etcd_model_client){ .model = model, .seen = SIZE_MAX };
	control = (struct kho_control){ { &etcd_model_ops, &client }, "default", "ada@host", NULL,
					1000 * MINUTE };
}

static void teardown(void)
{
	etcd_model_done(model);
	free(model);
}

static int start(const char *document, bool steal, bool *begun)
{
	*begun = false;
	return kho_control_start(&control, document, steal, begun, &err);
}

static void expect_state(enum kho_rollout_state state, uint64_t round)
{
	static struct kho_rollout rollout;
	const struct kho_etcd_kv *kv = etcd_model_get(model, ROLLOUT);

	ck_assert_ptr_nonnull(kv);
	ck_assert_int_eq(kho_rollout_parse(kv->value, kv->size, &rollout, &err), 0);
	ck_assert_int_eq(rollout.state, state);
	ck_assert_uint_eq(rollout.round, round);
}

static void set_halted(void)
{
	static struct kho_rollout rollout;
	const struct kho_etcd_kv *kv = etcd_model_get(model, ROLLOUT);
	char *text;

	ck_assert_int_eq(kho_rollout_parse(kv->value, kv->size, &rollout, &err), 0);
	rollout.state = KHO_ROLLOUT_HALTED;
	ck_assert_int_eq(kho_rollout_format(&rollout, DOCUMENT("a"), &text, &err), 0);
	etcd_model_put(model, ROLLOUT, text);
	free(text);
}

START_TEST(one_at_a_time)
{
	bool begun;

	ck_assert_int_eq(start(DOCUMENT("a"), false, &begun), 0);
	ck_assert(begun);
	/* the same again, written otherwise */
	ck_assert_int_eq(start(" { \"schema\" : 1, \"id\":\"a\", \"image\":\"/i\", \"digest\":\"" DIGEST
			       "\" }", false, &begun), 0);
	ck_assert(!begun);
	control.now_ms += 7 * MINUTE;
	ck_assert_int_eq(start(DOCUMENT("b"), false, &begun), -EEXIST);
	ck_assert_msg(strstr(err.msg, "\"a\"'s, by ada@host for 7 min, running"), "%s", err.msg);
	ck_assert_int_eq(start("{\"schema\":1}", false, &begun), -EINVAL);
	control.group = "other";
	ck_assert_int_eq(start(DOCUMENT("b"), false, &begun), -EINVAL);
	expect_state(KHO_ROLLOUT_RUNNING, 0);
}
END_TEST

START_TEST(stealing)
{
	bool begun;

	ck_assert_int_eq(start(DOCUMENT("a"), false, &begun), 0);
	control.now_ms += MINUTE;
	control.by = "bob@host";
	ck_assert_int_eq(start(DOCUMENT("b"), true, &begun), -EINVAL);
	ck_assert_msg(strstr(err.msg, "--reason="), "%s", err.msg);
	control.reason = "ada is away";
	ck_assert_int_eq(start(DOCUMENT("b"), true, &begun), 0);
	ck_assert(begun);
	/* what it was taken from is kept, and who took it */
	ck_assert_ptr_nonnull(etcd_model_get(model, "kho/fleet/v1-log/default/history/60060000-a"));
	ck_assert_str_eq(etcd_model_get(model, "kho/fleet/v1-log/default/audit/60060000-steal")->value,
			 "{\"schema\":1,\"ms\":60060000,\"by\":\"bob@host\",\"verb\":\"steal\","
			 "\"rollout\":\"b\",\"reason\":\"ada is away\"}");
}
END_TEST

START_TEST(states)
{
	bool begun;

	ck_assert_int_eq(kho_control_set(&control, KHO_ROLLOUT_PAUSED, &err), -ENOENT);
	ck_assert_int_eq(start(DOCUMENT("a"), false, &begun), 0);
	ck_assert_int_eq(kho_control_set(&control, KHO_ROLLOUT_RUNNING, &err), -EALREADY);
	ck_assert_int_eq(kho_control_set(&control, KHO_ROLLOUT_PAUSED, &err), 0);
	ck_assert_int_eq(kho_control_set(&control, KHO_ROLLOUT_PAUSED, &err), -EALREADY);
	ck_assert_int_eq(kho_control_set(&control, KHO_ROLLOUT_RUNNING, &err), 0);
	expect_state(KHO_ROLLOUT_RUNNING, 0);
	set_halted();
	ck_assert_int_eq(kho_control_set(&control, KHO_ROLLOUT_PAUSED, &err), -EINVAL);
	ck_assert_int_eq(kho_control_set(&control, KHO_ROLLOUT_RUNNING, &err), 0);
	expect_state(KHO_ROLLOUT_RUNNING, 1);
	ck_assert_int_eq(kho_control_set(&control, KHO_ROLLOUT_ABORTED, &err), 0);
	ck_assert_int_eq(kho_control_set(&control, KHO_ROLLOUT_RUNNING, &err), -EINVAL);
	expect_state(KHO_ROLLOUT_ABORTED, 1);
	/* its results stay in the machines' records: another one needs another id */
	ck_assert_int_eq(start(DOCUMENT("a"), false, &begun), -EINVAL);
	ck_assert_int_eq(start(DOCUMENT("b"), false, &begun), 0);
}
END_TEST

START_TEST(forgets)
{
	uint64_t revision;
	bool begun;

	ck_assert_int_eq(start(DOCUMENT("a"), false, &begun), 0);
	etcd_model_put(model, "kho/fleet/v1/default/nodes/m1", "{\"schema\":1}");
	etcd_model_put(model, "kho/fleet/v1/default/live/m1", "b");
	ck_assert_int_eq(kho_control_forget(&control, "m1", &err), -EBUSY);
	etcd_model_put(model, "kho/fleet/v1/default/live/m1", NULL);
	etcd_model_put(model, "kho/fleet/v1/default/slots/m1", "x");
	ck_assert_int_eq(kho_control_forget(&control, "m1", &err), -EBUSY);
	etcd_model_put(model, "kho/fleet/v1/default/slots/m1", NULL);
	revision = etcd_model_get(model, ROLLOUT)->revision;
	ck_assert_int_eq(kho_control_forget(&control, "m1", &err), 0);
	ck_assert_ptr_null(etcd_model_get(model, "kho/fleet/v1/default/nodes/m1"));
	/* whoever decides at that moment decides anew */
	ck_assert_uint_gt(etcd_model_get(model, ROLLOUT)->revision, revision);
	ck_assert_int_eq(kho_control_forget(&control, "../m1", &err), -EINVAL);
}
END_TEST

START_TEST(without_etcd)
{
	bool begun;

	model->no_quorum = true;
	ck_assert_int_eq(start(DOCUMENT("a"), false, &begun), -ETIMEDOUT);
	ck_assert_int_eq(kho_control_set(&control, KHO_ROLLOUT_PAUSED, &err), -ETIMEDOUT);
	ck_assert(!begun);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("operators of fleets");
	TCase *tc = tcase_create("commands");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, one_at_a_time);
	tcase_add_test(tc, stealing);
	tcase_add_test(tc, states);
	tcase_add_test(tc, forgets);
	tcase_add_test(tc, without_etcd);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
