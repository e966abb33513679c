// SPDX-License-Identifier: GPL-2.0-only
/* Rollouts as text: what's understood, and what's refused, each with its reason. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "fleet/node.h"
#include "tests/unit/run.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEAD "{\"schema\":1,\"id\":\"k7\",\"image\":\"/images/new\",\"digest\":\"" DIGEST "\""

static struct kho_err err;
static struct kho_rollout_spec spec;

static int parse(const char *text)
{
	return kho_rollout_spec_parse(text, strlen(text), &spec, &err);
}

START_TEST(defaults)
{
	ck_assert_int_eq(parse(HEAD "}"), 0);
	ck_assert_str_eq(spec.group, "default");
	ck_assert_uint_eq(spec.nr_waves, 2);
	ck_assert_str_eq(spec.waves[0].name, "canary");
	ck_assert_uint_eq(spec.waves[0].size.number, 1);
	ck_assert_str_eq(spec.waves[1].name, "all");
	ck_assert_uint_eq(spec.concurrency.number, 1);
	ck_assert(!spec.concurrency.percent);
	ck_assert_uint_eq(spec.halt_failures, 2);
	ck_assert_uint_eq(spec.deadline_sec, 3600);
	ck_assert(!spec.stay);
	ck_assert_uint_eq(spec.blackout_ms, 0);
	ck_assert_uint_eq(kho_rollout_lost_ms(&spec), (3600 + 600) * 1000 + 20000);
}
END_TEST

START_TEST(everything)
{
	ck_assert_int_eq(parse(HEAD ",\"group\":\"web\",\"selector\":{\"role\":\"web\"},"
		"\"waves\":[{\"name\":\"first\",\"selector\":{\"canary\":\"yes\"},\"soak_sec\":5},"
		"{\"name\":\"tenth\",\"size\":\"10%\"}],\"concurrency\":\"25%\",\"soak_sec\":60,"
		"\"per_domain\":{\"label\":\"rack\",\"max\":2},\"halt_failures\":3,"
		"\"deadline_sec\":100,\"undo_sec\":20,\"machine_soak_sec\":30,\"blackout_ms\":500,"
		"\"windows\":\"Mon,Fri 22:00-04:00 Europe/Berlin; 12:00-13:00\","
		"\"rollback\":\"stay\",\"share_slots\":true,"
		"\"gates\":[{\"type\":\"command\",\"name\":\"db\"},{\"type\":\"http\",\"when\":\"after\","
		"\"url\":\"http://h/\"},{\"type\":\"prometheus\",\"url\":\"http://p:9090\","
		"\"query\":\"up\",\"expect\":\"none\"}]}"), 0);
	ck_assert_str_eq(kho_labels_get(&spec.selector, "role"), "web");
	ck_assert_uint_eq(spec.nr_waves, 3);
	ck_assert_uint_eq(spec.waves[0].soak_sec, 5);
	ck_assert_uint_eq(spec.waves[1].soak_sec, 60);
	ck_assert(spec.waves[1].size.percent);
	ck_assert_uint_eq(kho_share_of(&spec.waves[1].size, 25), 2);
	ck_assert_uint_eq(kho_share_of(&spec.waves[1].size, 3), 1);
	ck_assert_uint_eq(kho_share_of(&spec.concurrency, 10), 2);
	ck_assert_str_eq(spec.domain, "rack");
	ck_assert_uint_eq(spec.per_domain.number, 2);
	ck_assert_uint_eq(spec.blackout_ms, 500);
	ck_assert_uint_eq(spec.windows.nr, 2);
	ck_assert_uint_eq(spec.windows.list[0].days, 1u << 0 | 1u << 4);
	ck_assert_uint_eq(spec.windows.list[0].begin, 22 * 60);
	ck_assert_uint_eq(spec.nr_gates, 3);
	ck_assert(spec.gates[1].after);
	ck_assert(spec.gates[2].none);
	ck_assert(spec.stay && spec.share_slots && spec.has_machine_soak);
}
END_TEST

static const struct {
	const char *text;
	int code;
	const char *words;
} refused[] = {
	{ "", -EBADMSG, "JSON" },
	{ "[]", -EBADMSG, "object" },
	{ "{}", -EINVAL, "\"schema\" is missing" },
	{ "{\"schema\":2}", -EPROTONOSUPPORT, "update" },
	{ "{\"schema\":1}", -EINVAL, "\"id\" is missing" },
	{ "{\"schema\":1,\"id\":\"a/b\"}", -EINVAL, "letters" },
	{ "{\"schema\":1,\"id\":\"a\",\"image\":\"x\",\"digest\":\"" DIGEST "\"}", -EINVAL, "absolute" },
	{ "{\"schema\":1,\"id\":\"a\",\"image\":\"/x\",\"digest\":\"12\"}", -EINVAL, "64 hex" },
	{ HEAD ",\"concurrently\":1}", -EINVAL, "no field \"concurrently\"" },
	{ HEAD ",\"concurrency\":0}", -EINVAL, "1 or more" },
	{ HEAD ",\"concurrency\":-1}", -EINVAL, "0 or more" },
	{ HEAD ",\"concurrency\":1.5}", -EINVAL, "0 or more" },
	{ HEAD ",\"concurrency\":\"5\"}", -EINVAL, "100%" },
	{ HEAD ",\"concurrency\":\"101%\"}", -EINVAL, "100%" },
	{ HEAD ",\"concurrency\":\"0%\"}", -EINVAL, "1 or more" },
	{ HEAD ",\"concurrency\":\"%\"}", -EINVAL, "100%" },
	{ HEAD ",\"halt_failures\":0}", -EINVAL, "1 or more" },
	{ HEAD ",\"deadline_sec\":9}", -EINVAL, "10 or more" },
	{ HEAD ",\"undo_sec\":0}", -EINVAL, "1 or more" },
	{ HEAD ",\"deadline_sec\":999999999}", -EINVAL, "a week" },
	{ HEAD ",\"deadline_sec\":60,\"machine_soak_sec\":60}", -EINVAL, "a part of" },
	{ HEAD ",\"blackout_ms\":0}", -EINVAL, "1 to 600000" },
	{ HEAD ",\"blackout_ms\":600001}", -EINVAL, "1 to 600000" },
	{ HEAD ",\"blackout_ms\":\"1\"}", -EINVAL, "0 or more" },
	{ HEAD ",\"rollback\":\"maybe\"}", -EINVAL, "abort or stay" },
	{ HEAD ",\"share_slots\":1}", -EINVAL, "true or false" },
	{ HEAD ",\"selector\":{\"a\":1}}", -EINVAL, "a text" },
	{ HEAD ",\"selector\":[\"a\"]}", -EINVAL, "an object" },
	{ HEAD ",\"waves\":[{\"name\":\"x\"}]}", -EINVAL, "wave 1: " },
	{ HEAD ",\"waves\":[{\"size\":1}]}", -EINVAL, "\"name\" is missing" },
	{ HEAD ",\"waves\":[1]}", -EINVAL, "an object" },
	{ HEAD ",\"waves\":[{},{},{},{},{},{},{},{}]}", -EINVAL, "up to 7" },
	{ HEAD ",\"per_domain\":{\"max\":1}}", -EINVAL, "\"label\" is missing" },
	{ HEAD ",\"windows\":\"25:00-26:00\"}", -EINVAL, "\"windows\": " },
	{ HEAD ",\"windows\":[]}", -EINVAL, "a text" },
	{ HEAD ",\"gates\":[{\"type\":\"shell\"}]}", -EINVAL, "command, http" },
	{ HEAD ",\"gates\":[{\"type\":\"command\",\"name\":\"../x\"}]}", -EINVAL, "letters" },
	{ HEAD ",\"gates\":[{\"type\":\"http\",\"url\":\"file:///x\"}]}", -EINVAL, "http://" },
	{ HEAD ",\"gates\":[{\"type\":\"prometheus\",\"url\":\"http://x\"}]}", -EINVAL, "query" },
	{ HEAD ",\"gates\":[{\"type\":\"command\",\"name\":\"x\",\"timeout_sec\":0}]}", -EINVAL, "1 to 30" },
};

START_TEST(refuses)
{
	const struct kho_rollout_spec before = spec;

	ck_assert_int_eq(parse(refused[_i].text), refused[_i].code);
	ck_assert_msg(strstr(err.msg, refused[_i].words), "%s: %s", refused[_i].text, err.msg);
	ck_assert_mem_eq(&before, &spec, sizeof(spec));
}
END_TEST

START_TEST(document_there_and_back)
{
	struct kho_rollout before = { .state = KHO_ROLLOUT_HALTED, .reason = "TooManyFailures",
				      .message = "2 failed: a, b", .owner = "root@host",
				      .began_ms = 1764120000123, .since_ms = 1764120000456, .round = 3 };
	struct kho_rollout after;
	_cleanup_free_ char *text = NULL, *inner = NULL;

	ck_assert_int_eq(parse(HEAD "}"), 0);
	ck_assert_int_eq(kho_rollout_format(&before, HEAD "}", &text, &err), 0);
	ck_assert_int_eq(kho_rollout_parse(text, strlen(text), &after, &err), 0);
	ck_assert_int_eq(after.state, KHO_ROLLOUT_HALTED);
	ck_assert_str_eq(after.message, before.message);
	ck_assert_uint_eq(after.began_ms, before.began_ms);
	ck_assert_uint_eq(after.round, 3);
	ck_assert_str_eq(after.spec.id, "k7");
	ck_assert_int_eq(kho_rollout_spec_text(text, strlen(text), &inner, &err), 0);
	ck_assert_int_eq(parse(inner), 0);
	for (size_t size = 0; size < strlen(text); size++)
		ck_assert_int_lt(kho_rollout_parse(text, size, &after, &err), 0);
}
END_TEST

START_TEST(machine_there_and_back)
{
	struct kho_node before = { .release = "6.12", .digest = DIGEST, .boot = "b",
		.status = { .rollout = "k7", .round = 1, .state = KHO_NODE_FAILED, .reason = "UpgradeFailed",
			    .message = "why", .since_ms = 5, .taken_ms = 4, .attempts = 2 },
		.slot_rollout = "k7", .slot_since_ms = 4, .slot_deadline_ms = 10, .slot_lost_ms = 20 };
	struct kho_node after = {};
	_cleanup_free_ char *text = NULL, *slot = NULL;

	ck_assert_int_eq(kho_labels_add(&before.labels, "role=web", &err), 0);
	ck_assert_int_eq(kho_node_format(&before, &text, &err), 0);
	ck_assert_int_eq(kho_slot_format(&before, &slot, &err), 0);
	ck_assert_int_eq(kho_node_parse(text, strlen(text), &after, &err), 0);
	ck_assert_int_eq(kho_slot_parse(slot, strlen(slot), &after, &err), 0);
	ck_assert(after.has_slot);
	after.has_slot = false;
	ck_assert_mem_eq(&before.labels, &after.labels, sizeof(after.labels));
	ck_assert_mem_eq(&before.status, &after.status, sizeof(after.status));
	ck_assert_uint_eq(after.slot_lost_ms, 20);
	ck_assert_int_eq(kho_slot_parse("{\"schema\":1}", 12, &after, &err), -EINVAL);
	ck_assert_int_eq(kho_node_parse("{\"schema\":1,\"status\":{\"state\":\"x\"}}", 35, &after, &err),
			 -EINVAL);
}
END_TEST

/* What airlock writes is read, and the other way round. */
START_TEST(semaphores)
{
	static const char theirs[] = "{\"total_slots\":2,\"holders\":[\"b\",\"a\"]}";
	struct kho_semaphore *s = calloc(1, sizeof(*s));
	_cleanup_free_ char *text = NULL, *empty = NULL;

	ck_assert_int_eq(kho_semaphore_parse(theirs, strlen(theirs), s, &err), 0);
	ck_assert_uint_eq(s->total, 2);
	ck_assert(kho_semaphore_has(s, "a") && kho_semaphore_has(s, "b"));
	ck_assert_int_eq(kho_semaphore_add(s, "aa", &err), 0);
	ck_assert_int_eq(kho_semaphore_add(s, "aa", &err), 0);
	ck_assert_int_eq(kho_semaphore_format(s, &text, &err), 0);
	ck_assert_str_eq(text, "{\"total_slots\":2,\"holders\":[\"a\",\"aa\",\"b\"]}");
	kho_semaphore_remove(s, "aa");
	kho_semaphore_remove(s, "b");
	kho_semaphore_remove(s, "a");
	ck_assert_int_eq(kho_semaphore_format(s, &empty, &err), 0);
	ck_assert_str_eq(empty, "{\"total_slots\":2,\"holders\":[]}");
	ck_assert_int_eq(kho_semaphore_parse("{\"total_slots\":1,\"holders\":null}", 32, s, &err), 0);
	ck_assert_int_eq(kho_semaphore_parse("{\"holders\":[]}", 14, s, &err), -EINVAL);
	ck_assert_int_eq(kho_semaphore_parse("{\"total_slots\":1,\"holders\":[1]}", 31, s, &err), -EINVAL);
	free(s);
}
END_TEST

