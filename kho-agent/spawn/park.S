/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Park loop and boot stub: the code that a CPU runs between two kernels.
 *
 * This is a page image. park.c copies it into the region and fills in addresses;
 * it runs there, identity-mapped, in 64-bit mode, on as many CPUs at once as are
 * parked. It never runs in the process that holds it.
 *
 *	0x000  park loop entry: from a kernel that gives up a CPU, or from real mode
 *	0x800  boot stub entry: from wherever the new kernel's boot CPU comes
 *	0xc00  data
 *
 * Both entries first settle the CPU: whatever a live kernel left in its control
 * registers, descriptor tables, debug registers and TLB is gone afterwards. What
 * stays is the paging mode (4 or 5 levels), which can't be changed here: there
 * are page tables for both.
 *
 * No CPU has memory of its own here, and none is needed. NMIs can't be masked, so
 * they need a handler, and the handler needs a stack; but what the CPU pushes
 * there is never read. The handler returns by a frame that nobody writes, which
 * ends the NMI and continues at "again", and that jumps to R15: the place where
 * this CPU can start over at any time. Any number of CPUs may take NMIs on
 * the same stack bytes. Stacks hold 64 bytes below a constant frame.
 *
 * Registers of a parked CPU: EDI own APIC id, RSI mailbox, R12 wakeup vector once
 * claimed, R15 where to start over.
 */

#define CODE_SEGMENT	0x10		/* __BOOT_CS of the Linux boot protocol */
#define DATA_SEGMENT	0x18		/* __BOOT_DS */

#define CR0_CLEAN	0x80050033	/* PG AM WP NE ET MP PE; caches on */
#define CR4_PAE		(1 << 5)
#define CR4_MCE		(1 << 6)
#define CR4_LA57	(1 << 12)
#define CR4_LA57_BIT	12
#define CR4_CET_BIT	23
#define DR7_CLEAN	0x400
#define RFLAGS_CLEAN	0x2
#define MSR_EFER	0xc0000080
#define EFER_NXE_BIT	11
#define MSR_S_CET	0x6a2

/* Mailbox, ACPI 5.2.12.19 */
#define MAILBOX_COMMAND	0
#define MAILBOX_APIC_ID	4
#define MAILBOX_VECTOR	8
#define COMMAND_WAKEUP	1
#define COMMAND_TEST	2

#define STUB_OFFSET	0x800
#define DATA_OFFSET	0xc00
#define PAGE_BYTES	0x1000

/*
 * Takes the CPU from whoever had it, and goes on at the address in @frame.
 *
 * An NMI before LIDT still finds the former owner's handler, so that comes early.
 * CR3 before CR4: clearing PGE, PCIDE or both flushes every entry of the TLB,
 * global ones and other PCIDs' included. The supervisor's CET state is cleared
 * while CR4.CET says that the MSR exists. MCE stays: virtual machines exist that
 * don't let it be cleared. NXE is set, since Linux's 64-bit wakeup path loads
 * page tables with NX bits before it would set NXE itself.
 */
	.macro	settle entry, frame
	endbr64
	cli
	cld
	leaq	\entry(%rip), %r15
	leaq	\frame(%rip), %rsp
	lidt	idt_pointer(%rip)
	lgdt	gdt_pointer(%rip)

	movq	%cr4, %r8
	movq	kho_park_pml4(%rip), %rax
	btq	$CR4_LA57_BIT, %r8
	cmovcq	kho_park_pml5(%rip), %rax
	movq	%rax, %cr3

	btq	$CR4_CET_BIT, %r8
	jnc	.Lno_cet\@
	movl	$MSR_S_CET, %ecx
	xorl	%eax, %eax
	xorl	%edx, %edx
	wrmsr
.Lno_cet\@:
	andl	$(CR4_LA57 | CR4_MCE), %r8d
	orl	$CR4_PAE, %r8d
	movq	%r8, %cr4
	movl	$CR0_CLEAN, %eax
	movq	%rax, %cr0
	movl	$DR7_CLEAN, %eax
	movq	%rax, %dr7

	movl	$0x80000001, %eax
	cpuid
	btl	$20, %edx
	jnc	.Lno_nx\@
	movl	$MSR_EFER, %ecx
	rdmsr
	btsl	$EFER_NXE_BIT, %eax
	wrmsr
.Lno_nx\@:
	iretq
	.endm

	.macro	load_data_segments
	movl	$DATA_SEGMENT, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs
	.endm

	/* what IRETQ takes: the page's address is added to the first and fourth */
	.macro	frame target
	.quad	\target - kho_park_image
	.quad	CODE_SEGMENT
	.quad	RFLAGS_CLEAN
	.quad	. - 24 - kho_park_image
	.quad	DATA_SEGMENT
	.quad	0
	.endm

	.section .rodata.kho_park, "a", @progbits
	.balign	PAGE_BYTES
	.globl	kho_park_image
	.hidden	kho_park_image
	.type	kho_park_image, @object
kho_park_image:
park_entry:
	settle	park_entry, park_frame
