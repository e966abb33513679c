// SPDX-License-Identifier: GPL-2.0-only
/* VMCOREINFO and the translation of kernel addresses that it makes possible. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "spawn/kvirt.h"
#include "unit/fake_kernel.h"
#include "unit/run.h"

static struct fake_kernel kernel;
static struct kho_vmcoreinfo info;
static struct kho_err err;
static char *text;
static size_t text_size;

static const struct fake_kernel_options plain = {
	.page_shift = 21, .count_bits = 5, .size_bits = 10,
};

static void setup(void)
{
	fake_kernel_init(&kernel, &plain);
	text_size = fake_kernel_write_info(&kernel);
	text = (char *)kernel.mem + FAKE_KERNEL_INFO;
	memset(&info, 0xcc, sizeof(info));
}

static void teardown(void)
{
	fake_kernel_done(&kernel);
}

static int parse(const char *what)
{
	err = (struct kho_err) { 0 };
	return kho_vmcoreinfo_parse(what, strlen(what), &info, &err);
}

/* ---- text ---- */

START_TEST(text_is_parsed)
{
	ck_assert_msg(parse(text) == 0, "%s", err.msg);
	ck_assert_str_eq(info.release, "7.3.4-fake");
	ck_assert_uint_eq(info.prb, 0xffffffff9a000010);
	ck_assert_uint_eq(info.init_top_pgt, 0xffffffff9a001000);
	ck_assert_uint_eq(info.phys_base, 0x40000000ULL - 0x1a000000);
	ck_assert_uint_eq(info.la57, 0);
	ck_assert_uint_eq(info.sme_mask, 0);
	ck_assert_uint_eq(info.layout.ring_text_ring, 48);
	ck_assert_uint_eq(info.layout.info_size, 88);
	ck_assert_uint_eq(info.layout.info_caller, 20);
}
END_TEST

/* Cut anywhere: something is missing, or what's left is optional. */
START_TEST(text_cut_off)
{
	_cleanup_free_ char *cut = NULL;
	size_t size, good = 0;
	int r;

	for (size = 0; size < text_size; size++) {
		cut = realloc(cut, size + 1);
		memcpy(cut, text, size);
		memset(&info, 0xcc, sizeof(info));
		r = kho_vmcoreinfo_parse(cut, size, &info, NULL);
		good += r == 0;
		if (r < 0) {
			ck_assert(r == -EBADMSG || r == -ENOENT);
			ck_assert_uint_eq(info.prb, 0xcccccccccccccccc);
		}
	}
	/* the last line, which says that there are four levels, and a digit of phys_base */
	ck_assert_uint_gt(good, strlen("NUMBER(pgtable_l5_enabled)=0"));
	ck_assert_uint_lt(good, 60);
}
END_TEST

START_TEST(line_is_missing)
{
	static const char *const needed[] = {
		"SYMBOL(prb)", "SYMBOL(init_top_pgt)", "NUMBER(phys_base)",
		"SIZE(printk_ringbuffer)", "OFFSET(printk_ringbuffer.desc_ring)",
		"SIZE(prb_desc)", "OFFSET(prb_desc.state_var)", "SIZE(printk_info)",
		"OFFSET(printk_info.text_len)", "OFFSET(prb_data_ring.data)",
	};
	char *line;
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(needed); i++) {
		line = strstr(text, needed[i]);
		ck_assert_ptr_nonnull(line);
		*line ^= 0x20;
		ck_assert_int_eq(parse(text), -ENOENT);
		ck_assert_ptr_nonnull(strstr(err.msg, needed[i]));
		*line ^= 0x20;
	}
	ck_assert_int_eq(parse(text), 0);
}
END_TEST

