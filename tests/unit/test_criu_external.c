// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a task has from outside, on a real task: a child that waits while it's looked
 * at. What needs mounts of its own is only tested where the kernel gives them.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "migrate/criu/criu.h"
#include "unit/run.h"

#define NO_MOUNTS 77

static struct kho_criu_external found[KHO_CRIU_EXTERNALS];
static size_t nr;
static struct kho_err err;

static void setup(void)
{
	nr = 0;
	err = (struct kho_err){};
}

/*
 * Runs @prepare in a child that has no descriptor but one, by which it says that it's
 * ready, and looks at that. *@ret is what the search returns. false: no own mounts.
 */
static bool look_at_child(void (*prepare)(void), int *ret)
{
	int ready[2], status;
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		dup2(ready[1], 0);
		close_range(1, ~0u, 0);
		prepare();
		if (write(0, "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) == 1)
		*ret = kho_criu_find_externals(pid, found, &nr, &err);
	close(ready[0]);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == NO_MOUNTS);
	return WIFSIGNALED(status);
}

static void require(bool good)
{
	if (!good)
		_exit(1);
}

static void own_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		_exit(NO_MOUNTS);
}

static int connected_to(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), one = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	require(bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0);
	require(listen(listener, 4) == 0);
	require(connect(one, (struct sockaddr *)&name, sizeof(name)) == 0);
	require(accept(listener, NULL, NULL) >= 0);
	return one;
}

/* Pipes, files, memory and sockets among its own are nothing from outside. */
static void only_its_own(void)
{
	int pair[2];

	require(open("/dev/null", O_RDWR) >= 0 && open("/etc/passwd", O_RDONLY) >= 0);
	require(memfd_create("memory", 0) >= 0);
	require(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	require(socket(AF_INET, SOCK_STREAM, 0) >= 0);
	require(socket(AF_UNIX, SOCK_DGRAM, 0) >= 0);
}

START_TEST(nothing_from_outside)
{
	int r = -1;

	ck_assert(look_at_child(only_its_own, &r));
	ck_assert_msg(r == 0, "%s", err.msg);
	ck_assert_uint_eq(nr, 0);
}
END_TEST

static void journal(void)
{
	int one;

	own_mounts();
	require(mount("tmpfs", "/run", "tmpfs", 0, NULL) == 0);
	require(mkdir("/run/systemd", 0755) == 0 && mkdir("/run/systemd/journal", 0755) == 0);
	one = connected_to("/run/systemd/journal/stdout");
	require(dup(one) >= 0);			/* once is enough */
	connected_to("/run/systemd/journal/other");
}

/* The client's end only, under the names that CRIU has for it. */
START_TEST(streams_to_the_journal)
{
	char key[KHO_CRIU_KEY];
	unsigned int inode;
	int r = -1;

	if (!look_at_child(journal, &r))
		return;
	ck_assert_msg(r == 0, "%s", err.msg);
	ck_assert_uint_eq(nr, 1);
	ck_assert_int_eq(sscanf(found[0].dump, "unix[%u]", &inode), 1);
	snprintf(key, sizeof(key), "socket:[%u]", inode);
	ck_assert_str_eq(found[0].key, key);
}
END_TEST

static void null_from_outside(void)
{
	require(open("/dev/null", O_RDONLY) >= 0 && open("/dev/null", O_WRONLY) >= 0);
	own_mounts();
	require(open("/dev/null", O_RDONLY) >= 0);
}

START_TEST(null_of_before_the_sandbox)
{
	unsigned long inode;
	unsigned int mount_id;
	struct stat st;
	int r = -1;

	if (!look_at_child(null_from_outside, &r))
		return;
	ck_assert_msg(r == 0, "%s", err.msg);
	ck_assert_uint_eq(nr, 1);
	ck_assert_str_eq(found[0].dump, found[0].key);
	ck_assert_int_eq(sscanf(found[0].key, "file[%x:%lx]", &mount_id, &inode), 2);
	ck_assert_int_eq(stat("/dev/null", &st), 0);
	ck_assert_uint_eq(inode, st.st_ino);
}
END_TEST

static void file_from_outside(void)
{
	require(open("/etc/passwd", O_RDONLY) >= 0);
	own_mounts();
}

START_TEST(files_of_before_the_sandbox)
{
	int r = -1;

	if (!look_at_child(file_from_outside, &r))
		return;
	ck_assert_int_eq(r, -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(err.msg, "/etc/passwd"));
	ck_assert_ptr_nonnull(strstr(err.msg, "PrivateTmp="));
}
END_TEST

static void many(void)
{
	char path[64];

	own_mounts();
	require(mount("tmpfs", "/run", "tmpfs", 0, NULL) == 0);
	require(mkdir("/run/systemd", 0755) == 0 && mkdir("/run/systemd/journal", 0755) == 0);
	snprintf(path, sizeof(path), "/run/systemd/journal/stdout");
	for (int i = 0; i <= KHO_CRIU_EXTERNALS; i++) {
		connected_to(path);
		unlink(path);
	}
}

START_TEST(too_many)
{
	int r = -1;

	if (!look_at_child(many, &r))
		return;
	ck_assert_int_eq(r, -E2BIG);
	ck_assert_uint_eq(nr, KHO_CRIU_EXTERNALS);
}
END_TEST

/* a workload's short-lived children: listed, a zombie, and gone */
START_TEST(ended_meanwhile)
{
	siginfo_t info;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(0);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(kho_criu_find_externals(pid, found, &nr, &err), 0);
	ck_assert_int_eq(err.code, 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(kho_criu_find_externals(pid, found, &nr, &err), 0);
	ck_assert_int_eq(err.code, 0);
	ck_assert_uint_eq(nr, 0);
}
END_TEST

static Suite *external_suite(void)
{
	Suite *suite = suite_create("criu_external");
	TCase *tc = tcase_create("external");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, nothing_from_outside);
	tcase_add_test(tc, streams_to_the_journal);
	tcase_add_test(tc, null_of_before_the_sandbox);
	tcase_add_test(tc, files_of_before_the_sandbox);
	tcase_add_test(tc, too_many);
	tcase_add_test(tc, ended_meanwhile);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(external_suite());
}
