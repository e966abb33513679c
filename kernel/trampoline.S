/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Real mode to 64-bit mode, for a CPU started by SIPI.
 *
 * This is data to the kernel: start.c copies it below 1 MiB and fills in the
 * addresses that depend on where. A CPU arrives with CS = page << 8, IP = 0 and
 * caches off (INIT sets CD and NW in CR0, so both have to be cleared). It leaves
 * with flat segments, interrupts off, RSI = arg, on the caller's page tables.
 */
#include <linux/linkage.h>
#include "trampoline.h"

#define CODE32	0x08
#define DATA	0x10
#define CODE64	0x18

	.section .rodata, "a"
	.balign 16
	.code16
SYM_DATA_START(mk_trampoline_start)
	cli
	cld
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	(mk_trampoline_gdtr - mk_trampoline_start)
	movl	$0x11, %eax			/* PE, ET */
	movl	%eax, %cr0
	.byte	0x66, 0xea			/* far jump, 32-bit offset */
SYM_INNER_LABEL(mk_trampoline_to32, SYM_L_GLOBAL)
	.long	0
	.word	CODE32

	.code32
SYM_INNER_LABEL(mk_trampoline_32, SYM_L_GLOBAL)
	movw	$DATA, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	%ax, %fs
	movw	%ax, %gs
	.byte	0xbb				/* mov $base, %ebx */
SYM_INNER_LABEL(mk_trampoline_base, SYM_L_GLOBAL)
	.long	0
	movl	$0x20, %eax			/* PAE and nothing else */
	movl	%eax, %cr4
	movl	(mk_trampoline_params - mk_trampoline_start + MK_TP_LOW_CR3)(%ebx), %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx		/* EFER: LME, NXE */
	rdmsr
	orl	$0x900, %eax
	wrmsr
	movl	$0x80050033, %eax		/* PG, AM, WP, NE, ET, MP, PE */
	movl	%eax, %cr0
	.byte	0xea				/* far jump */
SYM_INNER_LABEL(mk_trampoline_to64, SYM_L_GLOBAL)
	.long	0
	.word	CODE64

	.code64
SYM_INNER_LABEL(mk_trampoline_64, SYM_L_GLOBAL)
	movw	$DATA, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	leaq	mk_trampoline_params(%rip), %rdi
	movq	MK_TP_CR3(%rdi), %rax
	movq	%rax, %cr3
	movq	MK_TP_ENTRY(%rdi), %rax
	movq	MK_TP_ARG(%rdi), %rsi
	movl	$1, MK_TP_STARTED(%rdi)
	xorl	%ebx, %ebx
	xorl	%ebp, %ebp
	jmpq	*%rax

	.balign 16
SYM_INNER_LABEL(mk_trampoline_gdt, SYM_L_GLOBAL)
	.quad	0
	.quad	0x00cf9b000000ffff		/* 32-bit code */
	.quad	0x00cf93000000ffff		/* data */
	.quad	0x00af9b000000ffff		/* 64-bit code */
mk_trampoline_gdt_end:
SYM_INNER_LABEL(mk_trampoline_gdtr, SYM_L_GLOBAL)
	.word	mk_trampoline_gdt_end - mk_trampoline_gdt - 1
	.long	0
	.balign 16
SYM_INNER_LABEL(mk_trampoline_params, SYM_L_GLOBAL)
	.fill	5, 8, 0
SYM_DATA_END_LABEL(mk_trampoline_start, SYM_L_GLOBAL, mk_trampoline_end)
