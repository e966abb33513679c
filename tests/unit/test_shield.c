// SPDX-License-Identifier: GPL-2.0-only
/*
 * A shield on a fake kernel: who's covered, and by whom. That the real one refuses a signal
 * is seen in tests/lab/test_faults.py.
 */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "bpf/shield.h"
#include "tests/unit/run.h"

#define CRIU	4711

static struct {
	int no_load, no_attach, no_put;		/* errno */
	unsigned int loaded, attached, dropped;
	uint32_t process, keeper;		/* 0: none */
} fake;

static int fake_load(void *ctx, const struct kho_bpf_image *image, const char *leave_out,
		     void **ret, struct kho_err *err)
{
	ck_assert_ptr_eq(ctx, &fake);
	ck_assert_str_eq(image->name, "shield");
	ck_assert_ptr_null(leave_out);
	if (fake.no_load)
		return kho_fail(err, -fake.no_load, "locked down");
	fake.loaded++;
	*ret = &fake;
	return 0;
}

static int fake_attach(void *ctx, void *object, struct kho_err *err)
{
	(void)ctx;
	ck_assert_ptr_eq(object, &fake);
	if (fake.no_attach)
		return kho_fail(err, -fake.no_attach, "no such function");
	fake.attached++;
	return 0;
}

static void assert_key(const struct kho_bpf_cell *cell)
{
	ck_assert_str_eq(cell->map, "shielded");
	ck_assert_uint_eq(cell->key_size, sizeof(fake.process));
}

static int fake_put(void *ctx, void *object, const struct kho_bpf_cell *cell, struct kho_err *err)
{
	(void)ctx;
	(void)object;
	assert_key(cell);
	ck_assert_uint_eq(cell->value_size, sizeof(fake.keeper));
	if (fake.no_put)
		return kho_fail(err, -fake.no_put, "map %s is full", cell->map);
	memcpy(&fake.process, cell->key, cell->key_size);
	memcpy(&fake.keeper, cell->value, cell->value_size);
	return 0;
}

static int fake_erase(void *ctx, void *object, const struct kho_bpf_cell *cell,
		      struct kho_err *err)
{
	(void)ctx;
	(void)object;
	assert_key(cell);
	if (memcmp(&fake.process, cell->key, cell->key_size) != 0)
		return kho_fail(err, -ENOENT, "it isn't there");
	fake.process = fake.keeper = 0;
	return 0;
}

static void fake_drop(void *ctx, void *object)
{
	(void)ctx;
	ck_assert_ptr_eq(object, &fake);
	fake.dropped++;
}

static const struct kho_bpf_ops fake_ops = {
	.load = fake_load, .attach = fake_attach, .put = fake_put, .erase = fake_erase,
	.drop = fake_drop,
};
static const struct kho_bpf bpf = { .ops = &fake_ops, .ctx = &fake };

START_TEST(covered)
{
	struct kho_shield *shield = NULL;
	struct kho_err err = {};

	ck_assert_int_eq(kho_shield_new(&bpf, &shield, &err), 0);
	ck_assert_uint_eq(fake.attached, 1);
	ck_assert_int_eq(kho_shield_cover(shield, CRIU, &err), 0);
	ck_assert_uint_eq(fake.process, CRIU);
	ck_assert_uint_eq(fake.keeper, (uint32_t)getpid());
	kho_shield_uncover(shield, CRIU + 1);
	ck_assert_uint_eq(fake.process, CRIU);
	kho_shield_uncover(shield, CRIU);
	ck_assert_uint_eq(fake.process, 0);
	ck_assert_ptr_null(kho_shield_free(shield));
	ck_assert_uint_eq(fake.dropped, 1);
}
END_TEST

START_TEST(refused)
{
	struct kho_shield *shield = NULL;
	struct kho_err err = {};

	fake.no_load = EPERM;
	ck_assert_int_eq(kho_shield_new(&bpf, &shield, &err), -EPERM);
	ck_assert_str_eq(err.msg, "locked down");
	fake.no_load = 0;
	fake.no_attach = ENOENT;
	ck_assert_int_eq(kho_shield_new(&bpf, &shield, &err), -ENOENT);
	ck_assert_ptr_null(shield);
	ck_assert_uint_eq(fake.loaded, fake.dropped);
}
END_TEST

START_TEST(full)
{
	struct kho_shield *shield = NULL;
	struct kho_err err = {};

	ck_assert_int_eq(kho_shield_new(&bpf, &shield, &err), 0);
	fake.no_put = E2BIG;
	ck_assert_int_eq(kho_shield_cover(shield, CRIU, &err), -E2BIG);
	kho_shield_free(shield);
}
END_TEST

/* A kernel that takes none: moves go on without. */
START_TEST(none)
{
	struct kho_err err = {};

	ck_assert_int_eq(kho_shield_cover(NULL, CRIU, &err), 0);
	kho_shield_uncover(NULL, CRIU);
	ck_assert_ptr_null(kho_shield_free(NULL));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shield");
	TCase *all = tcase_create("all");

	tcase_add_test(all, covered);
	tcase_add_test(all, refused);
	tcase_add_test(all, full);
	tcase_add_test(all, none);
	suite_add_tcase(suite, all);
	return run_suite(suite);
}
