// SPDX-License-Identifier: GPL-2.0-only
/* What one kernel leaves to the next: its bytes, damage of any kind, contradictions. */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "channel/bequest.h"
#include "unit/golden.h"
#include "unit/run.h"

#define WORKLOADS	2u
#define FILES		(WORKLOADS * _KHO_BEQUEST_SORT_MAX)

/* Two workloads, 0 and 3, at one address. */
static Kho__Bequest bequest;
static Kho__MoveStep steps[WORKLOADS + 1], *workloads[WORKLOADS], *addresses[1];
static Kho__MoveWorkload units[WORKLOADS];
static Kho__MoveAddress address;
static Kho__BequestFile rooms[FILES], *files[FILES];
static struct kho_err err;

static void set_up_step(Kho__MoveStep *step, uint32_t item, const char *name)
{
	kho__move_step__init(step);
	step->has_item = true;
	step->item = item;
	step->name = (char *)name;
}

static void setup(void)
{
	static const uint32_t items[WORKLOADS] = { 0, 3 };

	err = (struct kho_err){};
	kho__bequest__init(&bequest);
	bequest.journal = (char *)"the journal";
	bequest.config = (char *)"the configuration";
	bequest.has_tsc = bequest.has_tsc_khz = bequest.has_realtime_ns = true;
	bequest.has_monotonic_ns = bequest.has_frozen_ns = true;
	bequest.tsc = 1000000;
	bequest.tsc_khz = 2000000;
	bequest.realtime_ns = 1764120000000000000;
	bequest.monotonic_ns = 5000000000;
	bequest.frozen_ns = 4000000000;
	for (unsigned int i = 0; i < WORKLOADS; i++) {
		set_up_step(&steps[i], items[i], i ? "web" : "redis");
		kho__move_workload__init(&units[i]);
		units[i].unit = (char *)(i ? "web.service" : "redis.service");
		steps[i].workload = &units[i];
		workloads[i] = &steps[i];
	}
	set_up_step(&steps[WORKLOADS], 0, "vip");
	kho__move_address__init(&address);
	steps[WORKLOADS].address = &address;
	addresses[0] = &steps[WORKLOADS];
	for (unsigned int i = 0; i < FILES; i++) {
		kho__bequest_file__init(&rooms[i]);
		rooms[i].sort = (char *)kho_bequest_sort_name(i % _KHO_BEQUEST_SORT_MAX);
		rooms[i].has_item = rooms[i].has_token = rooms[i].has_size = true;
		rooms[i].item = items[i / _KHO_BEQUEST_SORT_MAX];
		rooms[i].token = 2 + i;
		rooms[i].size = 4096;
		files[i] = &rooms[i];
	}
	bequest.workloads = workloads;
	bequest.n_workloads = WORKLOADS;
	bequest.addresses = addresses;
	bequest.n_addresses = 1;
	bequest.files = files;
	bequest.n_files = FILES;
}

static char *packed(size_t *ret_size)
{
	char *data;

	ck_assert_int_eq(kho_bequest_pack(&bequest, &data, ret_size, &err), 0);
	return data;
}

/* What's read of it; 0 is freed. */
static int read_back(const char *data, size_t size)
{
	Kho__Bequest *seen = NULL;
	int r = kho_bequest_unpack(data, size, &seen, &err);

	ck_assert_int_eq(r < 0, seen == NULL);
	ck_assert(r == 0 || (err.code == r && *err.msg));
	if (seen)
		kho__bequest__free_unpacked(seen, NULL);
	return r;
}

static int read_it(void)
{
	size_t size;
	char *data = packed(&size);
	int r = read_back(data, size);

	free(data);
	return r;
}