static const struct {
	const char *from;
	const char *to;
} changes[] = {
	{ "OSRELEASE=7.3.4-fake", "OSRELEASE=           " },
	{ "OSRELEASE=7.3.4-fake\n", "OSRELEASE=\n\n\n\n\n\n\n\n\n\n\n" },
	{ "OSRELEASE=7.3.4-fake", "OSRELEASE=7.3.4\x1b" "fake" },
	{ "OSRELEASE", "OSRELEASX" },
	{ "SYMBOL(prb)=f", "SYMBOL(prb)=g" },
	{ "SYMBOL(prb)=ffff", "SYMBOL(prb)=    " },
	{ "SIZE(prb_desc)=24", "SIZE(prb_desc)=-4" },
	{ "SIZE(prb_desc)=24", "SIZE(prb_desc)=23" },
	{ "SIZE(printk_info)=88", "SIZE(printk_info)=19" },
	{ "SIZE(printk_ringbuffer)=88", "SIZE(printk_ringbuffer)=79" },
	{ "OFFSET(printk_ringbuffer.text_data_ring)=48",
	  "OFFSET(printk_ringbuffer.text_data_ring)=57" },
	{ "OFFSET(prb_desc_ring.tail_id)=32", "OFFSET(prb_desc_ring.tail_id)=41" },
	{ "OFFSET(prb_desc_ring.head_id)=24", "OFFSET(prb_desc_ring.head_id)=99" },
	{ "OFFSET(printk_info.text_len)=16\n", "OFFSET(printk_info.text_len)=85\n" },
	{ "OFFSET(printk_info.ts_nsec)=8\n", "OFFSET(printk_info.ts_nsec)=x\n" },
	{ "SIZE(atomic_long_t)=8", "SIZE(atomic_long_t)=7" },
	{ "OFFSET(atomic_long_t.counter)=0", "OFFSET(atomic_long_t.counter)=1" },
	{ "OFFSET(prb_data_blk_lpos.next)=8", "OFFSET(prb_data_blk_lpos.next)=9" },
	{ "NUMBER(pgtable_l5_enabled)=0", "NUMBER(pgtable_l5_enabled)=2" },
	{ "OFFSET(prb_desc_ring.count_bits)=0\nOFFSET(prb_desc_ring.descs)=8",
	  "OFFSET(prb_desc_ring.count_bits)=1025\nOFFSET(prb_desc_ring.des" },
};

START_TEST(line_that_can_not_be)
{
	char *line = strstr(text, changes[_i].from);
	struct kho_vmcoreinfo before = info;

	ck_assert_ptr_nonnull(line);
	memcpy(line, changes[_i].to, strlen(changes[_i].to));
	ck_assert_int_eq(parse(text), -EBADMSG);
	ck_assert_int_eq(err.code, -EBADMSG);
	ck_assert_mem_eq(&info, &before, sizeof(info));
}
END_TEST

