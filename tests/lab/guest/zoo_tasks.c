// SPDX-License-Identifier: GPL-2.0-only
/* zoo: threads and children, signals and timers, and what the kernel knows of a task. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "zoo.h"

#define THREADS		3
#define SLACK		123456ul
#define IOPRIO		(2 << 13 | 6)		/* best effort, 6 */
#define OOM_SCORE	77
#define DUMP_FILTER	0x11
#define HANDLER_FLAGS	(SA_SIGINFO | SA_ONSTACK | SA_RESTART)
#define MS		1000000ull

/* ---- threads ---- */

struct thread {
	pthread_t id;
	atomic_int tid;
	atomic_uint beats;
	char mask[32];			/* "SigBlk:..." as /proc has it */
};

static struct thread threads[THREADS];
static _Thread_local int mine;

static void *beat(void *arg)
{
	struct thread *thread = arg;
	int number = (int)(thread - threads);
	char name[16];
	sigset_t set;

	snprintf(name, sizeof(name), "beast-%d", number);
	prctl(PR_SET_NAME, name);
	prctl(PR_SET_TIMERSLACK, SLACK + (unsigned long)number);
	/* what's sent to the process is for its first thread */
	sigfillset(&set);
	sigdelset(&set, SIGRTMIN + 10 + number);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	setpriority(PRIO_PROCESS, 0, 3 + number);
	mine = number;
	thread->tid = (int)syscall(SYS_gettid);
	while (mine == number) {
		thread->beats++;
		usleep(5000);
	}
	return NULL;
}

static int read_proc(int tid, const char *name, char *ret, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, ret, size - 1);
	if (fd >= 0)
		close(fd);
	ret[n < 0 ? 0 : n] = '\0';
	return n < 0 ? -1 : 0;
}

static void expect_proc(int tid, const char *name, const char *expected)
{
	char text[4096];

	if (read_proc(tid, name, text, sizeof(text)) < 0 || !strstr(text, expected))
		differs("%s of %d isn't %s but %.40s", name, tid, expected, text);
}

static void set_up_threads(void)
{
	char status[4096];

	for (int i = 0; i < THREADS; i++) {
		need(-pthread_create(&threads[i].id, NULL, beat, &threads[i]), "thread");
		while (!threads[i].beats)
			usleep(1000);
		read_proc(threads[i].tid, "status", status, sizeof(status));
		snprintf(threads[i].mask, sizeof(threads[i].mask), "%.24s",
			 strstr(status, "SigBlk:") ?: "?");
	}
}

static void check_threads(void)
{
	for (int i = 0; i < THREADS; i++) {
		unsigned int before = threads[i].beats;
		char text[64];
		int tries = 5000;

		while (threads[i].beats < before + 2 && tries--)
			usleep(1000);
		if (threads[i].beats < before + 2)
			differs("thread %d stands still", i);
		snprintf(text, sizeof(text), "beast-%d\n", i);
		expect_proc(threads[i].tid, "comm", text);
		expect_proc(threads[i].tid, "status", threads[i].mask);
	}
}

/* ---- children ---- */

static pid_t zombie, leader, member;

static void set_up_children(void)
{
	int told[2];

	zombie = need(fork(), "fork");
	if (zombie == 0)
		_exit(42);
	need(pipe(told), "pipe");
	leader = need(fork(), "fork");
	if (leader == 0) {
		setsid();
		member = fork();
		if (member == 0) {
			setpgid(0, 0);
			(void)!write(told[1], &(pid_t){ getpid() }, sizeof(pid_t));
		}
		close(told[1]);
		for (;;)
			pause();
	}
	need((int)read(told[0], &member, sizeof(member)), "grandchild");
	close(told[0]);
	close(told[1]);
}

static void check_children(void)
{
	siginfo_t info = {};

	holds(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	      info.si_pid == zombie && info.si_code == CLD_EXITED && info.si_status == 42,
	      "no zombie");
	holds(getsid(leader) == leader && getpgid(leader) == leader, "the session");
	holds(getsid(member) == leader && getpgid(member) == member, "the process group");
	holds(kill(member, 0) == 0, "the grandchild");
}

