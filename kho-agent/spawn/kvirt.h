/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel virtual addresses of a Linux kernel that isn't ours, x86-64.
 *
 * The kernel's image is mapped from 0xffffffff80000000 on, which is physical
 * address phys_base (modulo 2^64; KASLR makes it anything). All else is looked up
 * in the kernel's page tables, four or five levels, with pages of 4 KiB, 2 MiB
 * and 1 GiB. Whatever the tables say, only the reader's memory is read, and no
 * more than five tables a page.
 */
#ifndef KHO_SPAWN_KVIRT_H
#define KHO_SPAWN_KVIRT_H

#include <stddef.h>
#include <stdint.h>

#include "spawn/phys.h"
#include "spawn/vmcoreinfo.h"

struct kho_kvirt {
	const struct kho_phys_reader *reader;
	uint64_t phys_base;
	uint64_t sme_mask;
	uint64_t top;		/* physical address of the top table, 0: none */
	unsigned int levels;	/* 4 or 5 */
	uint64_t last_page;	/* the page translated last, 1: none yet */
	uint64_t last_phys;
};

/* @reader must outlive the result. */
struct kho_kvirt kho_kvirt_init(const struct kho_phys_reader *reader,
				const struct kho_vmcoreinfo *info);

/* -EFAULT: not mapped, not canonical, or a table isn't there. */
int kho_kvirt_to_phys(struct kho_kvirt *kvirt, uint64_t virt, uint64_t *ret);

/* Reads across page boundaries. On failure @buf's content is undefined. */
int kho_kvirt_read(struct kho_kvirt *kvirt, uint64_t virt, void *buf, size_t size);

#endif