START_TEST(release_too_long)
{
	char longer[4096];
	int used;

	used = snprintf(longer, sizeof(longer), "OSRELEASE=%.*s\n", 64,
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	snprintf(longer + used, sizeof(longer) - (size_t)used, "%s", strchr(text, '\n') + 1);
	ck_assert_int_eq(parse(longer), 0);
	ck_assert_uint_eq(strlen(info.release), 64);
	longer[used - 1] = 'x';
	ck_assert_int_eq(parse(longer), -EBADMSG);
}
END_TEST

START_TEST(numbers_with_a_sign)
{
	char *line = strstr(text, "NUMBER(phys_base)=");
	char *mask = strstr(text, "NUMBER(sme_mask)=0\n");

	ck_assert_ptr_nonnull(mask);
	memcpy(line, "NUMBER(phys_base)=-16777216\n#", 28);
	memcpy(mask, "NUMBER(sme_mask)=7\n", 19);
	ck_assert_msg(parse(text) == 0, "%s", err.msg);
	ck_assert_uint_eq(info.phys_base, (uint64_t)-16777216);
	ck_assert_uint_eq(info.sme_mask, 7);
	memcpy(line, "NUMBER(phys_base)=--6777216\n#", 28);
	ck_assert_int_eq(parse(text), -EBADMSG);
}
END_TEST

/* ---- memory ---- */

static int load(uint64_t phys, uint64_t size)
{
	struct mk_range where = { phys, size };

	return kho_vmcoreinfo_load(&kernel.source.reader, &where, &info, &err);
}

START_TEST(loaded_in_both_forms)
{
	ck_assert_int_eq(load(FAKE_KERNEL_PHYS + FAKE_KERNEL_INFO, 0), 0);
	ck_assert_int_eq(load(FAKE_KERNEL_PHYS + FAKE_KERNEL_INFO, text_size), 0);
	ck_assert_int_eq(load(FAKE_KERNEL_PHYS + FAKE_KERNEL_INFO, UINT64_MAX), 0);
	ck_assert_int_eq(load(FAKE_KERNEL_PHYS + FAKE_KERNEL_NOTE, 0), 0);
	ck_assert_int_eq(load(FAKE_KERNEL_PHYS + FAKE_KERNEL_NOTE, text_size + 24), 0);
	ck_assert_str_eq(info.release, "7.3.4-fake");
	ck_assert_int_eq(load(FAKE_KERNEL_PHYS + FAKE_KERNEL_NOTE, 24), -EBADMSG);
	ck_assert_int_eq(load(FAKE_KERNEL_PHYS + FAKE_KERNEL_NOTE, 5), -EBADMSG);
	ck_assert_int_eq(load(FAKE_KERNEL_PHYS + FAKE_KERNEL_NOTE + 4, 0), -EBADMSG);
	ck_assert_int_eq(load(FAKE_KERNEL_PHYS, 0), -EBADMSG);
	ck_assert_int_eq(load(0, 0), -EFAULT);
	ck_assert_int_eq(load(FAKE_KERNEL_PHYS + FAKE_KERNEL_SIZE - 8, 0), -EFAULT);
}
END_TEST

static uint64_t found[8];
static size_t nr_found;

static int note_found(void *ctx, uint64_t phys)
{
	ck_assert_uint_lt(nr_found, KHO_ARRAY_SIZE(found));
	found[nr_found++] = phys;
	return *(int *)ctx;
}

START_TEST(searched_page_by_page)
{
	static const struct mk_range ranges[] = {
		{ 0x1000, 0x4000 },		/* not there */
		{ FAKE_KERNEL_PHYS + 0x400000, 0x400000 },
		{ FAKE_KERNEL_PHYS, 0x2fff },
	};
	int stop = 0;
	struct kho_vmcoreinfo_search search = { ranges, 3, note_found, &stop };

	memcpy(kernel.mem + 0x1000, "OSRELEASE=", 10);
	memcpy(kernel.mem + 0x2000, "OSRELEASE=", 10);	/* not a whole page */
	memcpy(kernel.mem + 0x500008, "OSRELEASE=", 10);
	memcpy(kernel.mem + FAKE_KERNEL_SIZE - 4096, "OSRELEASE=", 10);
	ck_assert_int_eq(kho_vmcoreinfo_search(&kernel.source.reader, &search), 0);
	ck_assert_uint_eq(nr_found, 3);
	ck_assert_uint_eq(found[0], FAKE_KERNEL_PHYS + FAKE_KERNEL_INFO);
	ck_assert_uint_eq(found[1], FAKE_KERNEL_PHYS + FAKE_KERNEL_SIZE - 4096);
	ck_assert_uint_eq(found[2], FAKE_KERNEL_PHYS + 0x1000);
	stop = 4711;
	nr_found = 0;
	ck_assert_int_eq(kho_vmcoreinfo_search(&kernel.source.reader, &search), 4711);
	ck_assert_uint_eq(nr_found, 1);
}
END_TEST

/* ---- addresses ---- */

#define DIRECT_MAP	(0xffff888000000000ULL + FAKE_KERNEL_PHYS)
#define VMALLOC		0xffffc90000000000ULL

static const struct fake_kernel_options tables[] = {
	{ false, 12, 5, 10, false }, { false, 21, 5, 10, false }, { false, 30, 5, 10, false },
	{ true, 12, 5, 10, false }, { true, 21, 5, 10, false }, { true, 30, 5, 10, false },
};

static struct kho_kvirt open_kernel(const struct fake_kernel_options *options)
{
	fake_kernel_done(&kernel);
	fake_kernel_init(&kernel, options);
	fake_kernel_write_info(&kernel);
	ck_assert_int_eq(parse((char *)kernel.mem + FAKE_KERNEL_INFO), 0);
	return kho_kvirt_init(&kernel.source.reader, &info);
}

static void expect(struct kho_kvirt *kvirt, uint64_t virt, uint64_t want)
{
	uint64_t phys = 0;

	ck_assert_msg(kho_kvirt_to_phys(kvirt, virt, &phys) == 0, "%llx",
		      (unsigned long long)virt);
	ck_assert_uint_eq(phys, want);
}

START_TEST(addresses_are_translated)
{
	struct kho_kvirt kvirt = open_kernel(&tables[_i]);

	expect(&kvirt, FAKE_KERNEL_IMAGE, FAKE_KERNEL_PHYS);
	expect(&kvirt, FAKE_KERNEL_IMAGE + 0x1234567, FAKE_KERNEL_PHYS + 0x1234567);
	expect(&kvirt, DIRECT_MAP, FAKE_KERNEL_PHYS);
	expect(&kvirt, DIRECT_MAP + 0x7fffff, FAKE_KERNEL_PHYS + 0x7fffff);
	expect(&kvirt, VMALLOC, FAKE_KERNEL_PHYS + 0x300000 + 31 * 4096);
	expect(&kvirt, VMALLOC + 4095, FAKE_KERNEL_PHYS + 0x300000 + 31 * 4096 + 4095);
	expect(&kvirt, VMALLOC + 31 * 4096, FAKE_KERNEL_PHYS + 0x300000);
}
END_TEST

START_TEST(addresses_are_refused)
{
	static const uint64_t bad[] = {
		0, 0x1000, FAKE_KERNEL_PHYS, 0x7fffffffffff, 0x888000000000ULL + FAKE_KERNEL_PHYS,
		0xffff888000000000ULL, VMALLOC - 1, VMALLOC + 32 * 4096, UINT64_MAX,
		0xfff8888040000000, 0xffffffff7fffffff, 0xffffffffc0000000,
	};
	struct kho_kvirt kvirt = open_kernel(&tables[_i]);
	uint64_t phys = 4711;
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(bad); i++) {
		ck_assert_msg(kho_kvirt_to_phys(&kvirt, bad[i], &phys) == -EFAULT, "%llx",
			      (unsigned long long)bad[i]);
		ck_assert_uint_eq(phys, 4711);
	}
}
END_TEST

