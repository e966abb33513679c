// SPDX-License-Identifier: GPL-2.0-only
/* etcd's JSON: what's asked, to the letter; answers, whole, cut off at every byte, and made up. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "fleet/etcd_json.h"
#include "tests/unit/run.h"

#define RANGE \
	"{\"header\":{\"cluster_id\":\"1\",\"revision\":\"7\"},\"kvs\":[{\"key\":\"YS8x\"," \
	"\"create_revision\":\"2\",\"mod_revision\":\"5\",\"version\":\"2\",\"value\":\"b25l\"," \
	"\"lease\":\"77\"},{\"key\":\"YS8y\",\"mod_revision\":\"6\"}],\"count\":\"2\"}"
#define EVENTS \
	"{\"result\":{\"header\":{\"revision\":\"9\"},\"events\":[{\"kv\":{\"key\":\"YS8x\"," \
	"\"mod_revision\":\"8\",\"value\":\"b25l\"}},{\"type\":\"DELETE\",\"kv\":{\"key\":\"YS8y\"," \
	"\"mod_revision\":\"9\"}}]}}"

static struct kho_err err;

START_TEST(requests)
{
	struct kho_etcd_txn txn = {
		.nr_compares = 3, .nr_ops = 2,
		.compares = { { .key = "a/", .prefix = true, .what = KHO_ETCD_NOT_LATER, .revision = 7 },
			      { .key = "b", .revision = 0 }, { .key = "c", .what = KHO_ETCD_EXISTS } },
		.ops = { { .key = "b", .value = "x", .lease = 5 }, { .key = "c" } },
	};
	_cleanup_free_ char *range = NULL, *text = NULL, *watch = NULL, *lease = NULL;

	ck_assert_int_eq(kho_etcd_range_request("a/", true, &range, &err), 0);
	ck_assert_str_eq(range, "{\"key\":\"YS8=\",\"range_end\":\"YTA=\"}");
	ck_assert_int_eq(kho_etcd_txn_request(&txn, &text, &err), 0);
	ck_assert_str_eq(text,
		"{\"compare\":[{\"key\":\"YS8=\",\"range_end\":\"YTA=\",\"target\":\"MOD\","
		"\"result\":\"LESS\",\"mod_revision\":\"8\"},{\"key\":\"Yg==\",\"target\":\"MOD\","
		"\"result\":\"EQUAL\",\"mod_revision\":\"0\"},{\"key\":\"Yw==\",\"target\":\"CREATE\","
		"\"result\":\"GREATER\",\"create_revision\":\"0\"}],\"success\":[{\"request_put\":"
		"{\"key\":\"Yg==\",\"value\":\"eA==\",\"lease\":\"5\"}},{\"request_delete_range\":"
		"{\"key\":\"Yw==\"}}]}");
	ck_assert_int_eq(kho_etcd_watch_request("a/", 8, &watch, &err), 0);
	ck_assert_str_eq(watch, "{\"create_request\":{\"key\":\"YS8=\",\"range_end\":\"YTA=\","
			 "\"start_revision\":\"8\"}}");
	ck_assert_int_eq(kho_etcd_number_request("TTL", 60, &lease, &err), 0);
	ck_assert_str_eq(lease, "{\"TTL\":\"60\"}");
}
END_TEST

START_TEST(answers)
{
	struct kho_etcd_kvs kvs = {};
	uint64_t number;
	bool made;

	ck_assert_int_eq(kho_etcd_range_answer(RANGE, strlen(RANGE), &kvs, &err), 0);
	ck_assert_uint_eq(kvs.revision, 7);
	ck_assert_uint_eq(kvs.nr, 2);
	ck_assert_str_eq(kvs.of[0].key, "a/1");
	ck_assert_str_eq(kvs.of[0].value, "one");
	ck_assert_uint_eq(kvs.of[0].revision, 5);
	ck_assert_uint_eq(kvs.of[0].lease, 77);
	ck_assert_str_eq(kvs.of[1].value, "");
	kho_etcd_kvs_done(&kvs);
	ck_assert_int_eq(kho_etcd_watch_answer(EVENTS, strlen(EVENTS), &kvs, &err), 0);
	ck_assert_uint_eq(kvs.nr, 2);
	ck_assert_ptr_null(kvs.of[1].value);
	kho_etcd_kvs_done(&kvs);
	ck_assert_int_eq(kho_etcd_txn_answer("{\"header\":{\"revision\":\"4\"}}", 27, &made, &number,
					     &err), 0);
	ck_assert(!made);
	ck_assert_uint_eq(number, 4);
	ck_assert_int_eq(kho_etcd_grant_answer("{\"ID\":\"18446744073709551615\"}", 29, &number, &err), 0);
	ck_assert_uint_eq(number, UINT64_MAX);
}
END_TEST

START_TEST(cut_anywhere)
{
	struct kho_etcd_kvs kvs;

	for (size_t size = 0; size < strlen(RANGE); size++)
		ck_assert_int_eq(kho_etcd_range_answer(RANGE, size, &kvs, &err), -EBADMSG);
	for (size_t size = 0; size < strlen(EVENTS); size++)
		ck_assert_int_eq(kho_etcd_watch_answer(EVENTS, size, &kvs, &err), -EBADMSG);
}
END_TEST

static const char *const made_up[] = {
	"", "[]", "{}", "null", "{\"header\":1}", "{\"header\":{\"revision\":7}}",
	"{\"header\":{\"revision\":\"-1\"}}", "{\"header\":{\"revision\":\"99999999999999999999\"}}",
	"{\"header\":{},\"kvs\":{}}", "{\"header\":{},\"kvs\":[1]}", "{\"header\":{},\"kvs\":[{}]}",
	"{\"header\":{},\"kvs\":[{\"key\":\"\"}]}", "{\"header\":{},\"kvs\":[{\"key\":\"***\"}]}",
	"{\"header\":{},\"kvs\":[{\"key\":\"YQ==\",\"value\":1}]}",
	"{\"header\":{},\"kvs\":[{\"key\":\"AGE=\"}]}",	/* a NUL in it */
	"{\"header\":{},\"kvs\":[{\"key\":\"YQ==\",\"value\":\"AGE=\"}]}",
	"{\"header\":{},\"kvs\":[{\"key\":\"YQ==\"},{\"key\":\"YQ==\",\"mod_revision\":\"x\"}]}",
};