START_TEST(goes_and_comes)
{
	size_t size;
	char *data = packed(&size);
	Kho__Bequest *seen;

	golden_compare("bequest.bin", data, size);
	ck_assert_int_eq(kho_bequest_unpack(data, size, &seen, &err), 0);
	ck_assert_uint_eq(seen->n_workloads, WORKLOADS);
	ck_assert_str_eq(seen->workloads[1]->workload->unit, "web.service");
	ck_assert_uint_eq(kho_bequest_file(seen, KHO_BEQUEST_IMAGES, 3)->token, 8);
	ck_assert_uint_eq(kho_bequest_file(seen, KHO_BEQUEST_PAGES, 0)->token, 2);
	ck_assert_ptr_null(kho_bequest_file(seen, KHO_BEQUEST_PAGES, 1));
	kho__bequest__free_unpacked(seen, NULL);
	free(data);
}
END_TEST

START_TEST(cut_off_or_damaged)
{
	size_t size;
	char *data = packed(&size);

	for (size_t i = 0; i < size; i++)
		ck_assert_int_eq(read_back(data, i), -EBADMSG);
	for (size_t i = 0; i < size; i++) {
		int r;

		data[i] ^= 0x10;
		r = read_back(data, size);
		/* bytes 4 to 7: it may be of another version */
		ck_assert_int_eq(r, i >= 4 && i < 8 ? -EPROTONOSUPPORT : -EBADMSG);
		data[i] ^= 0x10;
	}
	ck_assert_int_eq(read_back(data, size), 0);
	free(data);
}
END_TEST

START_TEST(not_a_message)
{
	size_t size;
	char *data = packed(&size);
	uint32_t crc;

	/* a sum that's right makes no message of it */
	memset(data + KHO_BEQUEST_HEADER_SIZE, 0xff, size - KHO_BEQUEST_HEADER_SIZE);
	memset(data + 12, 0, 4);
	crc = kho_crc32c(data, size);
	memcpy(data + 12, &crc, sizeof(crc));
	ck_assert_int_eq(read_back(data, size), -EBADMSG);
	free(data);
}
END_TEST

START_TEST(workloads_that_make_no_sense)
{
	bequest.n_workloads = 0;
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	steps[1].item = 0;
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	steps[1].item = KHO_BEQUEST_ITEMS;
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	steps[1].has_item = false;
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	steps[0].name = NULL;
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	units[0].unit = NULL;
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	steps[WORKLOADS].address = NULL;
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	bequest.n_addresses = 0;
	ck_assert_int_eq(read_it(), 0);
}
END_TEST

START_TEST(files_that_make_no_sense)
{
	/* one is missing */
	bequest.n_files = FILES - 1;
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	rooms[5].item = 0;
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	rooms[5].item = 7;
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	rooms[5].item = UINT32_MAX;
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	rooms[5].sort = (char *)"others";
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	rooms[5].sort = NULL;
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	rooms[5].token = rooms[2].token;
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	rooms[5].token = 0;
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	rooms[5].has_size = false;
	ck_assert_int_eq(read_it(), -EBADMSG);
}
END_TEST

START_TEST(what_it_cannot_lack)
{
	bequest.journal = NULL;
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	bequest.config = NULL;
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	bequest.has_tsc_khz = false;
	ck_assert_int_eq(read_it(), -EBADMSG);
	setup();
	bequest.has_frozen_ns = false;
	ck_assert_int_eq(read_it(), -EBADMSG);
}
END_TEST

START_TEST(too_long)
{
	char *data, *text = malloc(KHO_BEQUEST_MAX + 1);
	size_t size;

	ck_assert_ptr_nonnull(text);
	memset(text, 'x', KHO_BEQUEST_MAX);
	text[KHO_BEQUEST_MAX] = '\0';
	bequest.config = text;
	ck_assert_int_eq(kho_bequest_pack(&bequest, &data, &size, &err), -EFBIG);
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bequest");
	TCase *tc = tcase_create("bequest");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, goes_and_comes);
	tcase_add_test(tc, cut_off_or_damaged);
	tcase_add_test(tc, not_a_message);
	tcase_add_test(tc, workloads_that_make_no_sense);
	tcase_add_test(tc, files_that_make_no_sense);
	tcase_add_test(tc, what_it_cannot_lack);
	tcase_add_test(tc, too_long);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
