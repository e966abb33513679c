// SPDX-License-Identifier: GPL-2.0-only
/* What can't move, told by texts and facts: each kind once, and what is no finding. */
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "migrate/workload/inspect.h"
#include "migrate/workload/inspect_files.h"
#include "unit/run.h"

#define PID 42

static struct kho_findings findings;

static void fresh(void)
{
	findings = (struct kho_findings){};
}

static void expect(enum kho_finding_kind kind, const char *where, const char *cause)
{
	ck_assert_uint_eq(findings.nr, 1);
	ck_assert_str_eq(kho_finding_name(findings.list[0].kind), kho_finding_name(kind));
	ck_assert_str_eq(findings.list[0].where, where);
	ck_assert_msg(strstr(findings.list[0].cause, cause), "%s", findings.list[0].cause);
	ck_assert_str_ne(findings.list[0].remedy, "");
	fresh();
}

/* ---- findings ---- */

START_TEST(test_kinds)
{
	for (int kind = 0; kind < _KHO_FINDING_MAX; kind++) {
		ck_assert_ptr_nonnull(kho_finding_name(kind));
		ck_assert_int_eq(kho_finding_kind(kho_finding_name(kind)), kind);
		kho_found(&findings, kind, 0, "", "x");
		ck_assert_str_ne(findings.list[kind].remedy, "");
	}
	ck_assert_str_eq(kho_finding_name(_KHO_FINDING_MAX), "unknown");
	ck_assert_int_eq(kho_finding_kind("no such"), _KHO_FINDING_MAX);
}
END_TEST

START_TEST(test_many)
{
	for (int i = 0; i < KHO_FINDINGS + 3; i++)
		kho_found(&findings, KHO_FINDING_DEVICE, i, "fd 1", "number %d", i);
	ck_assert_uint_eq(findings.nr, KHO_FINDINGS);
	ck_assert_uint_eq(findings.more, 3);
	ck_assert_int_eq(findings.list[KHO_FINDINGS - 1].pid, KHO_FINDINGS - 1);
}
END_TEST

START_TEST(test_format)
{
	struct kho_finding finding = {
		.pid = 7, .where = "fd 3", .cause = "is gone", .remedy = "look",
	};
	char text[200];

	kho_finding_format(&finding, text, sizeof(text));
	ck_assert_str_eq(text, "process 7, fd 3: is gone; look");
	finding.where[0] = '\0';
	kho_finding_format(&finding, text, sizeof(text));
	ck_assert_str_eq(text, "process 7: is gone; look");
	finding.pid = 0;
	kho_finding_format(&finding, text, sizeof(text));
	ck_assert_str_eq(text, "is gone; look");
	kho_finding_format(&finding, text, 5);
	ck_assert_str_eq(text, "is g");
}
END_TEST

/* ---- texts ---- */

START_TEST(test_status)
{
	kho_inspect_status(&findings, PID, "Name:\tx\nTracerPid:\t0\nCoreDumping:\t0\n");
	kho_inspect_status(&findings, PID, "");
	kho_inspect_status(&findings, PID, "XTracerPid:\t5\n");
	ck_assert_uint_eq(findings.nr, 0);
	kho_inspect_status(&findings, PID, "Name:\tx\nTracerPid:\t99\n");
	expect(KHO_FINDING_TRACED, "", "process 99");
	kho_inspect_status(&findings, PID, "CoreDumping:\t1\nTracerPid:\t0\n");
	expect(KHO_FINDING_CORE_DUMP, "", "dumping core");
}
END_TEST

