// SPDX-License-Identifier: GPL-2.0-only
/*
 * Park page: what was filled in, and the parts of the machine code that need no
 * privilege, run for real.
 *
 * The settling code is all privileged instructions; what can be checked is that
 * the addresses and tables it loads are right. They're found the way the CPU finds
 * them: from the instructions at the entries. The poll loop uses nothing but
 * registers and the mailbox, so a child process runs it while the test plays the
 * kernel that writes the mailbox.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/err.h"
#include "spawn/layout.h"
#include "spawn/park.h"
#include "unit/run.h"

#define PAGE	0x4f8010000ULL
#define UNKNOWN		3	/* a command that the loop leaves alone */
#define ARRIVED	42			/* exit status of a CPU that was woken */
#define STOPPED	43			/* of one that stopped itself */
#define OWN_ID	0x1234u

static uint8_t page[KHO_PARK_SIZE];
static struct kho_err err;

static struct kho_park_spec a_spec(void)
{
	return (struct kho_park_spec){
		.page = PAGE, .mailbox = 0x4f8011000, .pml4 = 0x4f8020000, .pml5 = 0x4f8021000,
		.boot_params = 0x4f8012000, .kernel_entry = 0x4fa000200,
	};
}

static void setup(void)
{
	struct kho_park_spec spec = a_spec();

	err = (struct kho_err){};
	ck_assert_msg(!kho_park_build(&spec, page, &err), "%s", err.msg);
}

static uint64_t number(const uint8_t *p, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, p, size);
	return value;
}

/* Offset of the first @pattern at or after @from. */
static size_t find(const uint8_t *code, size_t from, const char *pattern, size_t size)
{
	for (size_t i = from; i + size <= KHO_PARK_SIZE; i++)
		if (!memcmp(code + i, pattern, size))
			return i;
	ck_abort_msg("pattern 0x%02x not found after 0x%zx", (uint8_t)pattern[0], from);
}

/* Target of the RIP-relative instruction whose opcode is @pattern. */
static size_t target_of(const uint8_t *code, size_t from, const char *pattern, size_t size)
{
	size_t at = find(code, from, pattern, size) + size;
	size_t target = at + 4 + (size_t)(int32_t)number(code + at, 4);

	ck_assert_uint_lt(target, KHO_PARK_SIZE);
	return target;
}

#define LGDT	"\x0f\x01\x15", 3
#define LIDT	"\x0f\x01\x1d", 3
#define LEA_RSP	"\x48\x8d\x25", 3
#define LEA_R15	"\x4c\x8d\x3d", 3
#define ENDBR64	"\xf3\x0f\x1e\xfa"
#define PAUSE	"\xf3\x90", 2

static const size_t entries[] = { 0, 0x800 };

START_TEST(entries_are_where_they_are_said_to_be)
{
	ck_assert_uint_eq(kho_park_entry(PAGE), PAGE);
	ck_assert_uint_eq(kho_boot_stub_entry(PAGE), PAGE + 0x800);
	ck_assert_mem_eq(page, ENDBR64, 4);
	ck_assert_mem_eq(page + 0x800, ENDBR64, 4);
	ck_assert_uint_eq(page[4], 0xfa);	/* cli */
	ck_assert_uint_eq(page[0x804], 0xfa);
}
END_TEST

START_TEST(gdt_is_that_of_the_boot_protocol)
{
	size_t pointer = target_of(page, entries[_i], LGDT);
	uint64_t base = number(page + pointer + 2, 8);
	const uint8_t *gdt = page + (base - PAGE);

	ck_assert_uint_eq(number(page + pointer, 2), 31);
	ck_assert(base > PAGE && base + 32 <= PAGE + KHO_PARK_SIZE);
	ck_assert_uint_eq(number(gdt, 8), 0);
	/* flat, present, accessed; 0x10 64-bit code, 0x18 writable data */
	ck_assert_uint_eq(number(gdt + 0x10, 8), 0x00af9b000000ffffULL);
	ck_assert_uint_eq(number(gdt + 0x18, 8), 0x00cf93000000ffffULL);
}
END_TEST

static uint64_t nmi_handler(size_t entry)
{
	size_t pointer = target_of(page, entry, LIDT);
	const uint8_t *gate = page + (number(page + pointer + 2, 8) - PAGE) + 2 * 16;

	ck_assert_uint_eq(number(page + pointer, 2), 3 * 16 - 1);
	ck_assert_uint_eq(number(gate + 2, 2), 0x10);
	ck_assert_uint_eq(gate[4], 0);			/* no IST: there's no TSS */
	ck_assert_uint_eq(gate[5], 0x8e);
	ck_assert_uint_eq(number(gate + 12, 4), 0);
	return number(gate, 2) | number(gate + 6, 2) << 16 | number(gate + 8, 4) << 32;
}

