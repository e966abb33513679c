// SPDX-License-Identifier: GPL-2.0-only
/*
 * Children with a deadline: what they print, how they end, that those which hang
 * are killed with all they started, and that no process and no descriptor is left.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "system/proc.h"
#include "system/sysroot.h"
#include "unit/run.h"

static struct kho_proc_result result;
static struct kho_err err;
static size_t fds_before;

static size_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t nr = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static void setup(void)
{
	result = (struct kho_proc_result) { 0 };
	err = (struct kho_err) { 0 };
	fds_before = count_fds();
}

static void teardown(void)
{
	kho_proc_result_done(&result);
	ck_assert_uint_eq(count_fds(), fds_before);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}

static int run(const char *script, unsigned int timeout_ms, size_t max_output)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	struct kho_proc_spec spec = {
		.argv = argv, .timeout_ms = timeout_ms, .max_output = max_output,
	};

	return kho_proc_run(&spec, &result, &err);
}

static int check(const char *script)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	struct kho_proc_spec spec = { .argv = argv, .timeout_ms = 10000 };

	return kho_proc_check(&spec, &err);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

START_TEST(output_is_kept)
{
	ck_assert_int_eq(run("echo out; echo err >&2; exit 3", 10000, 0), 0);
	ck_assert_int_eq(result.exit_code, 3);
	ck_assert_int_eq(result.signal, 0);
	ck_assert_str_eq(result.out, "out\n");
	ck_assert_uint_eq(result.out_size, 4);
	ck_assert_str_eq(result.err, "err\n");
	ck_assert(!result.truncated);
}
END_TEST

START_TEST(output_is_bounded)
{
	ck_assert_int_eq(run("printf 123456789; printf 12345678 >&2", 10000, 8), 0);
	ck_assert_str_eq(result.out, "12345678");
	ck_assert_str_eq(result.err, "12345678");
	ck_assert(result.truncated);
	kho_proc_result_done(&result);
	/* more than a pipe holds, and it still ends */
	ck_assert_int_eq(run("head -c 1000000 /dev/zero", 10000, 100), 0);
	ck_assert_int_eq(result.exit_code, 0);
	ck_assert_uint_eq(result.out_size, 100);
	kho_proc_result_done(&result);
	ck_assert_int_eq(run("head -c 1000000 /dev/zero", 10000, KHO_PROC_OUTPUT_MAX), 0);
	ck_assert_uint_eq(result.out_size, 1000000);
	ck_assert(!result.truncated);
}
END_TEST

START_TEST(child_is_clean)
{
	_cleanup_close_ int leaked = -EBADF;
	sigset_t all, before;

	/* nothing that's blocked or ignored here may be so there */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	ck_assert_int_eq(run("kill -TERM $$; echo survived", 10000, 0), 0);
	sigprocmask(SIG_SETMASK, &before, NULL);
	ck_assert_int_eq(result.signal, SIGTERM);
	ck_assert_int_eq(result.exit_code, -1);
	ck_assert_str_eq(result.out, "");
	kho_proc_result_done(&result);

	setenv("KHO_TEST_SECRET", "1", 1);
	ck_assert_int_eq(run("echo $KHO_TEST_SECRET$LANG; read x || echo eof", 10000, 0), 0);
	unsetenv("KHO_TEST_SECRET");
	ck_assert_str_eq(result.out, "C.UTF-8\neof\n");
	kho_proc_result_done(&result);

	/* three descriptors, and the one that ls reads with; not what leaks from here */
	ck_assert_int_ge(leaked = dup(STDIN_FILENO), 0);
	ck_assert_int_eq(run("ls /proc/self/fd | wc -l", 10000, 0), 0);
	ck_assert_str_eq(result.out, "4\n");
}
END_TEST

START_TEST(environment_is_passed)
{
	const char *argv[] = { "/bin/sh", "-c", "echo $A", NULL }, *envp[] = { "A=b", NULL };
	struct kho_proc_spec spec = { .argv = argv, .envp = envp, .timeout_ms = 10000 };

	ck_assert_int_eq(kho_proc_run(&spec, &result, &err), 0);
	ck_assert_str_eq(result.out, "b\n");
}
END_TEST

START_TEST(hanging_child_is_killed)
{
	uint64_t start = now_ms();

	ck_assert_int_eq(run("trap '' TERM; echo x; sleep 1000; true", 100, 0), -ETIMEDOUT);
	ck_assert_uint_ge(now_ms() - start, 100);
	ck_assert_uint_lt(now_ms() - start, 8000);
	ck_assert_ptr_nonnull(strstr(err.msg, "100 ms"));
	ck_assert_ptr_null(result.out);
	/* one that never stops printing, too */
	ck_assert_int_eq(run("while :; do echo yes; done", 100, 10), -ETIMEDOUT);
}
END_TEST