START_TEST(test_maps)
{
	static const char ordinary[] =
		"5581e0000000-5581e0002000 r--p 00000000 fe:00 1234    /usr/bin/redis-server\n"
		"7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n"
		"7f0000001000-7f0000002000 rw-s 00000000 00:01 77      /dev/zero (deleted)\n"
		"7f0000002000-7f0000003000 rw-s 00000000 00:19 5       /dev/shm/x\n"
		"7f0000003000-7f0000004000 rw-s 00000000 00:01 9       /memfd:m (deleted)\n"
		"7ffe00000000-7ffe00021000 rw-p 00000000 00:00 0       [stack]\n"
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]";

	kho_inspect_maps(&findings, PID, ordinary);
	kho_inspect_maps(&findings, PID, "garbage\n\n7f00-\n");
	ck_assert_uint_eq(findings.nr, 0);
	kho_inspect_maps(&findings, PID,
			 "7f01-7f02 rw-s 00000000 00:0f 17   anon_inode:[io_uring]\n"
			 "7f03-7f04 rw-s 08000000 00:0f 17   anon_inode:[io_uring]\n");
	expect(KHO_FINDING_IO_URING, "7f01-7f02", "io_uring");
	kho_inspect_maps(&findings, PID, "10-20 rw-s 0 00:0f 17 anon_inode:[perf_event]");
	expect(KHO_FINDING_ANON_INODE, "10-20", "perf_event");
	kho_inspect_maps(&findings, PID, "10-20 rw-s 0 00:06 9 /dev/mem\n");
	expect(KHO_FINDING_DEVICE, "10-20", "/dev/mem");
	kho_inspect_maps(&findings, PID, "10-20 rw-s 0 00:06 9 /dev/nvidia0\n");
	expect(KHO_FINDING_GPU, "10-20", "/dev/nvidia0");
	kho_inspect_maps(&findings, PID, "10-20 --xp 0 00:00 0 [uprobes]\n");
	expect(KHO_FINDING_UPROBES, "10-20", "uprobes");
}
END_TEST

START_TEST(test_sysv)
{
	static const char text[] =
		"10-20 rw-s 0 00:01 32 /SYSV0052e2c1 (deleted)\n"
		"20-30 rw-s 0 00:01 33 /dev/zero (deleted)\n"
		"30-40 r--p 0 fe:00 34 /usr/lib/SYSV.so\n";

	kho_inspect_maps(&findings, PID, text);
	ck_assert_uint_eq(findings.nr, 0);
	kho_inspect_sysv(&findings, PID, text);
	kho_inspect_sysv(&findings, PID + 1, text);
	expect(KHO_FINDING_SYSV_IPC, "10-20", "0x0052e2c1");
	kho_inspect_sysv(&findings, PID, "10-20 rw-s 0 00:01 32 /SYSV00000000 (deleted)\n"
			 "30-40 rw-s 0 00:01 33 /SYSV");
	ck_assert_uint_eq(findings.nr, 2);
}
END_TEST

static int count(void *ctx, const char *path)
{
	int *nr = ctx;

	ck_assert_str_eq(path, "/usr/lib/a b.so");
	return ++*nr == 2 ? -1 : 0;
}

START_TEST(test_mapped)
{
	int nr = 0;

	ck_assert_int_eq(kho_inspect_mapped("1-2 r--p 0 fe:00 3   /usr/lib/a b.so\n"
					    "2-3 r--p 0 fe:00 3   /gone (deleted)\n"
					    "3-4 r--p 0 00:01 3   /memfd:x (deleted)\n"
					    "3-4 r--p 0 00:01 3   /dev/null\n"
					    "3-4 rw-s 0 00:18 3   /dev/shm/x (deleted)\n"
					    "3-4 r--p 0 00:01 3   [heap]\n", count, &nr), 0);
	ck_assert_int_eq(nr, 1);
	ck_assert_int_eq(kho_inspect_mapped("1-2 r--p 0 fe:00 3 /usr/lib/a b.so\n"
					    "1-2 r--p 0 fe:00 3 /usr/lib/a b.so\n", count, &nr), -1);
}
END_TEST

START_TEST(test_shared_memory)
{
	static const char text[] = "1-2 rw-s 0 00:18 2 /dev/shm/PostgreSQL.41\n"
				   "2-3 rw-s 0 00:18 2 /dev/shm/PostgreSQL.41\n";
	static struct kho_inspection inspection;
	static struct kho_config config;
	struct kho_config_workload *workload = &config.workloads[0];

	inspection = (struct kho_inspection){};
	kho_inspect_files_mapped(&config, workload, PID, text, &inspection);
	kho_inspect_files_mapped(&config, workload, PID + 1, text, &inspection);
	findings = inspection.findings;
	expect(KHO_FINDING_SHARED_MEMORY, "", "/dev/shm/PostgreSQL.41");
	inspection = (struct kho_inspection){};
	workload->nr_files = 1;
	snprintf(workload->files[0], sizeof(workload->files[0]), "/dev/shm/PostgreSQL.*");
	kho_inspect_files_mapped(&config, workload, PID, text, &inspection);
	ck_assert_uint_eq(inspection.findings.nr, 0);
	ck_assert_uint_eq(inspection.nr_files, 0);
	workload->nr_files = 0;
}
END_TEST