/* ---- signals ---- */

static volatile sig_atomic_t handled;
static volatile int on_stack;
static char *stack;

static void handle(int signal, siginfo_t *info, void *context)
{
	char here;

	(void)context;
	on_stack = &here >= stack && &here < stack + SIGSTKSZ * 4;
	handled = signal + 1000 * info->si_value.sival_int;
}

static void set_up_signals(void)
{
	struct sigaction action = {
		.sa_sigaction = handle, .sa_flags = HANDLER_FLAGS,
	};
	sigset_t set;

	stack = malloc((size_t)SIGSTKSZ * 4);
	need(sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = (size_t)SIGSTKSZ * 4 }, NULL),
	     "stack");
	sigaddset(&action.sa_mask, SIGUSR1);
	need(sigaction(SIGUSR2, &action, NULL), "handler");
	need(sigaction(SIGRTMIN + 5, &action, NULL), "handler");
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 5);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGHUP, SIG_IGN);
	sigqueue(getpid(), SIGRTMIN + 5, (union sigval){ .sival_int = 5 });
}

static void check_signals(void)
{
	struct sigaction action;
	sigset_t set, old;

	sigaction(SIGUSR2, NULL, &action);
	holds(action.sa_sigaction == handle && sigismember(&action.sa_mask, SIGUSR1) == 1 &&
	      (action.sa_flags & HANDLER_FLAGS) == HANDLER_FLAGS, "the handler");
	sigaction(SIGHUP, NULL, &action);
	holds(action.sa_handler == SIG_IGN, "SIGHUP isn't ignored");
	sigpending(&set);
	holds(sigismember(&set, SIGRTMIN + 5) == 1, "no signal is pending");
	handled = on_stack = 0;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 5);
	sigprocmask(SIG_UNBLOCK, &set, &old);
	if (handled != SIGRTMIN + 5 + 5000 || !on_stack)
		differs("it brought %d, %s", handled, on_stack ? "on its stack" : "elsewhere");
	sigprocmask(SIG_SETMASK, &old, NULL);
	sigqueue(getpid(), SIGRTMIN + 5, (union sigval){ .sival_int = 5 });
}

/* ---- timers ---- */

static volatile sig_atomic_t alarms, expiries;
static timer_t timer;

static void on_timer(int signal)
{
	if (signal == SIGALRM)
		alarms++;
	else
		expiries++;
}

static void set_up_timers(void)
{
	struct sigevent how = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 6,
	};
	const struct itimerspec often = { { 0, 30 * MS }, { 0, 30 * MS } };
	const struct itimerval each = { { 0, 40000 }, { 0, 40000 } };

	signal(SIGALRM, on_timer);
	signal(SIGRTMIN + 6, on_timer);
	need(timer_create(CLOCK_MONOTONIC, &how, &timer), "timer");
	need(timer_settime(timer, 0, &often, NULL), "timer");
	need(setitimer(ITIMER_REAL, &each, NULL), "timer");
}

static void check_timers(void)
{
	uint64_t end = zoo_now_ns(CLOCK_MONOTONIC) + 5000 * MS;
	struct itimerspec left;

	alarms = expiries = 0;
	while ((alarms < 2 || expiries < 2) && zoo_now_ns(CLOCK_MONOTONIC) < end)
		usleep(5000);
	if (alarms < 2 || expiries < 2)
		differs("%d alarms and %d expiries", alarms, expiries);
	holds(timer_gettime(timer, &left) == 0 && left.it_interval.tv_nsec == 30 * (long)MS,
	      "its interval");
}

/* ---- limits and such ---- */

static char cwd[256], host[64];

static void set_up_limits(void)
{
	const struct rlimit files = { 777, 888 };

	need(setrlimit(RLIMIT_NOFILE, &files), "limit");
	umask(027);
	snprintf(cwd, sizeof(cwd), "%s/cwd", zoo_dir());
	if (mkdir(cwd, 0700) < 0 && errno != EEXIST)
		need(-1, cwd);
	need(chdir(cwd), cwd);
	need(prctl(PR_SET_CHILD_SUBREAPER, 1), "subreaper");
	need(prctl(PR_SET_NAME, "zoo-keeper"), "name");
	gethostname(host, sizeof(host) - 1);
}

