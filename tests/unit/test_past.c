// SPDX-License-Identifier: GPL-2.0-only
/* Finished upgrades as numbers: what's counted, that nothing is counted twice, and the tally. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/unit/fake_metrics.h"
#include "tests/unit/run.h"

#define COMMITTED_MS	1764120000123ull
#define ROLLED_BACK_MS	1764110000000ull

static void add(struct kho_past *past, const char *name)
{
	_cleanup_variant_ sd_json_variant *entry = fake_entry(name);

	ck_assert_int_eq(kho_past_add(past, entry), 0);
}

static sd_json_variant *parse(const char *text)
{
	sd_json_variant *v = NULL;

	ck_assert_int_ge(sd_json_parse(text, 0, &v, NULL, NULL), 0);
	return v;
}

static void check_both(const struct kho_past *past)
{
	ck_assert_uint_eq(past->results[KHO_RESULT_COMMITTED], 1);
	ck_assert_uint_eq(past->results[KHO_RESULT_ROLLED_BACK], 1);
	ck_assert_uint_eq(past->results[KHO_RESULT_FAILED], 0);
	/* hold at 30117 to the end of forward at 31527; freeze at 100 to 180 */
	ck_assert_uint_eq(past->blackout.count, 2);
	ck_assert_uint_eq(past->blackout.sum, 1410 + 80);
	ck_assert_uint_eq(past->frozen.count, 3);
	ck_assert_uint_eq(past->frozen.sum, 1297 + 1291 + 50);
	ck_assert_uint_eq(past->frozen.buckets[1], 1);	/* 50 is within 50 */
	ck_assert_uint_eq(past->frozen.buckets[6], 2);
	ck_assert_uint_eq(past->rounds.sum, 4 + 3 + 2);
}

START_TEST(test_counted)
{
	struct kho_past past = {};

	add(&past, "committed.json");
	add(&past, "rolled-back.json");
	check_both(&past);
	/* the newest, though it came first */
	ck_assert_uint_eq(past.last.began_ms, COMMITTED_MS);
	ck_assert_uint_eq(past.last.ended_ms, 1764120100456);
	ck_assert_int_eq(past.last.result, KHO_RESULT_COMMITTED);
	ck_assert_uint_eq(past.last.nr, 3);
	ck_assert_str_eq(past.last.workloads[0].name, "redis");
	ck_assert(past.last.workloads[0].probed_ms.is);
	ck_assert_uint_eq(past.last.workloads[0].probed_ms.value, 1296);
	ck_assert(!past.last.workloads[1].probed_ms.is);
	ck_assert(!past.last.workloads[2].frozen_ms.is);
}
END_TEST

/* The oldest leaves the history: nothing changes, also if it comes back. */
START_TEST(test_tally)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	struct kho_past tally = {}, past;
	struct kho_err err;

	add(&tally, "rolled-back.json");
	kho_past_close(&tally, COMMITTED_MS);
	ck_assert_int_ge(kho_past_format(&tally, &v), 0);
	ck_assert_int_eq(kho_past_parse(v, &past, &err), 0);
	ck_assert_uint_eq(past.before_ms, COMMITTED_MS);
	add(&past, "committed.json");
	check_both(&past);
	add(&past, "rolled-back.json");
	check_both(&past);
	/* but the last is the newest of what's there */
	ck_assert_uint_eq(past.last.began_ms, COMMITTED_MS);
	kho_past_close(&past, ROLLED_BACK_MS);
	ck_assert_uint_eq(past.before_ms, COMMITTED_MS);
}
END_TEST

/* Bounds are upper ones, and belong to their bucket. */
START_TEST(test_buckets)
{
	struct kho_histogram h = {};

	kho_histogram_add(&h, kho_bounds_ms, 0);
	kho_histogram_add(&h, kho_bounds_ms, 20);
	kho_histogram_add(&h, kho_bounds_ms, 21);
	kho_histogram_add(&h, kho_bounds_ms, 60000);
	kho_histogram_add(&h, kho_bounds_ms, 60001);
	kho_histogram_add(&h, kho_bounds_ms, 1ull << 40);
	ck_assert_uint_eq(h.buckets[0], 2);
	ck_assert_uint_eq(h.buckets[1], 1);
	ck_assert_uint_eq(h.buckets[11], 1);
	ck_assert_uint_eq(h.buckets[12], 2);
	ck_assert_uint_eq(h.count, 6);
}
END_TEST

