// SPDX-License-Identifier: GPL-2.0-only
/* Restores with terminals, one at a time. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "migrate/criu/terminals.h"
#include "tests/unit/run.h"

static char folder[] = "/tmp/kho-terminals-XXXXXX";
static int images;

static void set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	images = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(images, 0);
}

static void tear_down(void)
{
	unlinkat(images, "tty-info.img", 0);
	close(images);
	rmdir(folder);
}

static void have_terminals(void)
{
	close(openat(images, "tty-info.img", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

/* Writes a byte when it has the lock, and ends. */
static pid_t other_one(int ours, int to)
{
	pid_t pid = fork();
	int lock;

	if (pid)
		return pid;
	close(ours);
	lock = kho_terminals_lock(images);
	_exit(lock >= 0 && write(to, "!", 1) == 1 ? 0 : 1);
}

START_TEST(without_terminals)
{
	int lock = kho_terminals_lock(images);

	ck_assert_int_eq(lock, -ENOENT);
	kho_terminals_unlock(&lock);
}
END_TEST

START_TEST(one_at_a_time)
{
	struct pollfd said = { .events = POLLIN };
	int ends[2], lock, status;
	pid_t pid;

	have_terminals();
	ck_assert_int_eq(pipe(ends), 0);
	lock = kho_terminals_lock(images);
	ck_assert_msg(lock >= 0, "%d", lock);
	pid = other_one(lock, ends[1]);
	said.fd = ends[0];
	ck_assert_int_eq(poll(&said, 1, 300), 0);
	kho_terminals_unlock(&lock);
	ck_assert_int_lt(lock, 0);
	ck_assert_int_eq(poll(&said, 1, 10000), 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	/* who had it has ended */
	lock = kho_terminals_lock(images);
	ck_assert_msg(lock >= 0, "%d", lock);
	kho_terminals_unlock(&lock);
}
END_TEST

static Suite *terminals_suite(void)
{
	Suite *suite = suite_create("terminals");
	TCase *tc = tcase_create("lock");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, without_terminals);
	tcase_add_test(tc, one_at_a_time);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(terminals_suite());
}