START_TEST(idt_handles_nmi_only)
{
	size_t idt = (size_t)(number(page + target_of(page, entries[_i], LIDT) + 2, 8) - PAGE);
	uint64_t handler = nmi_handler(entries[_i]);

	for (size_t i = 0; i < 32; i++)
		ck_assert_uint_eq(page[idt + i], 0);
	ck_assert(handler > PAGE && handler < PAGE + KHO_PARK_SIZE);
	ck_assert_mem_eq(page + (handler - PAGE), ENDBR64, 4);
}
END_TEST

/* An IRETQ frame in the page; gives where it goes to. */
static size_t check_frame(size_t frame)
{
	uint64_t rip = number(page + frame, 8);

	ck_assert_uint_eq(frame % 16, 0);
	ck_assert(rip > PAGE && rip < PAGE + KHO_PARK_SIZE);
	ck_assert_uint_eq(number(page + frame + 8, 8), 0x10);
	ck_assert_uint_eq(number(page + frame + 16, 8), 2);
	ck_assert_uint_eq(number(page + frame + 24, 8), PAGE + frame);
	ck_assert_uint_eq(number(page + frame + 32, 8), 0x18);
	/* what an NMI pushes is 40 bytes, aligned; nothing of ours may be there */
	for (size_t i = 1; i <= 48; i++)
		ck_assert_uint_eq(page[frame - i], 0);
	return (size_t)(rip - PAGE);
}

START_TEST(frames_go_where_they_should)
{
	size_t handler = (size_t)(nmi_handler(0) - PAGE);
	size_t park = check_frame(target_of(page, 0, LEA_RSP));
	size_t stub = check_frame(target_of(page, 0x800, LEA_RSP));
	size_t again = check_frame(target_of(page, handler, LEA_RSP));

	ck_assert(park < 0x800 && stub > 0x800 && again < 0x800);
	/* both continue with mov $0x18, %eax: the data segments */
	ck_assert_mem_eq(page + park, "\xb8\x18\0\0\0", 5);
	ck_assert_mem_eq(page + stub, "\xb8\x18\0\0\0", 5);
	/* straight after an IRETQ, so that nothing runs in between */
	ck_assert_mem_eq(page + park - 2, "\x48\xcf", 2);
	ck_assert_mem_eq(page + stub - 2, "\x48\xcf", 2);
}
END_TEST

START_TEST(parameters_are_found_by_the_code)
{
	/* mov pml4(%rip), %rax; cmovc pml5(%rip), %rax */
	for (size_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(number(page + target_of(page, entries[i], "\x48\x8b\x05", 3), 8),
				  0x4f8020000);
		ck_assert_uint_eq(number(page + target_of(page, entries[i], "\x48\x0f\x42\x05", 4),
					 8), 0x4f8021000);
	}
	/* mov mailbox(%rip), %rsi; in the stub boot_params(%rip), %rsi */
	ck_assert_uint_eq(number(page + target_of(page, 0, "\x48\x8b\x35", 3), 8), 0x4f8011000);
	ck_assert_uint_eq(number(page + target_of(page, 0x800, "\x48\x8b\x35", 3), 8),
			  0x4f8012000);
	/* the stub's second mov to %rax is the kernel's entry */
	ck_assert_uint_eq(number(page + target_of(page, find(page, 0x800, "\x48\x8b\x35", 3),
						  "\x48\x8b\x05", 3), 8), 0x4fa000200);
}
END_TEST

/* Built for another address, only words that hold addresses differ. */
START_TEST(code_is_position_independent)
{
	struct kho_park_spec spec = a_spec();
	uint8_t other[KHO_PARK_SIZE];

	spec.page = 0x7fff000;
	ck_assert_int_eq(kho_park_build(&spec, other, &err), 0);
	ck_assert_mem_eq(page, other, 0xc00);
	for (size_t i = 0xc00; i + 8 <= KHO_PARK_SIZE; i++)
		if (page[i] != other[i])
			ck_assert_msg(i < 0xe80, "difference at 0x%zx", i);
}
END_TEST

