// SPDX-License-Identifier: GPL-2.0-only
/* What a handover may hold, and looking things up in it; physical ranges. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "unit/fake_handover.h"
#include "unit/run.h"

static struct kho_handover h;

static void setup(void)
{
	fake_handover_fill(&h);
}

/* ---- one wrong thing at a time ---- */

static void no_range(void) { h.nr_ranges = 0; }
static void many_ranges(void) { h.nr_ranges = MK_MAX_RANGES + 1; }
static void empty_range(void) { h.ranges[1].size = 0; }
static void odd_range(void) { h.ranges[1].start++; }
static void odd_range_size(void) { h.ranges[1].size--; }
static void high_range(void) { h.ranges[1].start = (1ULL << 52) - 4096; }
static void wrapping_range(void) { h.ranges[1].start = UINT64_MAX - 4095; }
static void huge_range(void) { h.ranges[1].size = UINT64_MAX - 4095; }
static void same_range(void) { h.ranges[1].start = h.ranges[0].start + 4096; }

static void many_arenas(void) { h.nr_arenas = KHO_HANDOVER_MAX_ARENAS + 1; }
static void arena_no_name(void) { h.arenas[2].name[0] = '\0'; }
static void arena_digit(void) { h.arenas[2].name[0] = '1'; }
static void arena_upper(void) { h.arenas[2].name[1] = 'A'; }
static void arena_path(void) { h.arenas[2].name[1] = '/'; }
static void arena_endless(void) { memset(h.arenas[2].name, 'a', KHO_HANDOVER_NAME_SIZE); }
static void arena_twice(void) { h.arenas[2] = h.arenas[1]; }
static void arena_overlap(void) { h.arenas[2].offset -= 4096; }
static void arena_odd(void) { h.arenas[2].offset++; }
static void arena_empty(void) { h.arenas[2].size = 0; }
static void arena_across(void) { h.arenas[2].offset = 512 * KHO_MIB - 4096; }
static void arena_outside(void) { h.arenas[2].offset = 768 * KHO_MIB; }
static void arena_wraps(void) { h.arenas[2].size = UINT64_MAX - 4095; }

static void no_cpu(void) { h.nr_own_cpus = 0; }
static void many_cpus(void) { h.nr_own_cpus = KHO_HANDOVER_MAX_CPUS + 1; }
static void many_later(void) { h.nr_later_cpus = KHO_HANDOVER_MAX_CPUS - 1; }
static void endless_later(void) { h.nr_later_cpus = UINT32_MAX; }
static void cpu_twice(void) { h.own_cpus[1] = h.own_cpus[0]; }
static void cpu_none(void) { h.own_cpus[1] = UINT32_MAX; }
static void later_is_own(void) { h.later_cpus[1] = h.own_cpus[0]; }
static void later_twice(void) { h.later_cpus[1] = h.later_cpus[0]; }
static void later_none(void) { h.later_cpus[0] = UINT32_MAX; }

static void no_low(void) { h.low_own.size = 0; }
static void high_low(void) { h.low_own.start = KHO_MIB - 4096; }
static void odd_low(void) { h.low_own.start += 16; }
static void many_low(void) { h.nr_low_later = KHO_HANDOVER_MAX_LOW + 1; }
static void low_is_own(void) { h.low_later[0] = h.low_own; }
static void low_twice(void) { h.low_later[h.nr_low_later++] = h.low_later[0]; }
static void low_wraps(void) { h.low_later[0].start = UINT64_MAX - 4095; }

static void many_ram(void) { h.nr_ram = KHO_HANDOVER_MAX_RAM + 1; }
static void empty_ram(void) { h.ram[1].size = 0; }
static void wrapping_ram(void) { h.ram[2].size = UINT64_MAX; }
static void reserved_ram(void) { h.ram[0].reserved = 1; }

static void many_ecam(void) { h.nr_ecam = KHO_HANDOVER_MAX_ECAM + 1; }
static void backward_ecam(void) { h.ecam[0].start_bus = 7, h.ecam[0].end_bus = 6; }
static void no_ecam(void) { h.ecam[0].address = 0; }
static void odd_ecam(void) { h.ecam[0].address += 4096; }
static void high_ecam(void) { h.ecam[0].address = (1ULL << 52) - KHO_MIB; }
static void reserved_ecam(void) { h.ecam[0].reserved = 1; }
static void same_ecam(void) { h.ecam[h.nr_ecam++] = h.ecam[0]; }

