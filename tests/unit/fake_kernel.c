// SPDX-License-Identifier: GPL-2.0-only
/* The memory of a Linux kernel; fake_kernel.h says more. */
#include "unit/fake_kernel.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

#define DIRECT_MAP	0xffff888000000000ULL	/* of physical address 0 */
#define VMALLOC		0xffffc90000000000ULL
#define INFOS		0x300000		/* offset; pages in reverse order */
#define INFO_SIZE	88
#define DESC_SIZE	24
#define ID_MASK		(UINT64_MAX >> 2)
#define TABLE_FLAGS	0x063			/* present, writable, accessed, dirty */
#define LARGE		0x080

static const char info_text[] =
	"BUILD-ID=0123456789abcdef0123456789abcdef01234567\n"
	"PAGESIZE=4096\n"
	"SYMBOL(init_uts_ns)=ffffffff9a012340\n"
	"OFFSET(uts_namespace.name)=0\n"
	"SYMBOL(prb)=ffffffff9a000010\n"
	"SYMBOL(printk_rb_static)=ffffffff9a000100\n"
	"SIZE(printk_ringbuffer)=88\n"
	"OFFSET(printk_ringbuffer.desc_ring)=0\n"
	"OFFSET(printk_ringbuffer.text_data_ring)=48\n"
	"OFFSET(printk_ringbuffer.fail)=80\n"
	"SIZE(prb_desc_ring)=48\n"
	"OFFSET(prb_desc_ring.count_bits)=0\n"
	"OFFSET(prb_desc_ring.descs)=8\n"
	"OFFSET(prb_desc_ring.infos)=16\n"
	"OFFSET(prb_desc_ring.head_id)=24\n"
	"OFFSET(prb_desc_ring.tail_id)=32\n"
	"SIZE(prb_desc)=24\n"
	"OFFSET(prb_desc.state_var)=0\n"
	"OFFSET(prb_desc.text_blk_lpos)=8\n"
	"SIZE(prb_data_blk_lpos)=16\n"
	"OFFSET(prb_data_blk_lpos.begin)=0\n"
	"OFFSET(prb_data_blk_lpos.next)=8\n"
	"SIZE(printk_info)=88\n"
	"OFFSET(printk_info.seq)=0\n"
	"OFFSET(printk_info.ts_nsec)=8\n"
	"OFFSET(printk_info.text_len)=16\n"
	"OFFSET(printk_info.caller_id)=20\n"
	"OFFSET(printk_info.dev_info)=24\n"
	"SIZE(prb_data_ring)=32\n"
	"OFFSET(prb_data_ring.size_bits)=0\n"
	"OFFSET(prb_data_ring.data)=8\n"
	"SIZE(atomic_long_t)=8\n"
	"OFFSET(atomic_long_t.counter)=0\n"
	"SYMBOL(init_top_pgt)=ffffffff9a001000\n"
	"KERNELOFFSET=19000000\n"
	"NUMBER(KERNEL_IMAGE_SIZE)=1073741824\n"
	"NUMBER(sme_mask)=0\n";

uint64_t *fake_kernel_word(struct fake_kernel *kernel, uint64_t offset)
{
	ck_assert_uint_le(offset + 8, FAKE_KERNEL_SIZE);
	return (uint64_t *)(void *)(kernel->mem + offset);
}

uint64_t *fake_kernel_desc(struct fake_kernel *kernel, uint64_t id)
{
	uint64_t index = id & ((1ULL << kernel->options.count_bits) - 1);

	return fake_kernel_word(kernel, FAKE_KERNEL_DESCS + index * DESC_SIZE);
}

/* ---- page tables ---- */

/* Makes @virt lead to @phys by a page of 2^shift bytes. */
static void map_page(struct fake_kernel *kernel, uint64_t virt, uint64_t phys, unsigned int shift)
{
	unsigned int level = kernel->options.la57 ? 5 : 4, at;
	uint64_t table = FAKE_KERNEL_TOP, *entry;

	for (;; level--) {
		at = level * 9 + 3;
		entry = fake_kernel_word(kernel, table + (virt >> at) % 512 * 8);
		if (at == shift)
			break;
		if (!*entry) {
			*entry = (FAKE_KERNEL_PHYS + kernel->next_table) | TABLE_FLAGS;
			kernel->next_table += KHO_PAGE_SIZE;
		}
		table = (*entry & ~0xfffULL) - FAKE_KERNEL_PHYS;
	}
	/* no-execute and global set, as the kernel has it */
	*entry = phys | TABLE_FLAGS | (shift > 12 ? LARGE : 0) | 1ULL << 63 | 1 << 8;
}