START_TEST(bad_addresses)
{
	static const size_t members[] = {
		offsetof(struct kho_park_spec, page), offsetof(struct kho_park_spec, mailbox),
		offsetof(struct kho_park_spec, pml4), offsetof(struct kho_park_spec, pml5),
		offsetof(struct kho_park_spec, boot_params),
		offsetof(struct kho_park_spec, kernel_entry),
	};
	uint8_t untouched[KHO_PARK_SIZE];

	memset(page, 0x5a, sizeof(page));
	memcpy(untouched, page, sizeof(page));
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		struct kho_park_spec spec = a_spec();
		uint64_t *member = (uint64_t *)((char *)&spec + members[i]);

		*member += 1;
		ck_assert_int_eq(kho_park_build(&spec, page, &err), -EINVAL);
		*member = 0;
		ck_assert_int_eq(kho_park_build(&spec, page, &err), -EINVAL);
	}
	ck_assert_mem_eq(page, untouched, sizeof(page));
}
END_TEST

/* ---- the poll loop, run by a child ---- */

struct mailbox {
	volatile uint16_t command;
	uint16_t reserved;
	volatile uint32_t apic_id;
	volatile uint64_t vector;
};

/* Three pages: park page, mailbox (shared with the child), the vector's code. */
static uint8_t *live;
static struct mailbox *mailbox;

static void setup_live(void)
{
	/* mov $SYS_exit_group, %eax; mov $ARRIVED, %edi; syscall */
	static const uint8_t vector[] = {
		0xb8, 231, 0, 0, 0, 0xbf, ARRIVED, 0, 0, 0, 0x0f, 0x05,
	};
	struct kho_park_spec spec = a_spec();

	live = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(live, MAP_FAILED);
	mailbox = (struct mailbox *)(live + 4096);
	memcpy(live + 8192, vector, sizeof(vector));
	mailbox->vector = (uint64_t)(live + 8192);
	spec.page = (uint64_t)live;
	spec.mailbox = (uint64_t)mailbox;
	ck_assert_int_eq(kho_park_build(&spec, live, &err), 0);
}

static void teardown_live(void)
{
	munmap(live, 3 * 4096);
}

struct registers {
	uint64_t rip;
	uint64_t r12;
	uint64_t r15;
};

/* CLI in the page: a CPU would stop there, a process may not do it. */
static void on_fault(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *cpu = context;
	uint64_t offset = (uint64_t)cpu->uc_mcontext.gregs[REG_RIP] - (uint64_t)live;

	(void)sig;
	(void)info;
	_exit(offset < 4096 && live[offset] == 0xfa ? STOPPED : EXIT_FAILURE);
}

static void run(const struct registers *regs)
{
	const struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &action, NULL);
	alarm(20);
	__asm__ volatile("movq %[r12], %%r12\n\t"
			 "movq %[r15], %%r15\n\t"
			 "jmp *%[rip]"
			 : : [rip] "a"(regs->rip), [r12] "d"(regs->r12), [r15] "c"(regs->r15),
			     "S"(mailbox), "D"(OWN_ID)
			 : "r12", "r15", "memory");
	__builtin_unreachable();
}

static pid_t start(const struct registers *regs)
{
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (!child)
		run(regs);
	return child;
}

static struct registers polling(void)
{
	return (struct registers){ .rip = (uint64_t)live + find(live, 0, PAUSE) };
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* By the clock: on a busy machine each nap takes as long as it likes. */
static bool command_cleared(int milliseconds)
{
	int64_t end = now_ms() + milliseconds;

	while (mailbox->command && now_ms() < end)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	return !mailbox->command;
}

static void send(uint16_t command, uint32_t apic_id)
{
	mailbox->apic_id = apic_id;
	__atomic_store_n(&mailbox->command, command, __ATOMIC_RELEASE);
}

/*
 * What wasn't taken is taken back. Linux never does that: it waits until a command was
 * taken. Here the next one's APIC id would go with this command for a moment.
 */
static void withdraw(void)
{
	__atomic_store_n(&mailbox->command, UNKNOWN, __ATOMIC_RELEASE);
	ck_assert(!command_cleared(50));
}

static int end_of(pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return status;
}

START_TEST(wakeup_reaches_only_the_cpu_that_is_named)
{
	struct registers regs = polling();
	pid_t child = start(&regs);
	int status;

	send(1, OWN_ID + 1);
	ck_assert(!command_cleared(50));
	withdraw();
	send(1, OWN_ID);
	status = end_of(child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), ARRIVED);
	ck_assert_uint_eq(mailbox->command, 0);
	ck_assert_uint_eq(mailbox->apic_id, OWN_ID);
}
END_TEST