static const struct {
	const char *text;
	int r;
	enum kho_result result;
} entries[] = {
	{ "{}", -EBADMSG, 0 },
	{ "[]", -EBADMSG, 0 },
	{ "{\"began_ms\":-5,\"result\":\"committed\"}", -EBADMSG, 0 },
	{ "{\"began_ms\":5,\"result\":7}", -EBADMSG, 0 },
	{ "{\"began_ms\":5,\"result\":\"\"}", 0, KHO_RESULT_FAILED },
	{ "{\"began_ms\":5,\"result\":\"committed\"}", 0, KHO_RESULT_COMMITTED },
	{ "{\"began_ms\":5,\"result\":\"x\",\"phases\":{}}", 0, KHO_RESULT_FAILED },
	{ "{\"began_ms\":5,\"result\":\"x\",\"phases\":[7,{\"name\":8}]}", 0, KHO_RESULT_FAILED },
	{ "{\"began_ms\":5,\"result\":\"x\",\"move\":{\"result\":\"committed\",\"steps\":[{\"name\":"
	  "\"freeze\",\"start_ms\":9},{\"name\":\"resume\",\"start_ms\":1,\"duration_ms\":2}]}}", 0,
	  KHO_RESULT_FAILED },
	{ "{\"began_ms\":5,\"result\":\"x\",\"move\":{\"workloads\":[1,{},{\"name\":\"w\",\"result\":"
	  "\"moved\",\"frozen_ms\":\"1\",\"rounds\":1.5}]}}", 0, KHO_RESULT_FAILED },
};

/* What isn't there isn't measured. */
START_TEST(test_hostile)
{
	_cleanup_variant_ sd_json_variant *v = parse(entries[_i].text);
	struct kho_past past = {};

	ck_assert_int_eq(kho_past_add(&past, v), entries[_i].r);
	if (entries[_i].r == 0)
		ck_assert_uint_eq(past.results[entries[_i].result], 1);
	ck_assert_uint_eq(past.blackout.count + past.frozen.count + past.rounds.count, 0);
}
END_TEST

#define BUCKETS	"[0,0,0,0,0,0,0,0,0,0,0,0,1]"
#define EMPTY	"{\"count\":1,\"sum\":1,\"buckets\":" BUCKETS "}"

static const char *const tallies[] = {
	"{}", "7", "{\"tally\":2}", "{\"tally\":1}",
	"{\"tally\":1,\"before_ms\":1,\"results\":[1,2]}",
	"{\"tally\":1,\"before_ms\":1,\"results\":[1,2,-3]}",
	"{\"tally\":1,\"before_ms\":1,\"results\":[1,2,3],\"blackout\":{}}",
	"{\"tally\":1,\"before_ms\":1,\"results\":[1,2,3],\"blackout\":" EMPTY ",\"frozen\":" EMPTY
	",\"rounds\":{\"count\":2,\"sum\":1,\"buckets\":" BUCKETS "}}",
	"{\"tally\":1,\"before_ms\":1,\"results\":[1,2,3],\"blackout\":" EMPTY ",\"frozen\":" EMPTY
	",\"rounds\":{\"count\":1,\"sum\":1,\"buckets\":[1]}}",
};

START_TEST(test_hostile_tally)
{
	_cleanup_variant_ sd_json_variant *v = parse(tallies[_i]);
	struct kho_past past = { .before_ms = 77 };
	struct kho_err err;

	ck_assert_int_eq(kho_past_parse(v, &past, &err), -EBADMSG);
	ck_assert_uint_eq(past.before_ms, 77);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("past");
	TCase *tc = tcase_create("past");

	tcase_add_test(tc, test_counted);
	tcase_add_test(tc, test_tally);
	tcase_add_test(tc, test_buckets);
	tcase_add_loop_test(tc, test_hostile, 0, sizeof(entries) / sizeof(entries[0]));
	tcase_add_loop_test(tc, test_hostile_tally, 0, sizeof(tallies) / sizeof(tallies[0]));
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
