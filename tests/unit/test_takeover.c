// SPDX-License-Identifier: GPL-2.0-only
/* Taking over: which CPUs are fetched and onlined, in which order; the list on disk. */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "upgrade/takeover.h"
#include "unit/run.h"

static char trace[256];
static uint32_t no_fetch, no_online;	/* bits: APIC ids that fail */
static struct kho_err err;

static const uint32_t ids[] = { 0, 2, 5, 7 };

static void setup(void)
{
	trace[0] = '\0';
	no_fetch = no_online = 0;
	err = (struct kho_err){};
}

static int note(char what, uint32_t apic_id, uint32_t fails, struct kho_err *e)
{
	size_t used = strlen(trace);

	snprintf(trace + used, sizeof(trace) - used, "%c%u ", what, apic_id);
	return fails >> apic_id & 1 ? kho_fail(e, -EIO, "%c%u", what, apic_id) : 0;
}

static int fetch(void *ctx, uint32_t apic_id, struct kho_err *e)
{
	ck_assert_ptr_eq(ctx, trace);
	return note('f', apic_id, no_fetch, e);
}

static int online(void *ctx, uint32_t apic_id, struct kho_err *e)
{
	ck_assert_ptr_eq(ctx, trace);
	return note('o', apic_id, no_online, e);
}

static const struct kho_take_cpu_ops ops = { .fetch = fetch, .online = online };
static const struct kho_take_cpus all = { .apic_ids = ids, .nr = 4 };

START_TEST(fetched_then_onlined)
{
	size_t stuck = 99;

	ck_assert_int_eq(kho_take_cpus(&all, &ops, trace, &stuck, &err), 0);
	ck_assert_uint_eq(stuck, 0);
	ck_assert_str_eq(trace, "f0 f2 f5 f7 o0 o2 o5 o7 ");
}
END_TEST

/* Memory depends on it: one that can't be onlined isn't stuck. */
START_TEST(not_onlined_is_not_stuck)
{
	size_t stuck = 99;

	no_online = 1u << 2 | 1u << 5;
	ck_assert_int_eq(kho_take_cpus(&all, &ops, trace, &stuck, &err), -EIO);
	ck_assert_uint_eq(stuck, 0);
	ck_assert_str_eq(err.msg, "o2");
	ck_assert_str_eq(trace, "f0 f2 f5 f7 o0 o2 o5 o7 ");
}
END_TEST

START_TEST(stuck_is_not_onlined)
{
	size_t stuck = 99;

	no_fetch = 1u << 2 | 1u << 7;
	no_online = 1u << 0;
	ck_assert_int_eq(kho_take_cpus(&all, &ops, trace, &stuck, &err), -EIO);
	ck_assert_uint_eq(stuck, 2);
	ck_assert_str_eq(err.msg, "f2");
	ck_assert_str_eq(trace, "f0 f2 f5 f7 o0 o5 ");
}
END_TEST

/* Offline on purpose: it must not run in the old kernel's memory, nor at all. */
START_TEST(asleep_is_fetched_only)
{
	static const uint32_t asleep[] = { 5, 9, 0 };
	struct kho_take_cpus some = all;
	size_t stuck = 99;

	some.asleep = asleep;
	some.nr_asleep = 3;
	no_online = 1u << 5;
	ck_assert_int_eq(kho_take_cpus(&some, &ops, trace, &stuck, &err), 0);
	ck_assert_uint_eq(stuck, 0);
	ck_assert_str_eq(trace, "f0 f2 f5 f7 o2 o7 ");
}
END_TEST

START_TEST(none_left)
{
	const struct kho_take_cpus none = {};
	size_t stuck = 99;

	ck_assert_int_eq(kho_take_cpus(&none, &ops, trace, &stuck, &err), 0);
	ck_assert_uint_eq(stuck, 0);
	ck_assert_str_eq(trace, "");
}
END_TEST

/* ---- the list ---- */

static char dir[64], path[80];

static void make_dir(void)
{
	setup();
	snprintf(dir, sizeof(dir), "/tmp/kho-test-takeover-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/left", dir);
}

static void remove_dir(void)
{
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(list_is_kept)
{
	Kho__RetireReady ready = KHO__RETIRE_READY__INIT, *back = NULL;
	Kho__PciGrant grant = KHO__PCI_GRANT__INIT, *grants[] = { &grant };
	Kho__PciFunction function = KHO__PCI_FUNCTION__INIT;
	uint32_t asleep[] = { 3, 300 };

	function.has_devfn = true;
	function.devfn = 0x28;
	grant.function = &function;
	grant.has_config_address = true;
	grant.config_address = 0xb0028000;
	ready.n_functions = 1;
	ready.functions = grants;
	ready.n_asleep = 2;
	ready.asleep = asleep;
	ck_assert_int_eq(kho_left_read(path, &back, &err), -ENOENT);
	ck_assert_int_eq(kho_left_write(path, &ready, &err), 0);
	ck_assert_int_eq(kho_left_read(path, &back, &err), 0);
	ck_assert_uint_eq(back->n_functions, 1);
	ck_assert_uint_eq(back->functions[0]->config_address, 0xb0028000);
	ck_assert_uint_eq(back->functions[0]->function->devfn, 0x28);
	ck_assert_uint_eq(back->n_asleep, 2);
	ck_assert_uint_eq(back->asleep[1], 300);
	kho__retire_ready__free_unpacked(back, NULL);
	/* a later list, of another try, replaces it */
	ready.n_functions = ready.n_asleep = 0;
	ck_assert_int_eq(kho_left_write(path, &ready, &err), 0);
	ck_assert_int_eq(kho_left_read(path, &back, &err), 0);
	ck_assert_uint_eq(back->n_functions, 0);
	kho__retire_ready__free_unpacked(back, NULL);
}
END_TEST

START_TEST(list_is_damaged)
{
	Kho__RetireReady *back = NULL;
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs("\x1a\x7f not a message", f);
	fclose(f);
	ck_assert_int_eq(kho_left_read(path, &back, &err), -EBADMSG);
	ck_assert_ptr_null(back);
}
END_TEST

static Suite *takeover_suite(void)
{
	Suite *suite = suite_create("takeover");
	TCase *cpus = tcase_create("cpus"), *list = tcase_create("list");

	tcase_add_checked_fixture(cpus, setup, NULL);
	tcase_add_test(cpus, fetched_then_onlined);
	tcase_add_test(cpus, not_onlined_is_not_stuck);
	tcase_add_test(cpus, stuck_is_not_onlined);
	tcase_add_test(cpus, asleep_is_fetched_only);
	tcase_add_test(cpus, none_left);
	suite_add_tcase(suite, cpus);
	tcase_add_checked_fixture(list, make_dir, remove_dir);
	tcase_add_test(list, list_is_kept);
	tcase_add_test(list, list_is_damaged);
	suite_add_tcase(suite, list);
	return suite;
}

int main(void)
{
	return run_suite(takeover_suite());
}
