/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Real-mode trampoline: where a started CPU finds what to do.
 * The structure is read by trampoline.S at the offsets below.
 */
#ifndef MK_TRAMPOLINE_H
#define MK_TRAMPOLINE_H

#define MK_TP_LOW_CR3	0
#define MK_TP_CR3	8
#define MK_TP_ENTRY	16
#define MK_TP_ARG	24
#define MK_TP_STARTED	32

#ifndef __ASSEMBLER__
#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>

struct mk_trampoline_params {
	u64 low_cr3;		/* below 4 GiB: to enter 64-bit mode with */
	u64 cr3;
	u64 entry;
	u64 arg;
	u32 started;		/* set when 64-bit mode is reached */
};

static_assert(offsetof(struct mk_trampoline_params, cr3) == MK_TP_CR3);
static_assert(offsetof(struct mk_trampoline_params, entry) == MK_TP_ENTRY);
static_assert(offsetof(struct mk_trampoline_params, arg) == MK_TP_ARG);
static_assert(offsetof(struct mk_trampoline_params, started) == MK_TP_STARTED);

extern const char mk_trampoline_start[], mk_trampoline_end[];
extern const char mk_trampoline_gdtr[], mk_trampoline_gdt[];
extern const char mk_trampoline_32[], mk_trampoline_64[];
/* 32-bit words that start.c fills in */
extern const char mk_trampoline_to32[], mk_trampoline_to64[], mk_trampoline_base[];
extern const char mk_trampoline_params[];
#endif

#endif