static void no_release(void) { h.source_release[0] = '\0'; }
static void endless_release(void) { memset(h.source_release, 'x', KHO_HANDOVER_TEXT_SIZE); }
static void binary_release(void) { h.source_release[3] = '\n'; }
static void no_agent(void) { h.source_agent[0] = '\0'; }
static void high_agent(void) { h.source_agent[0] = (char)0xc3; }
static void no_khz(void) { h.clock.tsc_khz = 0; }
static void old_realtime(void) { h.clock.realtime_ns = -1; }
static void old_monotonic(void) { h.clock.monotonic_ns = INT64_MIN; }

static const struct {
	void (*break_it)(void);
	const char *text;
} broken[] = {
	{ no_range, "0 ranges" }, { many_ranges, "33 ranges" }, { empty_range, "range 1 is empty" },
	{ odd_range, "range 1 is empty" }, { odd_range_size, "range 1 is empty" },
	{ high_range, "too high" }, { wrapping_range, "too high" }, { huge_range, "too high" },
	{ same_range, "range 1 overlaps" },
	{ many_arenas, "33 arenas" }, { arena_no_name, "arena 2 has a bad name" },
	{ arena_digit, "bad name" }, { arena_upper, "bad name" }, { arena_path, "bad name" },
	{ arena_endless, "bad name" }, { arena_twice, "\"status-new\" is listed twice" },
	{ arena_overlap, "\"status-new\" and \"owners\" overlap" },
	{ arena_odd, "\"owners\" is not page aligned" }, { arena_empty, "\"owners\" is empty" },
	{ arena_across, "\"owners\"" }, { arena_outside, "\"owners\"" },
	{ arena_wraps, "\"owners\"" },
	{ no_cpu, "0 CPUs" }, { many_cpus, "513 CPUs" }, { many_later, "511 later" },
	{ endless_later, "4294967295 later" }, { cpu_twice, "APIC id 2" },
	{ cpu_none, "APIC id 4294967295" }, { later_is_own, "later CPU with APIC id 2" },
	{ later_twice, "later CPU with APIC id 0" }, { later_none, "later CPU" },
	{ no_low, "low window" }, { high_low, "above 1 MiB" }, { odd_low, "low window" },
	{ many_low, "5 later low windows" }, { low_is_own, "later low window 0" },
	{ low_twice, "later low window 1" }, { low_wraps, "above 1 MiB" },
	{ many_ram, "129 entries" }, { empty_ram, "entry 1" }, { wrapping_ram, "entry 2" },
	{ reserved_ram, "entry 0" },
	{ many_ecam, "17 PCI segments" }, { backward_ecam, "segment 0" }, { no_ecam, "segment 0" },
	{ odd_ecam, "segment 0" }, { high_ecam, "segment 0" }, { reserved_ecam, "segment 0" },
	{ same_ecam, "segments 0 and 1 share" },
	{ no_release, "release" }, { endless_release, "release" }, { binary_release, "release" },
	{ no_agent, "agent" }, { high_agent, "agent" },
	{ no_khz, "clock" }, { old_realtime, "clock" }, { old_monotonic, "clock" },
};

START_TEST(refused)
{
	struct kho_err err = { 0 };

	broken[_i].break_it();
	ck_assert_int_eq(kho_handover_check(&h, &err), -EINVAL);
	ck_assert_int_eq(err.code, -EINVAL);
	ck_assert_msg(strstr(err.msg, broken[_i].text) != NULL, "%s", err.msg);
	ck_assert_int_eq(kho_handover_check(&h, NULL), -EINVAL);
}
END_TEST

START_TEST(accepted)
{
	struct kho_err err = { 0 };

	ck_assert_msg(kho_handover_check(&h, &err) == 0, "%s", err.msg);
	/* the least there can be */
	h.nr_arenas = h.nr_later_cpus = h.nr_low_later = h.nr_ram = h.nr_ecam = 0;
	h.boot_apic_id = UINT32_MAX;
	h.power = (struct mk_power) { 0 };
	h.clock.realtime_ns = h.clock.monotonic_ns = 0;
	ck_assert_msg(kho_handover_check(&h, &err) == 0, "%s", err.msg);
	/* edges */
	h.ranges[1] = (struct mk_range) { h.ranges[0].start + h.ranges[0].size, 4096 };
	h.low_own = (struct mk_range) { KHO_MIB - 4096, 4096 };
	h.nr_ram = 1;
	h.ram[0] = (struct kho_handover_ram) { 0, UINT64_MAX, 1, 0 };
	ck_assert_msg(kho_handover_check(&h, &err) == 0, "%s", err.msg);
}
END_TEST