START_TEST(test_exe)
{
	kho_inspect_exe(&findings, PID, "\x7f" "ELF\2\1\1\0", 8);
	kho_inspect_exe(&findings, PID, "\x7f" "ELF", 4);
	kho_inspect_exe(&findings, PID, "", 0);
	ck_assert_uint_eq(findings.nr, 0);
	kho_inspect_exe(&findings, PID, "\x7f" "ELF\1\1\1\0", 8);
	expect(KHO_FINDING_COMPAT, "", "32-bit");
}
END_TEST

START_TEST(test_keys)
{
	static const char text[] =
		"009a2028 I--Q---     1 perm 3f010000  1000  1000 user      krb_ccache:primary: 12\n"
		"1806c4ba I--Q---     1 perm 3f010000     0     0 user      of root: 9\n"
		"25d3a08f I--Q---     1 perm 1f3f0000  1000 65534 keyring   _uid_ses.1000: 1\n"
		"2c546d21 I--Q---   190 perm 3f030000  1000 65534 user      invocation_id: 16\n"
		"damaged\n";

	kho_inspect_keys(&findings, 1001, text);
	ck_assert_uint_eq(findings.nr, 0);
	kho_inspect_keys(&findings, 1000, text);
	expect(KHO_FINDING_KEYRING, "", "\"krb_ccache\" (user)");
}
END_TEST

/* ---- descriptors ---- */

static void look(const char *link, mode_t mode, unsigned int major, unsigned int minor)
{
	const struct kho_inspect_fd fd = {
		.pid = PID, .fd = 9, .link = link, .info = "", .mode = mode,
		.major = major, .minor = minor,
	};

	kho_inspect_fd(&findings, &fd);
}

START_TEST(test_anon_inodes)
{
	static const char *const good[] = {
		"[eventfd]", "[eventpoll]", "inotify", "[signalfd]", "[timerfd]", "[pidfd]",
		"bpf-map", "[fanotify]",
	};
	char link[64];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(link, sizeof(link), "anon_inode:%s", good[i]);
		look(link, 0600, 0, 0);
	}
	ck_assert_uint_eq(findings.nr, 0);
	look("anon_inode:[io_uring]", 0600, 0, 0);
	expect(KHO_FINDING_IO_URING, "fd 9", "ring of io_uring");
	look("anon_inode:[userfaultfd]", 0600, 0, 0);
	expect(KHO_FINDING_ANON_INODE, "fd 9", "[userfaultfd]");
	look("anon_inode:", 0600, 0, 0);
	expect(KHO_FINDING_ANON_INODE, "fd 9", "anon_inode:");
	look("anon_inode:[landlock-ruleset]", 0600, 0, 0);
	expect(KHO_FINDING_LANDLOCK, "fd 9", "Landlock");
}
END_TEST

START_TEST(test_devices)
{
	look("/dev/null", S_IFCHR | 0666, 1, 3);
	look("/dev/urandom", S_IFCHR | 0666, 1, 9);
	look("/dev/ptmx", S_IFCHR | 0666, 5, 2);
	look("/dev/pts/3", S_IFCHR | 0620, 136, 3);
	look("/dev/pts/2000", S_IFCHR | 0620, 143, 3);
	ck_assert_uint_eq(findings.nr, 0);
	look("/dev/kmsg", S_IFCHR | 0644, 1, 11);
	expect(KHO_FINDING_DEVICE, "fd 9", "device /dev/kmsg (1:11)");
	look("/dev/ttyS0", S_IFCHR | 0644, 4, 64);
	expect(KHO_FINDING_DEVICE, "fd 9", "ttyS0");
	look("/dev/console", S_IFCHR | 0644, 5, 1);
	expect(KHO_FINDING_DEVICE, "fd 9", "console");
	look("/dev/vdb", S_IFBLK | 0660, 254, 16);
	expect(KHO_FINDING_DEVICE, "fd 9", "disk /dev/vdb (254:16)");
	look("/dev/dri/renderD128", S_IFCHR | 0660, 226, 128);
	expect(KHO_FINDING_GPU, "fd 9", "renderD128");
	look("/dev/kfd", S_IFCHR | 0660, 240, 0);
	expect(KHO_FINDING_GPU, "fd 9", "/dev/kfd");
}
END_TEST