static uint64_t infos_offset(uint64_t virt_offset)
{
	return INFOS + (31 - virt_offset / KHO_PAGE_SIZE) * KHO_PAGE_SIZE +
	       virt_offset % KHO_PAGE_SIZE;
}

static void map_all(struct fake_kernel *kernel)
{
	unsigned int shift = kernel->options.page_shift;
	uint64_t offset;

	for (offset = 0; offset < FAKE_KERNEL_SIZE; offset += 1ULL << shift)
		map_page(kernel, DIRECT_MAP + FAKE_KERNEL_PHYS + offset,
			 FAKE_KERNEL_PHYS + offset, shift);
	for (offset = 0; offset < 32 * KHO_PAGE_SIZE; offset += KHO_PAGE_SIZE)
		map_page(kernel, VMALLOC + offset, FAKE_KERNEL_PHYS + infos_offset(offset), 12);
}

/* ---- printk ---- */

static void write_ring(struct fake_kernel *kernel)
{
	uint64_t *ring = fake_kernel_word(kernel, FAKE_KERNEL_RING);

	ring[0] = kernel->options.count_bits;
	ring[1] = DIRECT_MAP + FAKE_KERNEL_PHYS + FAKE_KERNEL_DESCS;
	ring[2] = VMALLOC;
	ring[3] = kernel->head_id;
	ring[4] = kernel->tail_id;
	ring[6] = kernel->options.size_bits;
	ring[7] = DIRECT_MAP + FAKE_KERNEL_PHYS + FAKE_KERNEL_TEXTS;
	ring[8] = kernel->head_lpos;
	ring[9] = kernel->tail_lpos;
}

/* Where the block that begins at @lpos lies; @next is where the one behind does. */
static uint64_t block_offset(const struct fake_kernel *kernel, uint64_t lpos, uint64_t next)
{
	uint64_t bits = kernel->options.size_bits;
	uint64_t last = kernel->options.wraps_early ? next : next - 1;

	if (lpos >> bits != last >> bits)
		return FAKE_KERNEL_TEXTS;
	return FAKE_KERNEL_TEXTS + (lpos & ((1ULL << bits) - 1));
}

static uint64_t next_lpos(const struct fake_kernel *kernel, uint64_t lpos, uint64_t size)
{
	uint64_t bits = kernel->options.size_bits, next = lpos + size;
	uint64_t last = kernel->options.wraps_early ? next : next - 1;

	if (lpos >> bits != last >> bits)
		return (last >> bits << bits) + size;
	return next;
}

static void pop_desc(struct fake_kernel *kernel)
{
	uint64_t *desc = fake_kernel_desc(kernel, kernel->tail_id);

	desc[0] = kernel->tail_id | 3ULL << 62;
	if (!(desc[1] & 1))
		kernel->tail_lpos = desc[2];
	kernel->tail_id = (kernel->tail_id + 1) & ID_MASK;
}

/* Frees descriptors and texts until the next record and its block fit. */
static void make_room(struct fake_kernel *kernel, uint64_t next)
{
	uint64_t size = 1ULL << kernel->options.size_bits;

	while (((kernel->head_id - kernel->tail_id) & ID_MASK) ==
		       (1ULL << kernel->options.count_bits) - 1 ||
	       next - kernel->tail_lpos > size)
		pop_desc(kernel);
}

static void write_info(struct fake_kernel *kernel, uint64_t id, uint64_t ts_nsec, size_t size)
{
	uint64_t index = id & ((1ULL << kernel->options.count_bits) - 1);
	uint8_t info[INFO_SIZE] = { 0 };
	size_t i;

	memcpy(info, &kernel->seq, 8);
	memcpy(info + 8, &ts_nsec, 8);
	memcpy(info + 16, &size, 2);
	info[18] = 3;
	info[19] = 6 << 5 | 0x11;
	info[20] = 77;
	for (i = 0; i < sizeof(info); i++)
		kernel->mem[infos_offset(index * INFO_SIZE + i)] = info[i];
	kernel->seq++;
}