/* A grandchild that keeps the pipes open isn't waited for. */
START_TEST(grandchild_is_not_waited_for)
{
	uint64_t start = now_ms();
	pid_t pid = 0;

	ck_assert_int_eq(run("sleep 5 & echo $!", 20000, 0), 0);
	ck_assert_uint_lt(now_ms() - start, 4000);
	ck_assert_int_eq(sscanf(result.out, "%d", &pid), 1);
	ck_assert_int_gt(pid, 1);
	kill(pid, SIGKILL);
}
END_TEST

static bool is_running(pid_t pid)
{
	char path[64], state = 'X';
	bool known;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	/* reaped since it was opened, it can't be read */
	known = fscanf(f, "%*d %*s %c", &state) == 1;
	fclose(f);
	return known && state != 'Z' && state != 'X';
}

START_TEST(whole_group_is_killed)
{
	char path[] = "/tmp/kho-test-proc-XXXXXX", script[128];
	_cleanup_close_ int fd = mkstemp(path);
	pid_t pid = 0;
	unsigned int i;
	FILE *f;

	ck_assert_int_ge(fd, 0);
	snprintf(script, sizeof(script), "sleep 1000 & echo $! >%s; wait", path);
	ck_assert_int_eq(run(script, 500, 0), -ETIMEDOUT);
	f = fopen(path, "r");
	ck_assert_int_eq(fscanf(f, "%d", &pid), 1);
	fclose(f);
	unlink(path);
	ck_assert_int_gt(pid, 1);
	/* its signal takes effect when it's next scheduled; then it's init's to reap */
	for (i = 0; i < 500 && is_running(pid); i++)
		poll(NULL, 0, 10);
	ck_assert_msg(!is_running(pid), "%d was left running", pid);
}
END_TEST

START_TEST(cannot_start)
{
	const char *argv[] = { "kho-no-such-program", NULL }, *empty[] = { NULL };
	struct kho_proc_spec spec = { .argv = argv, .timeout_ms = 1000 };

	ck_assert_int_eq(kho_proc_run(&spec, &result, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "kho-no-such-program: no such program; install"));
	argv[0] = "/etc/passwd";
	ck_assert_int_eq(kho_proc_run(&spec, &result, &err), -EACCES);
	spec.timeout_ms = 0;
	ck_assert_int_eq(kho_proc_run(&spec, &result, &err), -EINVAL);
	spec.timeout_ms = 1;
	spec.max_output = KHO_PROC_OUTPUT_MAX + 1;
	ck_assert_int_eq(kho_proc_run(&spec, &result, &err), -EINVAL);
	spec.argv = empty;
	ck_assert_int_eq(kho_proc_run(&spec, &result, &err), -EINVAL);
	spec.argv = NULL;
	ck_assert_int_eq(kho_proc_run(&spec, &result, &err), -EINVAL);
	ck_assert_ptr_null(result.out);
}
END_TEST

START_TEST(check_tells_the_last_words)
{
	ck_assert_int_eq(check("true"), 0);
	ck_assert_int_eq(check("echo out; echo one >&2; echo 'two words' >&2; echo >&2; exit 4"),
			 -EIO);
	ck_assert_str_eq(err.msg, "sh: failed with exit code 4: two words");
	ck_assert_int_eq(check("echo only out; exit 1"), -EIO);
	ck_assert_str_eq(err.msg, "sh: failed with exit code 1: only out");
	ck_assert_int_eq(check("exit 1"), -EIO);
	ck_assert_str_eq(err.msg, "sh: failed with exit code 1: it said nothing; run it by hand");
	ck_assert_int_eq(check("kill -KILL $$"), -EIO);
	ck_assert_ptr_nonnull(strstr(err.msg, "signal 9"));
}
END_TEST

/* ---- functions ---- */

static int return_it(void *arg)
{
	return *(int *)arg;
}

static int hang(void *arg)
{
	(void)arg;
	while (pause() < 0)
		;
	return 0;
}

static int die(void *arg)
{
	(void)arg;
	return raise(SIGKILL);
}

START_TEST(functions_are_called)
{
	int value = 0;

	ck_assert_int_eq(kho_proc_call(return_it, &value, 5000), 0);
	value = -EBUSY;
	ck_assert_int_eq(kho_proc_call(return_it, &value, 5000), -EBUSY);
	value = 5;
	ck_assert_int_eq(kho_proc_call(return_it, &value, 5000), 0);
	value = -100000;
	ck_assert_int_eq(kho_proc_call(return_it, &value, 5000), -EIO);
	ck_assert_int_eq(kho_proc_call(hang, NULL, 100), -ETIMEDOUT);
	ck_assert_int_eq(kho_proc_call(die, NULL, 5000), -EINTR);
}
END_TEST