START_TEST(test_deleted)
{
	struct kho_inspect_fd fd = {
		.pid = PID, .fd = 3, .link = "/tmp/x (deleted)", .info = "", .mode = S_IFREG,
		.size = 16 << 20,
	};

	kho_inspect_fd(&findings, &fd);
	ck_assert_uint_eq(findings.nr, 0);
	fd.size++;
	kho_inspect_fd(&findings, &fd);
	expect(KHO_FINDING_DELETED_FILE, "fd 3", "/tmp/x (deleted)");
	fd.link = "/memfd:big (deleted)";
	kho_inspect_fd(&findings, &fd);
	fd.link = "/tmp/x";
	kho_inspect_fd(&findings, &fd);
	ck_assert_uint_eq(findings.nr, 0);
}
END_TEST

static void look_at_socket(struct kho_inspect_socket socket)
{
	const struct kho_inspect_fd fd = {
		.pid = PID, .fd = 5, .link = "socket:[1]", .info = "", .mode = S_IFSOCK,
		.socket = &socket,
	};

	socket.ulp = socket.ulp ?: "";
	socket.peer_name = socket.peer_name ?: "";
	kho_inspect_fd(&findings, &fd);
}

#define SOCKET(f, t, p, ...) ((struct kho_inspect_socket){ .family = (f), .type = (t), \
	.protocol = (p), ##__VA_ARGS__ })