void fake_kernel_log_bytes(struct fake_kernel *kernel, uint64_t ts_nsec, const void *text,
			   size_t size)
{
	uint64_t begin = kernel->head_lpos, next, id, offset, *desc;

	next = next_lpos(kernel, begin, kho_align_up(size + 8, 8));
	make_room(kernel, next);
	id = kernel->head_id = (kernel->head_id + 1) & ID_MASK;
	desc = fake_kernel_desc(kernel, id);
	desc[0] = id | 2ULL << 62;
	desc[1] = size ? begin : 3;
	desc[2] = size ? next : 3;
	write_info(kernel, id, ts_nsec, size);
	if (size) {
		offset = block_offset(kernel, begin, next);
		*fake_kernel_word(kernel, FAKE_KERNEL_TEXTS +
				  (begin & ((1ULL << kernel->options.size_bits) - 1))) = id;
		*fake_kernel_word(kernel, offset) = id;
		memcpy(kernel->mem + offset + 8, text, size);
		kernel->head_lpos = next;
	}
	write_ring(kernel);
}

void fake_kernel_log(struct fake_kernel *kernel, uint64_t ts_nsec, const char *text)
{
	fake_kernel_log_bytes(kernel, ts_nsec, text, strlen(text));
}

/* ---- the kernel ---- */

static int read_memory(void *ctx, uint64_t phys, void *buf, size_t size)
{
	struct fake_kernel *kernel = ctx;

	kernel->reads++;
	if (phys < FAKE_KERNEL_PHYS || !kho_within(phys - FAKE_KERNEL_PHYS, size, FAKE_KERNEL_SIZE))
		return -EFAULT;
	memcpy(buf, kernel->mem + (phys - FAKE_KERNEL_PHYS), size);
	return 0;
}

/* printk's ring before the first record: DESC0_ID and BLK0_LPOS. */
static void start_ring(struct fake_kernel *kernel)
{
	uint64_t *desc;

	kernel->head_id = kernel->tail_id = (-(1ULL << kernel->options.count_bits) - 1) & ID_MASK;
	kernel->head_lpos = kernel->tail_lpos = -(1ULL << kernel->options.size_bits);
	desc = fake_kernel_desc(kernel, kernel->tail_id);
	desc[0] = kernel->tail_id | 3ULL << 62;
	desc[1] = desc[2] = 1;
	*fake_kernel_word(kernel, FAKE_KERNEL_PRB) = FAKE_KERNEL_IMAGE + FAKE_KERNEL_RING;
	write_ring(kernel);
}

void fake_kernel_init(struct fake_kernel *kernel, const struct fake_kernel_options *options)
{
	*kernel = (struct fake_kernel) {
		.options = *options,
		.mem = calloc(1, FAKE_KERNEL_SIZE),
		.next_table = 0x400000,
		.range = { FAKE_KERNEL_PHYS, FAKE_KERNEL_SIZE },
	};
	ck_assert_ptr_nonnull(kernel->mem);
	kernel->source = (struct kho_dmesg_source) {
		.reader = { read_memory, kernel },
		.ranges = &kernel->range,
		.nr_ranges = 1,
	};
	map_all(kernel);
	start_ring(kernel);
}

void fake_kernel_done(struct fake_kernel *kernel)
{
	free(kernel->mem);
}

size_t fake_kernel_write_info(struct fake_kernel *kernel)
{
	static const uint32_t note[] = { 11, 0, 0 };
	char *text = (char *)kernel->mem + FAKE_KERNEL_INFO;
	char *copy = (char *)kernel->mem + FAKE_KERNEL_NOTE;
	int64_t phys_base = (int64_t)(FAKE_KERNEL_PHYS - (FAKE_KERNEL_IMAGE - 0xffffffff80000000));
	uint32_t size;

	snprintf(text, KHO_PAGE_SIZE, "OSRELEASE=%s\n%sNUMBER(phys_base)=%lld\n"
		 "NUMBER(pgtable_l5_enabled)=%d\n", "7.3.4-fake", info_text, (long long)phys_base,
		 kernel->options.la57);
	size = (uint32_t)strlen(text);
	memcpy(copy, note, sizeof(note));
	memcpy(copy + 4, &size, 4);
	memcpy(copy + 12, "VMCOREINFO", 11);
	memcpy(copy + 24, text, size);
	return size;
}
