// SPDX-License-Identifier: GPL-2.0-only
/* Probes on a fake kernel: what's loaded, told and read; and that a failure stays where it is. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/probes.h"
#include "unit/run.h"

#define WORKLOAD	5u

/* A kernel that fails where it's told to, by the probe's name. */
static struct {
	const char *no_load, *no_attach, *no_cgroup, *no_put, *no_get;
	unsigned int loaded, dropped, attached, cgroups, puts;
	char left_out[64];
	uint64_t watched_id;
	uint32_t watched, home, phase[8];	/* by object */
	struct kho_tcp_address address;
} fake;

struct object {
	unsigned int number;
	const char *name;
};

static bool is(const char *which, const char *name)
{
	return which && (strcmp(which, name) == 0 || strcmp(which, "all") == 0);
}

static int fake_load(void *ctx, const struct kho_bpf_image *image, const char *leave_out,
		     void **ret, struct kho_err *err)
{
	struct object *o;

	ck_assert_ptr_eq(ctx, &fake);
	if (is(fake.no_load, image->name))
		return kho_fail(err, -EPERM, "locked down");
	if (leave_out)
		snprintf(fake.left_out, sizeof(fake.left_out), "%s", leave_out);
	o = calloc(1, sizeof(*o));
	*o = (struct object){ .number = fake.loaded++, .name = image->name };
	*ret = o;
	return 0;
}

static int fake_attach(void *ctx, void *object, struct kho_err *err)
{
	struct object *o = object;

	(void)ctx;
	if (is(fake.no_attach, o->name))
		return kho_fail(err, -EINVAL, "%s: no such function", o->name);
	fake.attached++;
	return 0;
}

static int fake_attach_cgroup(void *ctx, void *object, const char *program, int cgroup,
			      struct kho_err *err)
{
	struct object *o = object;
	struct stat st;

	(void)ctx;
	ck_assert_str_eq(program, "on_packet");
	ck_assert_int_eq(fstat(cgroup, &st), 0);
	if (is(fake.no_cgroup, o->name))
		return kho_fail(err, -EPERM, "not to this cgroup");
	fake.cgroups++;
	return 0;
}

static int fake_put(void *ctx, void *object, const struct kho_bpf_cell *cell, struct kho_err *err)
{
	struct object *o = object;

	(void)ctx;
	if (is(fake.no_put, o->name))
		return kho_fail(err, -E2BIG, "map %s is full", cell->map);
	fake.puts++;
	if (strcmp(cell->map, "watched") == 0) {
		ck_assert_uint_eq(cell->key_size, 8);
		memcpy(&fake.watched_id, cell->key, 8);
		memcpy(&fake.watched, cell->value, 4);
	} else if (strcmp(cell->map, "phase") == 0) {
		ck_assert_mem_eq(cell->key, &(uint32_t){ WORKLOAD }, 4);
		memcpy(&fake.phase[o->number], cell->value, 4);
	} else if (strcmp(cell->map, "home") == 0) {
		memcpy(&fake.home, cell->value, 4);
	} else if (strcmp(cell->map, "seen") == 0) {
		ck_assert_uint_eq(cell->key_size, 16);
		memcpy(&fake.address, cell->key, 16);
	} else {
		ck_assert_str_eq(cell->map, "known");
	}
	return 0;
}

static int fake_get(void *ctx, void *object, const struct kho_bpf_cell *cell, struct kho_err *err)
{
	struct object *o = object;

	(void)ctx;
	ck_assert_str_eq(cell->map, "seen");
	if (is(fake.no_get, o->name))
		return kho_fail(err, -ENOENT, "map seen");
	/* each word says which probe it came from */
	for (size_t i = 0; i < cell->value_size / 8; i++)
		((uint64_t *)cell->value)[i] = (uint64_t)o->name[0] << 8 | i;
	return 0;
}

static void fake_drop(void *ctx, void *object)
{
	(void)ctx;
	fake.dropped++;
	free(object);
}

static const struct kho_bpf_ops fake_ops = {
	.load = fake_load, .attach = fake_attach, .attach_cgroup = fake_attach_cgroup,
	.put = fake_put, .get = fake_get, .drop = fake_drop,
};
static const struct kho_bpf bpf = { .ops = &fake_ops, .ctx = &fake };

static char cgroup[] = "/tmp/kho-cgroup-XXXXXX";
static const struct kho_tcp_address address = { .bytes = { [10] = 0xff, [11] = 0xff, [12] = 10 } };
static struct kho_seen seen;

static void setup(void)
{
	memset(&fake, 0, sizeof(fake));
	memcpy(cgroup + sizeof(cgroup) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(cgroup));
}

