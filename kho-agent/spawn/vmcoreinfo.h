/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMCOREINFO: what a Linux kernel says about its own memory, for whoever looks
 * at it from outside.
 *
 * Late in its boot (subsys_initcall) a kernel writes lines of text such as
 * "OFFSET(printk_info.seq)=0" into a page of their own. There they can be found
 * by their start, "OSRELEASE=". A second copy is an ELF note: three 32-bit words
 * (name size 11, text size, type 0), "VMCOREINFO" padded to 12 bytes, the text.
 * Its address is what the module puts on the status page. Both are read here.
 *
 * What other kernels write is not trusted: offsets must lie within the structures
 * they belong to, structures must have sane sizes.
 */
#ifndef KHO_SPAWN_VMCOREINFO_H
#define KHO_SPAWN_VMCOREINFO_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "spawn/phys.h"

#define KHO_VMCOREINFO_MAX	16384	/* bytes of text we look at */
#define KHO_RELEASE_SIZE	65

/* Sizes and offsets of printk's structures, in bytes. */
struct kho_prb_layout {
	uint32_t ring_size;		/* struct printk_ringbuffer */
	uint32_t ring_desc_ring;
	uint32_t ring_text_ring;
	uint32_t desc_ring_size;	/* struct prb_desc_ring */
	uint32_t desc_ring_count_bits;
	uint32_t desc_ring_descs;
	uint32_t desc_ring_infos;
	uint32_t desc_ring_head_id;
	uint32_t desc_ring_tail_id;
	uint32_t text_ring_size;	/* struct prb_data_ring */
	uint32_t text_ring_size_bits;
	uint32_t text_ring_data;
	uint32_t desc_size;		/* struct prb_desc */
	uint32_t desc_state;
	uint32_t desc_lpos;
	uint32_t lpos_size;		/* struct prb_data_blk_lpos */
	uint32_t lpos_begin;
	uint32_t lpos_next;
	uint32_t info_size;		/* struct printk_info */
	uint32_t info_seq;
	uint32_t info_ts;
	uint32_t info_text_len;
	uint32_t info_caller;
	uint32_t atomic_size;		/* atomic_long_t */
	uint32_t atomic_counter;
};

struct kho_vmcoreinfo {
	char release[KHO_RELEASE_SIZE];	/* printable ASCII */
	uint64_t prb;			/* virtual address of the pointer to the ring */
	uint64_t init_top_pgt;		/* virtual address of the top page table */
	uint64_t phys_base;		/* modulo 2^64 */
	uint64_t sme_mask;		/* page table bits that are no address */
	uint64_t la57;			/* 1: five levels */
	struct kho_prb_layout layout;
};

/*
 * Parses the text, which ends at a NUL or at @size.
 *   -EBADMSG  not VMCOREINFO, or what it says can't be
 *   -ENOENT   something we need is missing; the message names it
 */
int kho_vmcoreinfo_parse(const char *text, size_t size, struct kho_vmcoreinfo *ret,
			 struct kho_err *err);

/*
 * Reads and parses what lies at a physical address, be it text or note. @size 0
 * means a page. Errors as above, and -EFAULT if it can't be read.
 */
int kho_vmcoreinfo_load(const struct kho_phys_reader *reader, const struct mk_range *where,
			struct kho_vmcoreinfo *ret, struct kho_err *err);

/*
 * Looks at the start of every page of some ranges and calls @found for those that
 * look like the text. Anything but 0 from @found ends the search and is its
 * result; 0: searched to the end. Memory that was another kernel's before may
 * hold that one's text still: clear it before a new one starts.
 */
struct kho_vmcoreinfo_search {
	const struct mk_range *ranges;
	size_t nr_ranges;
	int (*found)(void *ctx, uint64_t phys);
	void *ctx;
};

int kho_vmcoreinfo_search(const struct kho_phys_reader *reader,
			  const struct kho_vmcoreinfo_search *search);

#endif