START_TEST(test_inet)
{
	look_at_socket(SOCKET(AF_INET, SOCK_STREAM, IPPROTO_TCP));
	look_at_socket(SOCKET(AF_INET6, SOCK_DGRAM, IPPROTO_UDP));
	look_at_socket(SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
	look_at_socket(SOCKET(AF_INET, SOCK_RAW, 89));
	look_at_socket(SOCKET(AF_INET, -1, -1));
	look_at_socket(SOCKET(-1, -1, -1));
	look_at_socket(SOCKET(AF_NETLINK, SOCK_RAW, 0));
	look_at_socket(SOCKET(AF_PACKET, SOCK_RAW, 0));
	ck_assert_uint_eq(findings.nr, 0);
	look_at_socket(SOCKET(AF_INET, SOCK_STREAM, IPPROTO_SCTP));
	expect(KHO_FINDING_SOCKET_PROTOCOL, "fd 5", "SCTP");
	look_at_socket(SOCKET(AF_INET6, SOCK_STREAM, IPPROTO_MPTCP));
	expect(KHO_FINDING_SOCKET_PROTOCOL, "fd 5", "MPTCP");
	look_at_socket(SOCKET(AF_INET6, SOCK_SEQPACKET, 200));
	expect(KHO_FINDING_SOCKET_PROTOCOL, "fd 5", "number 200");
	look_at_socket(SOCKET(AF_INET, SOCK_STREAM, IPPROTO_TCP, .ulp = "tls"));
	expect(KHO_FINDING_SOCKET_ULP, "fd 5", "\"tls\"");
	look_at_socket(SOCKET(AF_VSOCK, SOCK_STREAM, 0));
	expect(KHO_FINDING_SOCKET_FAMILY, "fd 5", "AF_VSOCK");
	look_at_socket(SOCKET(99, SOCK_STREAM, 0));
	expect(KHO_FINDING_SOCKET_FAMILY, "fd 5", "number 99");
}
END_TEST

START_TEST(test_unix)
{
	look_at_socket(SOCKET(AF_UNIX, SOCK_STREAM, 0));
	look_at_socket(SOCKET(AF_UNIX, SOCK_STREAM, 0, .connected = true, .peer_inside = true));
	look_at_socket(SOCKET(AF_UNIX, SOCK_STREAM, 0, .connected = true,
			      .peer_name = "/run/systemd/journal/stdout"));
	look_at_socket(SOCKET(AF_UNIX, SOCK_DGRAM, 0, .connected = true,
			      .peer_name = "/run/systemd/notify"));
	ck_assert_uint_eq(findings.nr, 0);
	look_at_socket(SOCKET(AF_UNIX, SOCK_STREAM, 0, .connected = true,
			      .peer_name = "/run/dbus/system_bus_socket"));
	expect(KHO_FINDING_SOCKET_PEER, "fd 5", "/run/dbus/system_bus_socket");
	look_at_socket(SOCKET(AF_UNIX, SOCK_SEQPACKET, 0, .connected = true));
	expect(KHO_FINDING_SOCKET_PEER, "fd 5", "other end is outside");
	look_at_socket(SOCKET(AF_UNIX, SOCK_DGRAM, 0, .connected = true));
	expect(KHO_FINDING_SOCKET_PEER, "fd 5", "other end is outside");
}
END_TEST

static bool is_42(void *ctx, pid_t pid)
{
	(void)ctx;
	return pid == PID;
}

START_TEST(test_locks)
{
	struct kho_inspect_fd fd = {
		.pid = PID, .fd = 4, .link = "/run/lock/x",
		.info = "pos:\t0\nflags:\t0100002\n"
			"lock:\t1: FLOCK  ADVISORY  WRITE 42 00:1c:5678 0 EOF\n"
			"lock:\t2: OFDLCK ADVISORY  READ -1 00:1c:5678 0 EOF\nlock:\n",
	};

	kho_inspect_locks(&findings, &fd, is_42, NULL);
	ck_assert_uint_eq(findings.nr, 0);
	fd.info = "lock:\t1: FLOCK  ADVISORY  WRITE 7 00:1c:5678 0 EOF\n";
	kho_inspect_locks(&findings, &fd, is_42, NULL);
	expect(KHO_FINDING_FILE_LOCK, "fd 4", "(FLOCK) that process 7");
}
END_TEST

/* ---- CPUs ---- */

START_TEST(test_cpu_flags)
{
	char flags[KHO_CPU_FLAGS];

	kho_cpu_flags("processor\t: 0\nflags\t\t: fpu sse2 avx\nbugs\t\t: x\n\n"
		      "processor\t: 1\nflags\t\t: other\n", flags);
	ck_assert_str_eq(flags, "fpu sse2 avx");
	kho_cpu_flags("processor\t: 0\nvmx flags\t: x\n", flags);
	ck_assert_str_eq(flags, "");
	kho_cpu_flags("", flags);
	ck_assert_str_eq(flags, "");
}
END_TEST

static void set_flags(struct kho_cpu_sight *sight, const char *flags)
{
	snprintf(sight->flags, sizeof(sight->flags), "%s", flags);
}

START_TEST(test_cpus)
{
	static struct kho_cpu_sight old, new;

	old = (struct kho_cpu_sight){
		.flags = "fpu sse2 avx2 aes tsc tsc_known_freq pti vmx", .xcr0 = 0x207,
		.xsave_bytes = 2696,
	};
	new = old;
	kho_inspect_cpu(&findings, &old, &new);
	set_flags(&new, "fpu sse2 avx2 aes tsc newer");
	kho_inspect_cpu(&findings, &old, &new);
	ck_assert_uint_eq(findings.nr, 0);
	set_flags(&new, "fpu avx2x sse2 tsc");
	kho_inspect_cpu(&findings, &old, &new);
	expect(KHO_FINDING_CPU, "", "lack avx2 aes,");
	new = old;
	new.xcr0 = 7;
	kho_inspect_cpu(&findings, &old, &new);
	expect(KHO_FINDING_CPU, "", "0x200");
	new.xcr0 = 0x207;
	new.xsave_bytes = 1000;
	kho_inspect_cpu(&findings, &old, &new);
	expect(KHO_FINDING_CPU, "", "2696");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inspect");
	TCase *tc = tcase_create("inspect");

	tcase_add_checked_fixture(tc, fresh, NULL);
	tcase_add_test(tc, test_kinds);
	tcase_add_test(tc, test_many);
	tcase_add_test(tc, test_format);
	tcase_add_test(tc, test_status);
	tcase_add_test(tc, test_maps);
	tcase_add_test(tc, test_sysv);
	tcase_add_test(tc, test_shared_memory);
	tcase_add_test(tc, test_mapped);
	tcase_add_test(tc, test_exe);
	tcase_add_test(tc, test_keys);
	tcase_add_test(tc, test_anon_inodes);
	tcase_add_test(tc, test_devices);
	tcase_add_test(tc, test_deleted);
	tcase_add_test(tc, test_inet);
	tcase_add_test(tc, test_unix);
	tcase_add_test(tc, test_locks);
	tcase_add_test(tc, test_cpu_flags);
	tcase_add_test(tc, test_cpus);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