static void teardown(void)
{
	rmdir(cgroup);
	/* whatever happened: nothing is left in the kernel */
	ck_assert_uint_eq(fake.dropped, fake.loaded);
}

static struct kho_probes *begin(enum kho_probe_side side)
{
	struct kho_probes *probes;
	struct kho_err err;

	ck_assert_int_eq(kho_probes_new(&bpf, side, &probes, &err), 0);
	kho_probes_watch(probes, WORKLOAD, cgroup);
	kho_probes_watch_address(probes, &address);
	kho_probes_attach(probes);
	return probes;
}

START_TEST(side_that_they_leave)
{
	struct kho_probes *probes = begin(KHO_PROBE_LEAVES);
	struct kho_tcp_seen tcp;
	struct stat st;

	ck_assert_int_eq(stat(cgroup, &st), 0);
	ck_assert_uint_eq(fake.loaded, 3);
	ck_assert_uint_eq(fake.attached, 3);
	ck_assert_uint_eq(fake.cgroups, 1);
	ck_assert_str_eq(fake.left_out, "on_call");
	ck_assert_uint_eq(fake.watched, WORKLOAD);
	ck_assert_uint_eq(fake.watched_id, st.st_ino);
	ck_assert_mem_eq(&fake.address, &address, sizeof(address));
	ck_assert_int_eq(stat("/proc/self/ns/net", &st), 0);
	ck_assert_uint_eq(fake.home, st.st_ino);
	kho_probes_mark(probes, WORKLOAD, KHO_WATCH_FROZEN);
	ck_assert_uint_eq(fake.phase[0], KHO_WATCH_FROZEN);
	ck_assert_uint_eq(fake.phase[1], KHO_WATCH_FROZEN);
	kho_probes_read(probes, WORKLOAD, &seen);
	ck_assert_uint_eq(seen.frozen.last_out_ns, (uint64_t)'f' << 8);
	ck_assert_uint_eq(seen.silent.first_out_ns, (uint64_t)'s' << 8 | 1);
	ck_assert_str_eq(seen.why[KHO_PROBE_FROZEN], "");
	ck_assert_str_eq(seen.why[KHO_PROBE_SILENT], "");
	ck_assert_str_ne(seen.why[KHO_PROBE_FAULTS], "");
	ck_assert(kho_probes_read_address(probes, &address, &tcp));
	ck_assert_uint_eq(tcp.window_probes, (uint64_t)'t' << 8 | 4);
	kho_probes_free(probes);
}
END_TEST

START_TEST(side_that_they_come_to)
{
	struct kho_probes *probes = begin(KHO_PROBE_COMES);

	ck_assert_uint_eq(fake.loaded, 4);
	ck_assert_str_eq(fake.left_out, "");
	for (unsigned int probe = 0; probe < _KHO_PROBE_MAX; probe++)
		ck_assert_ptr_null(kho_probes_why(probes, probe));
	kho_probes_read(probes, WORKLOAD, &seen);
	ck_assert_uint_eq(seen.faults.count, (uint64_t)'f' << 8);
	ck_assert_uint_eq(seen.faults.slots[KHO_FAULTS_SLOTS - 1],
			  (uint64_t)'f' << 8 | (4 + KHO_FAULTS_SLOTS - 1));
	kho_probes_free(probes);
}
END_TEST

/* The kernel refuses one, at one point: the others go on. */
static const struct {
	const char **refusal;
	const char *name;
	enum kho_probe probe;
	const char *why;
} refusals[] = {
	{ &fake.no_load, "frozen", KHO_PROBE_FROZEN, "locked down" },
	{ &fake.no_load, "faults", KHO_PROBE_FAULTS, "locked down" },
	{ &fake.no_attach, "silent", KHO_PROBE_SILENT, "silent: no such function" },
	{ &fake.no_attach, "faults", KHO_PROBE_FAULTS, "faults: no such function" },
	{ &fake.no_cgroup, "silent", KHO_PROBE_SILENT, "not to this cgroup" },
	{ &fake.no_put, "frozen", KHO_PROBE_FROZEN, "map watched is full" },
	{ &fake.no_get, "frozen", KHO_PROBE_FROZEN, "map seen" },
};