START_TEST(looks_up)
{
	ck_assert_ptr_eq(kho_handover_arena(&h, "owners"), &h.arenas[2]);
	ck_assert_ptr_null(kho_handover_arena(&h, "owner"));
	ck_assert_ptr_null(kho_handover_arena(&h, ""));
	ck_assert_uint_eq(kho_handover_phys(&h, 0), FAKE_REGION_START);
	ck_assert_uint_eq(kho_handover_phys(&h, 512 * KHO_MIB - 1),
			  FAKE_REGION_START + 512 * KHO_MIB - 1);
	ck_assert_uint_eq(kho_handover_phys(&h, 512 * KHO_MIB), 0x180000000);
	ck_assert_uint_eq(kho_handover_phys(&h, 768 * KHO_MIB - 1), 0x18fffffff);
	ck_assert_uint_eq(kho_handover_phys(&h, 768 * KHO_MIB), UINT64_MAX);
	ck_assert_uint_eq(kho_handover_phys(&h, UINT64_MAX), UINT64_MAX);
}
END_TEST

/* Nothing of the machine is left out unsaid. */
START_TEST(full)
{
	struct kho_handover_ecam segment = { .address = 1ULL << 40, .end_bus = 255 };
	struct kho_err err;

	h.nr_ram = h.nr_ecam = 0;
	for (uint32_t i = 0; i < KHO_HANDOVER_MAX_RAM; i++)
		ck_assert_int_eq(kho_handover_add_ram(&h, i * KHO_MIB, KHO_MIB, &err), 0);
	ck_assert_uint_eq(h.ram[127].start, 127 * KHO_MIB);
	ck_assert_uint_eq(h.ram[127].type, 1);
	ck_assert_int_eq(kho_handover_add_ram(&h, KHO_GIB, KHO_MIB, &err), -E2BIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "more than 128 pieces; take memmap="));
	ck_assert_uint_eq(h.nr_ram, KHO_HANDOVER_MAX_RAM);
	for (; h.nr_ecam < KHO_HANDOVER_MAX_ECAM; segment.domain++)
		ck_assert_int_eq(kho_handover_add_ecam(&h, &segment, &err), 0);
	ck_assert_uint_eq(h.ecam[15].domain, 15);
	ck_assert_int_eq(kho_handover_add_ecam(&h, &segment, &err), -E2BIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "more than 16 PCI segments"));
	ck_assert_uint_eq(h.nr_ecam, KHO_HANDOVER_MAX_ECAM);
}
END_TEST

/* ---- phys.h ---- */

START_TEST(view_of_a_region)
{
	static const struct mk_range ranges[] = { { 0x8000, 16 }, { 0x4000, 8 } };
	static const char memory[24] = "0123456789abcdefABCDEFGH";
	struct kho_region_view view = { ranges, 2, memory };
	struct kho_mem mem = kho_region_mem(&view);
	char buf[16] = "";

	ck_assert_ptr_eq(mem.map(mem.ctx, 0x8000, 16), memory);
	ck_assert_ptr_eq(mem.map(mem.ctx, 0x800f, 1), memory + 15);
	ck_assert_ptr_null(mem.map(mem.ctx, 0x8000, 17));
	ck_assert_ptr_null(mem.map(mem.ctx, 0x7fff, 2));
	ck_assert_ptr_null(mem.map(mem.ctx, UINT64_MAX, 2));
	ck_assert_ptr_null(mem.map(mem.ctx, 0x8001, SIZE_MAX));
	ck_assert_int_eq(kho_mem_read(&mem, 0x4004, buf, 4), 0);
	ck_assert_str_eq(buf, "EFGH");
	ck_assert_int_eq(kho_mem_read(&mem, 0x4004, buf, 5), -EFAULT);
	ck_assert_str_eq(buf, "EFGH");
	ck_assert(kho_ranges_contain(ranges, 2, 0x4000, 8));
	ck_assert(!kho_ranges_contain(ranges, 2, 0x4000, 9));
	ck_assert(!kho_ranges_contain(ranges, 2, 0x4000, 0));
	ck_assert(!kho_ranges_contain(ranges, 0, 0x4000, 1));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("handover");
	TCase *tc = tcase_create("handover");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, refused, 0, KHO_ARRAY_SIZE(broken));
	tcase_add_test(tc, accepted);
	tcase_add_test(tc, looks_up);
	tcase_add_test(tc, full);
	tcase_add_test(tc, view_of_a_region);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