#define VECTOR(samples) \
	"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" samples "]}}"
#define SAMPLE(value) "{\"metric\":{},\"value\":[1.5,\"" value "\"]}"

static const struct {
	const char *text;
	int some, none;
} judged[] = {
	{ VECTOR(SAMPLE("1")), 0, -EAGAIN },
	{ VECTOR(SAMPLE("1") "," SAMPLE("0")), -EAGAIN, -EAGAIN },
	{ VECTOR(SAMPLE("NaN")), -EAGAIN, -EAGAIN },
	{ VECTOR(""), -EAGAIN, 0 },
	{ VECTOR(SAMPLE("x")), -EBADMSG, -EAGAIN },
	{ VECTOR("1"), -EBADMSG, -EAGAIN },
	{ "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"1\"]}}", 0, -EBADMSG },
	{ "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}", -EBADMSG, -EBADMSG },
	{ "{\"status\":\"error\",\"error\":\"x\"}", -EBADMSG, -EBADMSG },
	{ "{\"status\":\"success\"}", -EBADMSG, -EBADMSG },
	{ "<html>", -EBADMSG, -EBADMSG },
};

START_TEST(prometheus)
{
	struct kho_gate gate = {};
	const char *text = judged[_i].text;

	ck_assert_int_eq(kho_gate_judge(&gate, text, strlen(text), &err), judged[_i].some);
	gate.none = true;
	ck_assert_int_eq(kho_gate_judge(&gate, text, strlen(text), &err), judged[_i].none);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rollouts");
	TCase *tc = tcase_create("texts");

	tcase_add_test(tc, defaults);
	tcase_add_test(tc, everything);
	tcase_add_loop_test(tc, refuses, 0, KHO_ARRAY_SIZE(refused));
	tcase_add_test(tc, document_there_and_back);
	tcase_add_test(tc, machine_there_and_back);
	tcase_add_test(tc, semaphores);
	tcase_add_loop_test(tc, prometheus, 0, KHO_ARRAY_SIZE(judged));
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