park_settled:
	load_data_segments
	xorl	%eax, %eax
	cpuid
	cmpl	$0xb, %eax
	jb	1f
	movl	$0xb, %eax
	xorl	%ecx, %ecx
	cpuid
	testl	%ebx, %ebx		/* no threads at all: the leaf isn't there */
	jz	1f
	movl	%edx, %edi
	jmp	2f
1:	movl	$1, %eax
	cpuid
	shrl	$24, %ebx
	movl	%ebx, %edi
2:	movq	kho_park_mailbox(%rip), %rsi
	leaq	poll(%rip), %r15

	/* the command is written last, so what it goes with is read after it */
poll:
	pause
	movzwl	MAILBOX_COMMAND(%rsi), %eax
	cmpl	$COMMAND_WAKEUP, %eax
	je	wakeup
	cmpl	$COMMAND_TEST, %eax
	jne	poll
	cmpl	%edi, MAILBOX_APIC_ID(%rsi)
	jne	poll
	movw	$0, MAILBOX_COMMAND(%rsi)
	jmp	poll
wakeup:
	cmpl	%edi, MAILBOX_APIC_ID(%rsi)
	jne	poll
	movq	MAILBOX_VECTOR(%rsi), %r12
	leaq	claimed(%rip), %r15
	/*
	 * Started over by an NMI, the mailbox may already hold the next command:
	 * only ours is cleared. The vector is read no more.
	 */
claimed:
	cmpw	$COMMAND_WAKEUP, MAILBOX_COMMAND(%rsi)
	jne	1f
	cmpl	%edi, MAILBOX_APIC_ID(%rsi)
	jne	1f
	movw	$0, MAILBOX_COMMAND(%rsi)
1:	jmp	*%r12

nmi:
	endbr64
	leaq	nmi_frame(%rip), %rsp
	iretq

	/*
	 * A kernel that was just entered has our descriptors for a few more
	 * instructions, in which it may have put something else into R15. Better
	 * one CPU that stands still than one that runs wild.
	 */
again:
	leaq	kho_park_image(%rip), %rax
	movq	%r15, %rdx
	subq	%rax, %rdx
	cmpq	$PAGE_BYTES, %rdx
	jae	1f
	jmp	*%r15
1:	cli
	hlt
	jmp	1b

	.org	kho_park_image + STUB_OFFSET
stub_entry:
	settle	stub_entry, stub_frame
stub_settled:
	load_data_segments
	movq	kho_park_boot_params(%rip), %rsi
	movq	kho_park_kernel_entry(%rip), %rax
	xorl	%ebx, %ebx
	xorl	%ebp, %ebp
	xorl	%edi, %edi
	jmp	*%rax

	.org	kho_park_image + DATA_OFFSET
	.globl	kho_park_mailbox, kho_park_pml4, kho_park_pml5
	.globl	kho_park_boot_params, kho_park_kernel_entry
	.hidden	kho_park_mailbox, kho_park_pml4, kho_park_pml5
	.hidden	kho_park_boot_params, kho_park_kernel_entry
kho_park_mailbox:	.quad	0
kho_park_pml4:		.quad	0
kho_park_pml5:		.quad	0
kho_park_boot_params:	.quad	0
kho_park_kernel_entry:	.quad	0

	.balign	16
gdt:
	.quad	0
	.quad	0
	.quad	0x00af9b000000ffff	/* 0x10: 64-bit code, accessed: never written */
	.quad	0x00cf93000000ffff	/* 0x18: data, accessed */
gdt_end:

	/* vectors 0, 1 and 2; anything but an NMI is a bug and ends the machine */
	.balign	16
idt:
	.skip	32
	.globl	kho_park_nmi_gate
	.hidden	kho_park_nmi_gate
kho_park_nmi_gate:
	.quad	nmi - kho_park_image	/* becomes a gate */
	.quad	0
idt_end:

	.balign	16
	.skip	6			/* so that the addresses are aligned */
gdt_pointer:
	.word	gdt_end - gdt - 1
gdt_base:
	.quad	gdt - kho_park_image
	.skip	6
idt_pointer:
	.word	idt_end - idt - 1
idt_base:
	.quad	idt - kho_park_image

	.balign	16
	.skip	64
park_frame:
	frame	park_settled
	.skip	64
stub_frame:
	frame	stub_settled
	.skip	64
nmi_frame:
	frame	again

	.org	kho_park_image + PAGE_BYTES
	.size	kho_park_image, . - kho_park_image

	/* offsets of 64-bit words to which the page's address is added */
	.globl	kho_park_relocs, kho_park_relocs_end
	.hidden	kho_park_relocs, kho_park_relocs_end
	.balign	4
	.type	kho_park_relocs, @object
kho_park_relocs:
	.long	gdt_base - kho_park_image
	.long	idt_base - kho_park_image
	.long	park_frame - kho_park_image
	.long	park_frame + 24 - kho_park_image
	.long	stub_frame - kho_park_image
	.long	stub_frame + 24 - kho_park_image
	.long	nmi_frame - kho_park_image
	.long	nmi_frame + 24 - kho_park_image
kho_park_relocs_end:
	.size	kho_park_relocs, . - kho_park_relocs

	.section .note.GNU-stack, "", @progbits