START_TEST(one_is_refused)
{
	struct kho_probes *probes;

	*refusals[_i].refusal = refusals[_i].name;
	probes = begin(KHO_PROBE_COMES);
	kho_probes_mark(probes, WORKLOAD, KHO_WATCH_RESUMED);
	kho_probes_read(probes, WORKLOAD, &seen);
	for (unsigned int probe = 0; probe < KHO_PROBE_TCP; probe++)
		ck_assert_str_eq(seen.why[probe],
				 probe == refusals[_i].probe ? refusals[_i].why : "");
	ck_assert_str_eq(kho_probes_why(probes, refusals[_i].probe), refusals[_i].why);
	ck_assert_ptr_null(kho_probes_why(probes, KHO_PROBE_TCP));
	kho_probes_free(probes);
}
END_TEST

START_TEST(all_are_refused)
{
	struct kho_tcp_seen tcp = { .retransmits = 9 };
	struct kho_probes *probes;

	fake.no_load = "all";
	probes = begin(KHO_PROBE_COMES);
	kho_probes_mark(probes, WORKLOAD, KHO_WATCH_RESUMED);
	kho_probes_read(probes, WORKLOAD, &seen);
	ck_assert_uint_eq(seen.frozen.first_in_ns, 0);
	for (unsigned int probe = 0; probe < _KHO_PROBE_MAX; probe++)
		ck_assert_str_eq(seen.why[probe], "locked down");
	ck_assert(!kho_probes_read_address(probes, &address, &tcp));
	ck_assert_uint_eq(tcp.retransmits, 9);
	kho_probes_free(probes);
}
END_TEST

START_TEST(addresses_that_fail)
{
	struct kho_tcp_seen tcp;
	struct kho_probes *probes = begin(KHO_PROBE_LEAVES);

	fake.no_get = "tcp";
	ck_assert(!kho_probes_read_address(probes, &address, &tcp));
	ck_assert_str_eq(kho_probes_why(probes, KHO_PROBE_TCP), "map seen");
	kho_probes_free(probes);
}
END_TEST

START_TEST(unwatched)
{
	struct kho_probes *probes = begin(KHO_PROBE_LEAVES);

	kho_probes_watch(probes, KHO_WATCHED, cgroup);
	kho_probes_watch(probes, 2, "/nowhere/at/all");
	kho_probes_watch(probes, 3, "/tmp/a/b/c/d/e/f/g/h/i/j");
	kho_probes_read(probes, 2, &seen);
	ck_assert_ptr_nonnull(strstr(seen.why[KHO_PROBE_FROZEN], "/nowhere/at/all"));
	kho_probes_read(probes, 4, &seen);
	ck_assert_ptr_nonnull(strstr(seen.why[KHO_PROBE_SILENT], "wasn't watched"));
	kho_probes_read(probes, KHO_WATCHED, &seen);
	ck_assert_str_ne(seen.why[KHO_PROBE_FROZEN], "");
	kho_probes_read(probes, WORKLOAD, &seen);
	ck_assert_str_eq(seen.why[KHO_PROBE_FROZEN], "");
	kho_probes_free(probes);
	ck_assert_ptr_null(kho_probes_free(NULL));
}
END_TEST

START_TEST(addresses)
{
	struct kho_tcp_address a = {};
	struct kho_err err;

	ck_assert_int_eq(kho_tcp_address_parse("10.77.0.10/24", &a, &err), 0);
	ck_assert_mem_eq(a.bytes, ((uint8_t[16]){ [10] = 0xff, 0xff, 10, 77, 0, 10 }), 16);
	ck_assert_int_eq(kho_tcp_address_parse("fd00::1/64", &a, &err), 0);
	ck_assert_mem_eq(a.bytes, ((uint8_t[16]){ 0xfd, [15] = 1 }), 16);
	ck_assert_int_eq(kho_tcp_address_parse("fd00::2", &a, &err), 0);
	ck_assert_uint_eq(a.bytes[15], 2);
	ck_assert_int_eq(kho_tcp_address_parse("", &a, &err), -EINVAL);
	ck_assert_int_eq(kho_tcp_address_parse("10.0.0.256", &a, &err), -EINVAL);
	ck_assert_int_eq(kho_tcp_address_parse("vip", &a, &err), -EINVAL);
	ck_assert_int_eq(kho_tcp_address_parse("0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
					       &a, &err), -EINVAL);
	ck_assert_uint_eq(a.bytes[15], 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("probes");
	TCase *all = tcase_create("probes");

	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, side_that_they_leave);
	tcase_add_test(all, side_that_they_come_to);
	tcase_add_loop_test(all, one_is_refused, 0, sizeof(refusals) / sizeof(refusals[0]));
	tcase_add_test(all, all_are_refused);
	tcase_add_test(all, addresses_that_fail);
	tcase_add_test(all, unwatched);
	tcase_add_test(all, addresses);
	suite_add_tcase(suite, all);
	return run_suite(suite);
}