START_TEST(reads_across_pages)
{
	struct kho_kvirt kvirt = open_kernel(&plain);
	char buf[8] = "";

	memcpy(kernel.mem + 0x300000 + 32 * 4096 - 4, "abcd", 4);
	memcpy(kernel.mem + 0x300000 + 30 * 4096, "efgh", 4);
	ck_assert_int_eq(kho_kvirt_read(&kvirt, VMALLOC + 4092, buf, 8), 0);
	ck_assert_mem_eq(buf, "abcdefgh", 8);
	ck_assert_int_eq(kho_kvirt_read(&kvirt, VMALLOC + 32 * 4096 - 4, buf, 8), -EFAULT);
	ck_assert_int_eq(kho_kvirt_read(&kvirt, UINT64_MAX - 3, buf, 8), -EFAULT);
	ck_assert_int_eq(kho_kvirt_read(&kvirt, 0, buf, 0), 0);
}
END_TEST

START_TEST(tables_are_elsewhere)
{
	struct kho_kvirt kvirt;
	uint64_t phys;

	parse(text);
	info.init_top_pgt = DIRECT_MAP;
	kvirt = kho_kvirt_init(&kernel.source.reader, &info);
	ck_assert_int_eq(kho_kvirt_to_phys(&kvirt, DIRECT_MAP, &phys), -EFAULT);
	info.init_top_pgt = FAKE_KERNEL_IMAGE + FAKE_KERNEL_TOP + 8;
	kvirt = kho_kvirt_init(&kernel.source.reader, &info);
	ck_assert_int_eq(kho_kvirt_to_phys(&kvirt, DIRECT_MAP, &phys), -EFAULT);
	info.init_top_pgt = FAKE_KERNEL_IMAGE + FAKE_KERNEL_SIZE;
	kvirt = kho_kvirt_init(&kernel.source.reader, &info);
	ck_assert_int_eq(kho_kvirt_to_phys(&kvirt, DIRECT_MAP, &phys), -EFAULT);
	/* an image at no physical address there is */
	info.phys_base = 1ULL << 60;
	kvirt = kho_kvirt_init(&kernel.source.reader, &info);
	ck_assert_int_eq(kho_kvirt_to_phys(&kvirt, FAKE_KERNEL_IMAGE, &phys), -EFAULT);
}
END_TEST

/* Memory encryption sets an address bit in every entry. */
START_TEST(sme_bit_is_no_address)
{
	struct kho_kvirt kvirt;
	uint64_t i, *word;

	parse(text);
	for (i = 0; i < 512; i++) {
		word = fake_kernel_word(&kernel, FAKE_KERNEL_TOP + i * 8);
		*word |= *word ? 1ULL << 47 : 0;
	}
	kvirt = kho_kvirt_init(&kernel.source.reader, &info);
	ck_assert_int_eq(kho_kvirt_to_phys(&kvirt, DIRECT_MAP, &i), -EFAULT);
	info.sme_mask = 1ULL << 47;
	kvirt = kho_kvirt_init(&kernel.source.reader, &info);
	expect(&kvirt, DIRECT_MAP, FAKE_KERNEL_PHYS);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("vmcoreinfo");
	TCase *lines = tcase_create("text"), *memory = tcase_create("memory");
	TCase *addresses = tcase_create("addresses");

	tcase_add_checked_fixture(lines, setup, teardown);
	tcase_add_checked_fixture(memory, setup, teardown);
	tcase_add_checked_fixture(addresses, setup, teardown);
	tcase_add_test(lines, text_is_parsed);
	tcase_add_test(lines, text_cut_off);
	tcase_add_test(lines, line_is_missing);
	tcase_add_loop_test(lines, line_that_can_not_be, 0, KHO_ARRAY_SIZE(changes));
	tcase_add_test(lines, release_too_long);
	tcase_add_test(lines, numbers_with_a_sign);
	tcase_add_test(memory, loaded_in_both_forms);
	tcase_add_test(memory, searched_page_by_page);
	tcase_add_loop_test(addresses, addresses_are_translated, 0, KHO_ARRAY_SIZE(tables));
	tcase_add_loop_test(addresses, addresses_are_refused, 0, KHO_ARRAY_SIZE(tables));
	tcase_add_test(addresses, reads_across_pages);
	tcase_add_test(addresses, tables_are_elsewhere);
	tcase_add_test(addresses, sme_bit_is_no_address);
	suite_add_tcase(s, lines);
	suite_add_tcase(s, memory);
	suite_add_tcase(s, addresses);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