/* What Linux sends to see that an offlined CPU has arrived here. */
START_TEST(test_command_is_answered_and_the_loop_goes_on)
{
	struct registers regs = polling();
	pid_t child = start(&regs);

	for (int i = 0; i < 3; i++) {
		send(2, OWN_ID);
		ck_assert(command_cleared(5000));
	}
	send(2, OWN_ID + 1);
	ck_assert(!command_cleared(50));
	withdraw();
	send(UNKNOWN, OWN_ID);
	ck_assert(!command_cleared(50));
	send(1, OWN_ID);
	ck_assert_int_eq(WEXITSTATUS(end_of(child)), ARRIVED);
}
END_TEST

/* The rest of an NMI's way: what its frame returns to, with the given R15. */
static struct registers after_nmi(uint64_t r15)
{
	size_t pointer = target_of(live, 0, LIDT);
	const uint8_t *gate = (const uint8_t *)number(live + pointer + 2, 8) + 2 * 16;
	size_t handler = (size_t)((number(gate, 2) | number(gate + 6, 2) << 16 |
				   number(gate + 8, 4) << 32) - (uint64_t)live);
	size_t frame = target_of(live, handler, LEA_RSP);

	return (struct registers){
		.rip = number(live + frame, 8),
		.r12 = (uint64_t)(live + 8192),
		.r15 = r15,
	};
}

START_TEST(nmi_in_the_loop_goes_on_polling)
{
	struct registers regs = after_nmi(polling().rip);
	pid_t child = start(&regs);

	send(2, OWN_ID);
	ck_assert(command_cleared(5000));
	send(1, OWN_ID);
	ck_assert_int_eq(WEXITSTATUS(end_of(child)), ARRIVED);
}
END_TEST

/* Where the wakeup path tells an NMI to start over: the LEA to R15 after PAUSE. */
static uint64_t claimed(void)
{
	return (uint64_t)live + target_of(live, find(live, 0, PAUSE), LEA_R15);
}

START_TEST(nmi_while_being_woken_loses_nothing)
{
	struct registers regs = after_nmi(claimed());

	send(1, OWN_ID);		/* not yet acknowledged: do it now */
	ck_assert_int_eq(WEXITSTATUS(end_of(start(&regs))), ARRIVED);
	ck_assert_uint_eq(mailbox->command, 0);
	send(0, OWN_ID);		/* acknowledged */
	ck_assert_int_eq(WEXITSTATUS(end_of(start(&regs))), ARRIVED);
	send(1, OWN_ID + 1);		/* acknowledged, and already someone else's turn */
	ck_assert_int_eq(WEXITSTATUS(end_of(start(&regs))), ARRIVED);
	ck_assert_uint_eq(mailbox->command, 1);
	send(2, OWN_ID);
	ck_assert_int_eq(WEXITSTATUS(end_of(start(&regs))), ARRIVED);
	ck_assert_uint_eq(mailbox->command, 2);
}
END_TEST

/* R15 isn't ours any more: the CPU stops instead of jumping somewhere. */
START_TEST(nmi_in_a_foreign_place_stops_the_cpu)
{
	uint64_t foreign[] = { 0, (uint64_t)live - 1, (uint64_t)live + 4096, UINT64_MAX };
	struct registers regs = after_nmi(foreign[_i]);
	int status = end_of(start(&regs));

	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), STOPPED);
}
END_TEST

static Suite *park_suite(void)
{
	Suite *suite = suite_create("park");
	TCase *built = tcase_create("built");
	TCase *run_case = tcase_create("run");

	tcase_add_checked_fixture(built, setup, NULL);
	tcase_add_test(built, entries_are_where_they_are_said_to_be);
	tcase_add_loop_test(built, gdt_is_that_of_the_boot_protocol, 0, 2);
	tcase_add_loop_test(built, idt_handles_nmi_only, 0, 2);
	tcase_add_test(built, frames_go_where_they_should);
	tcase_add_test(built, parameters_are_found_by_the_code);
	tcase_add_test(built, code_is_position_independent);
	tcase_add_test(built, bad_addresses);
	suite_add_tcase(suite, built);

	tcase_add_checked_fixture(run_case, setup_live, teardown_live);
	tcase_set_timeout(run_case, 30);
	tcase_add_test(run_case, wakeup_reaches_only_the_cpu_that_is_named);
	tcase_add_test(run_case, test_command_is_answered_and_the_loop_goes_on);
	tcase_add_test(run_case, nmi_in_the_loop_goes_on_polling);
	tcase_add_test(run_case, nmi_while_being_woken_loses_nothing);
	tcase_add_loop_test(run_case, nmi_in_a_foreign_place_stops_the_cpu, 0, 4);
	suite_add_tcase(suite, run_case);
	return suite;
}

int main(void)
{
	return run_suite(park_suite());
}