/* ---- the real sysroot, which writes through a child ---- */

START_TEST(write_with_a_deadline)
{
	struct kho_sysroot root = kho_sysroot_host();
	char dir[] = "/tmp/kho-test-proc-XXXXXX", path[64], text[8] = "";
	FILE *f;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
	ck_assert_int_eq(kho_sysroot_write(&root, path, "1", 1000, &err), -ENOENT);
	ck_assert_int_eq(kho_sysroot_write(&root, path, "1", 0, &err), -ENOENT);
	f = fopen(path, "w");
	fclose(f);
	ck_assert_int_eq(kho_sysroot_write(&root, path, "on", 5000, &err), 0);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	fclose(f);
	ck_assert_str_eq(text, "on");
	unlink(path);
	/* nobody reads: opening it for writing blocks for ever */
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(kho_sysroot_write(&root, path, "on", 100, &err), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(err.msg, "100 ms"));
	unlink(path);
	rmdir(dir);
	ck_assert_int_eq(kho_sysroot_write(&root, "/dev/full", "x", 5000, &err), -ENOSPC);
	ck_assert_uint_gt(root.ops->now_ms(NULL), 0);
	ck_assert_int_eq(root.ops->try_exclusive(NULL, "/nonexistent"), -ENOENT);
	ck_assert_int_eq(root.ops->try_exclusive(NULL, "/dev/null"), 0);
}
END_TEST

START_TEST(paths_and_names)
{
	char path[KHO_SYSROOT_PATH], base[KHO_SYSROOT_PATH + 8], name[8] = "before";
	char dir[] = "/tmp/kho-test-proc-XXXXXX";
	struct kho_names names = { .nr = 77 };

	ck_assert_int_eq(kho_sysroot_path(path, "/sys", &err, "a/%d", 5), 0);
	ck_assert_str_eq(path, "/sys/a/5");
	memset(base, 'b', sizeof(base));
	base[KHO_SYSROOT_PATH - 3] = '\0';
	ck_assert_int_eq(kho_sysroot_path(path, base, &err, "x"), 0);
	ck_assert_int_eq(kho_sysroot_path(path, base, &err, "xy"), -ENAMETOOLONG);
	base[KHO_SYSROOT_PATH - 3] = 'b';
	base[KHO_SYSROOT_PATH - 1] = '\0';
	ck_assert_int_eq(kho_sysroot_path(path, base, &err, "x"), -ENAMETOOLONG);

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(kho_sysroot_list(dir, &names, &err), 0);
	ck_assert_uint_eq(names.nr, 0);
	kho_names_done(&names);
	snprintf(path, sizeof(path), "%s/link", dir);
	ck_assert_int_eq(symlink("../a/driver78", path), 0);
	ck_assert_int_eq(kho_sysroot_link_name(path, name, sizeof(name)), -ENOSPC);
	ck_assert_str_eq(name, "before");
	ck_assert_int_eq(kho_sysroot_link_name(dir, name, sizeof(name)), -EINVAL);
	unlink(path);
	ck_assert_int_eq(symlink("driver", path), 0);
	ck_assert_int_eq(kho_sysroot_link_name(path, name, sizeof(name)), 0);
	ck_assert_str_eq(name, "driver");
	ck_assert_int_eq(kho_sysroot_list(dir, &names, &err), 0);
	ck_assert_uint_eq(names.nr, 1);
	ck_assert_str_eq(names.names[0], "link");
	kho_names_done(&names);
	unlink(path);
	rmdir(dir);
	ck_assert_int_eq(kho_sysroot_list(dir, &names, &err), -ENOENT);
	ck_assert(!kho_sysroot_exists(dir) && kho_sysroot_exists("/"));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("proc");
	TCase *proc = tcase_create("proc");

	tcase_set_timeout(proc, 60);
	tcase_add_checked_fixture(proc, setup, teardown);
	tcase_add_test(proc, output_is_kept);
	tcase_add_test(proc, output_is_bounded);
	tcase_add_test(proc, child_is_clean);
	tcase_add_test(proc, environment_is_passed);
	tcase_add_test(proc, hanging_child_is_killed);
	tcase_add_test(proc, grandchild_is_not_waited_for);
	tcase_add_test(proc, whole_group_is_killed);
	tcase_add_test(proc, cannot_start);
	tcase_add_test(proc, check_tells_the_last_words);
	tcase_add_test(proc, functions_are_called);
	tcase_add_test(proc, write_with_a_deadline);
	tcase_add_test(proc, paths_and_names);
	suite_add_tcase(s, proc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