START_TEST(hostile)
{
	struct kho_etcd_kvs kvs;

	ck_assert_int_eq(kho_etcd_range_answer(made_up[_i], strlen(made_up[_i]), &kvs, &err), -EBADMSG);
}
END_TEST

static int error_of(long status, const char *text)
{
	return kho_etcd_error_answer(status, text, strlen(text), &err);
}

START_TEST(errors)
{
	static const char gone[] = "{\"result\":{\"ID\":\"5\"}}",
		cancel[] = "{\"result\":{\"canceled\":true}}", error[] = "{\"error\":{\"message\":\"x\"}}";
	struct kho_etcd_kvs kvs;

	ck_assert_int_eq(kho_etcd_keep_answer(gone, strlen(gone), &err), -ENOKEY);
	ck_assert_int_eq(kho_etcd_watch_answer(cancel, strlen(cancel), &kvs, &err), -ESTALE);
	ck_assert_int_eq(kho_etcd_watch_answer(error, strlen(error), &kvs, &err), -ESTALE);
	ck_assert_int_eq(error_of(503, "{\"error\":\"etcdserver: request timed out\"}"), -ETIMEDOUT);
	ck_assert_int_eq(error_of(500, "{\"message\":\"etcdserver: no leader\"}"), -ETIMEDOUT);
	ck_assert_int_eq(error_of(403, "{\"error\":\"etcdserver: permission denied\"}"), -EACCES);
	ck_assert_int_eq(error_of(404, "{\"error\":\"etcdserver: requested lease not found\"}"), -ENOKEY);
	ck_assert_int_eq(error_of(404, "<html>"), -EIO);
	ck_assert_int_eq(error_of(503, ""), -ETIMEDOUT);
	ck_assert_str_eq(err.msg, "etcd answers 503: no words");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("etcd's JSON");
	TCase *tc = tcase_create("texts");

	tcase_add_test(tc, requests);
	tcase_add_test(tc, answers);
	tcase_add_test(tc, cut_anywhere);
	tcase_add_loop_test(tc, hostile, 0, KHO_ARRAY_SIZE(made_up));
	tcase_add_test(tc, errors);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
