/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory of a Linux kernel, as far as its log needs it: an image, page tables,
 * VMCOREINFO and printk's ring with a writer that works as printk's does.
 *
 * 8 MiB from physical address 0x40000000 on. The image is mapped at an address
 * that makes phys_base negative. Descriptors and texts are in the direct map, the
 * infos in pages that are scattered physically.
 */
#ifndef TESTS_FAKE_KERNEL_H
#define TESTS_FAKE_KERNEL_H

#include <stdbool.h>

#include "spawn/dmesg.h"

#define FAKE_KERNEL_PHYS	0x40000000ULL
#define FAKE_KERNEL_SIZE	0x800000ULL
#define FAKE_KERNEL_IMAGE	0xffffffff9a000000ULL	/* virtual, at offset 0 */
#define FAKE_KERNEL_INFO	0x700000	/* offsets: VMCOREINFO's page */
#define FAKE_KERNEL_NOTE	0x701000	/* and its note */
#define FAKE_KERNEL_PRB		0x10		/* the pointer to the ring */
#define FAKE_KERNEL_RING	0x100
#define FAKE_KERNEL_TOP		0x1000		/* the top page table */
#define FAKE_KERNEL_DESCS	0x100000
#define FAKE_KERNEL_TEXTS	0x200000

struct fake_kernel_options {
	bool la57;
	unsigned int page_shift;	/* of the direct map: 12, 21 or 30 */
	unsigned int count_bits;	/* at most 10 */
	unsigned int size_bits;		/* at most 16 */
	bool wraps_early;		/* as kernels that don't use the last bytes */
};

struct fake_kernel {
	struct fake_kernel_options options;
	uint8_t *mem;
	uint64_t next_table;		/* offset of the next free page for tables */
	uint64_t head_id, tail_id;
	uint64_t head_lpos, tail_lpos;
	uint64_t seq;
	uint64_t reads;			/* calls of the reader */
	struct mk_range range;
	struct kho_dmesg_source source;	/* searches all of the memory */
};

void fake_kernel_init(struct fake_kernel *kernel, const struct fake_kernel_options *options);
void fake_kernel_done(struct fake_kernel *kernel);

/* Logs one record at @ts_nsec; level 6 and facility 3. */
void fake_kernel_log(struct fake_kernel *kernel, uint64_t ts_nsec, const char *text);
void fake_kernel_log_bytes(struct fake_kernel *kernel, uint64_t ts_nsec, const void *text,
			   size_t size);

/* Writes VMCOREINFO and its note; returns the text's size. */
size_t fake_kernel_write_info(struct fake_kernel *kernel);

/* The descriptor of a record: state, begin, next. */
uint64_t *fake_kernel_desc(struct fake_kernel *kernel, uint64_t id);

uint64_t *fake_kernel_word(struct fake_kernel *kernel, uint64_t offset);

#endif