static void check_limits(void)
{
	struct rlimit files = {};
	mode_t mask = umask(027);
	char now[256] = "";
	int reaper = 0;

	getrlimit(RLIMIT_NOFILE, &files);
	holds(files.rlim_cur == 777 && files.rlim_max == 888, "a limit");
	holds(mask == 027, "umask");
	holds(getcwd(now, sizeof(now)) && strcmp(now, cwd) == 0, "the working directory");
	holds(prctl(PR_GET_CHILD_SUBREAPER, &reaper) == 0 && reaper == 1, "subreaper");
	expect_proc(getpid(), "comm", "zoo-keeper");
	gethostname(now, sizeof(now) - 1);
	holds(strcmp(now, host) == 0, "the host's name");
}

/* ---- what a checkpoint doesn't hold ---- */

static pid_t batch;

static void write_proc(const char *name, const char *text)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/%s", name);
	fd = need(open(path, O_WRONLY | O_CLOEXEC), path);
	need((int)write(fd, text, strlen(text)), path);
	close(fd);
}

static void __attribute__((noreturn)) run_batch(void)
{
	const struct sched_param param = {};
	cpu_set_t set;

	/* the one that's never given away */
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	need(sched_setaffinity(0, sizeof(set), &set), "affinity");
	need(sched_setscheduler(0, SCHED_BATCH, &param), "policy");
	need(setpriority(PRIO_PROCESS, 0, 7), "nice");
	need((int)syscall(SYS_ioprio_set, 1, 0, IOPRIO), "ioprio");
	write_proc("oom_score_adj", "77");
	write_proc("coredump_filter", "0x11");
	for (;;)
		pause();
}

static void set_up_attributes(void)
{
	batch = need(fork(), "fork");
	if (batch == 0)
		run_batch();
	/* it's done when the last of it is seen */
	for (int tries = 5000; tries; tries--) {
		char text[64];

		if (read_proc(batch, "coredump_filter", text, sizeof(text)) == 0 &&
		    strtoul(text, NULL, 16) == DUMP_FILTER)
			break;
		usleep(1000);
	}
}

static unsigned int cpus_of(int tid)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	sched_getaffinity(tid, sizeof(set), &set);
	return (unsigned int)CPU_COUNT(&set);
}

static void check_attributes(void)
{
	char text[64];

	errno = 0;
	holds(getpriority(PRIO_PROCESS, (id_t)batch) == 7, "nice");
	holds(sched_getscheduler(batch) == SCHED_BATCH, "policy");
	holds(sched_getscheduler(0) == SCHED_OTHER, "the keeper's policy");
	holds(syscall(SYS_ioprio_get, 1, batch) == IOPRIO, "ioprio");
	if (cpus_of(batch) != 1)
		differs("it's pinned to %u CPUs", cpus_of(batch));
	if (cpus_of(0) != (unsigned int)sysconf(_SC_NPROCESSORS_ONLN))
		differs("the keeper has %u CPUs", cpus_of(0));
	expect_proc(batch, "oom_score_adj", "77\n");
	expect_proc(getpid(), "oom_score_adj", "0\n");
	expect_proc(batch, "coredump_filter", "00000011\n");
	for (int i = 0; i < THREADS; i++) {
		snprintf(text, sizeof(text), "%lu\n", SLACK + (unsigned long)i);
		expect_proc(threads[i].tid, "timerslack_ns", text);
		holds(getpriority(PRIO_PROCESS, (id_t)threads[i].tid) == 3 + i, "a thread's nice");
	}
}

const struct zoo_beast zoo_tasks[] = {
	{ "threads", set_up_threads, check_threads },
	{ "children", set_up_children, check_children },
	{ "signals", set_up_signals, check_signals },
	{ "timers", set_up_timers, check_timers },
	{ "limits", set_up_limits, check_limits },
	{ "attributes", set_up_attributes, check_attributes },
	{},
};
