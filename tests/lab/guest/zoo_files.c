// SPDX-License-Identifier: GPL-2.0-only
/* zoo: what else a descriptor can be, locks, and memory that's shared. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "zoo.h"

#define MEMORY		(64u << 10)
#define MS		1000000ull

static int open_in_dir(const char *name, int flags)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", zoo_dir(), name);
	return need(open(path, flags | O_CLOEXEC, 0600), path);
}

/* ---- pipes ---- */

static int ends[2];
static size_t in_pipe;

static void set_up_pipe(void)
{
	need(pipe2(ends, O_CLOEXEC), "pipe");
	need(fcntl(ends[1], F_SETPIPE_SZ, 128 << 10), "its size");
	in_pipe = zoo_fill_up(ends[1], 5, MEMORY * 4);
}

static void check_pipe(void)
{
	holds(fcntl(ends[0], F_GETPIPE_SZ) == 128 << 10, "its size");
	zoo_drain(ends[0], 5, in_pipe);
	in_pipe = zoo_fill_up(ends[1], 5, MEMORY * 4);
	holds(in_pipe == 128 << 10, "it can't be filled");
}

/* ---- event descriptors ---- */

/* Without EFD_SEMAPHORE, which is refused: CRIU would lose it. */

static int event, poller, polled[2];

static void set_up_event(void)
{
	event = need(eventfd(41, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
}

static void expect_count(int fd, uint64_t expected)
{
	uint64_t count = 0;

	if (read(fd, &count, sizeof(count)) != sizeof(count) || count != expected)
		differs("it has %llu, not %llu", (unsigned long long)count,
			(unsigned long long)expected);
}

static void check_event(void)
{
	uint64_t again = 41;

	expect_count(event, 41);
	holds(write(event, &again, 8) == 8, "can't be written");
}

#define TAG	0x1234567890abcdefull

static void set_up_epoll(void)
{
	struct epoll_event want = { .events = EPOLLIN | EPOLLET, .data.u64 = TAG };

	poller = need(epoll_create1(EPOLL_CLOEXEC), "epoll");
	need(pipe2(polled, O_CLOEXEC | O_NONBLOCK), "pipe");
	need(epoll_ctl(poller, EPOLL_CTL_ADD, polled[0], &want), "epoll");
	want.data.u64 = 1;
	need(epoll_ctl(poller, EPOLL_CTL_ADD, event, &want), "epoll");
	epoll_wait(poller, &want, 1, 0);
}

static void check_epoll(void)
{
	struct epoll_event seen[4];
	int n, found = 0;
	char byte = 'x';

	holds(write(polled[1], &byte, 1) == 1, "can't write");
	n = epoll_wait(poller, seen, 4, 10000);
	for (int i = 0; i < n; i++)
		found |= seen[i].data.u64 == TAG && seen[i].events == EPOLLIN;
	holds(found, "nothing is seen");
	n = epoll_wait(poller, seen, 4, 0);
	for (int i = 0; i < n; i++)
		holds(seen[i].data.u64 != TAG, "it's seen twice, so not by edge");
	holds(read(polled[0], &byte, 1) == 1, "can't read");
}

/* ---- timers and signals by descriptor ---- */

static int ticks, far, signals;
static uint64_t far_due;

static void set_up_timerfd(void)
{
	const struct itimerspec often = { { 0, 50 * MS }, { 0, 50 * MS } };
	const struct itimerspec once = { {}, { 3600, 0 } };

	ticks = need(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd");
	need(timerfd_settime(ticks, 0, &often, NULL), "timerfd");
	far = need(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC), "timerfd");
	need(timerfd_settime(far, 0, &once, NULL), "timerfd");
	far_due = zoo_now_ns(CLOCK_BOOTTIME) + 3600000 * MS;
}

static void check_timerfd(void)
{
	struct itimerspec left;
	uint64_t count, now;

	for (int i = 0; i < 3; i++)
		if (!holds(zoo_ready(ticks, 5000) && read(ticks, &count, 8) == 8, "no tick"))
			return;
	holds(timerfd_gettime(ticks, &left) == 0 && left.it_interval.tv_nsec == 50 * (long)MS,
	      "another interval");
	now = zoo_now_ns(CLOCK_BOOTTIME);
	holds(timerfd_gettime(far, &left) == 0, "no time left");
	now += (uint64_t)left.it_value.tv_sec * 1000 * MS + (uint64_t)left.it_value.tv_nsec;
	/* what it's late by is at most a freeze; it's never early */
	if (now + 20 * MS < far_due || now > far_due + 20000 * MS)
		differs("it's due %lld ms off", (long long)(now - far_due) / 1000000);
}

static void set_up_signalfd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = need(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd");
	sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 77 });
	sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 78 });
}

static void check_signalfd(void)
{
	for (int value = 77; value <= 78; value++) {
		struct signalfd_siginfo info = {};

		holds(read(signals, &info, sizeof(info)) == sizeof(info), "no signal waits");
		if (info.ssi_int != value || info.ssi_pid != (uint32_t)getpid())
			differs("value %d of %u", info.ssi_int, info.ssi_pid);
		sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = value });
	}
}

/* ---- inotify ---- */

static int watcher, watch;

static void set_up_inotify(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/watched", zoo_dir());
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		need(-1, path);
	watcher = need(inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify");
	watch = need(inotify_add_watch(watcher, path, IN_CREATE | IN_DELETE), path);
}

static void check_inotify(void)
{
	_Alignas(struct inotify_event) char room[1024];
	const struct inotify_event *seen = (const struct inotify_event *)room;
	ssize_t n;
	int fd;

	fd = open_in_dir("watched/file", O_CREAT | O_RDWR);
	close(fd);
	n = read(watcher, room, sizeof(room));
	if (!holds(n > 0, "nothing is seen"))
		return;
	if (seen->wd != watch || !(seen->mask & IN_CREATE) || strcmp(seen->name, "file") != 0)
		differs("watch %d, mask %x", seen->wd, seen->mask);
	snprintf(room, sizeof(room), "%s/watched/file", zoo_dir());
	unlink(room);
	n = read(watcher, room, sizeof(room));
}

/* ---- files and locks ---- */

static int file, ghost, locked, ranged;

static void set_up_file(void)
{
	file = open_in_dir("file", O_CREAT | O_RDWR | O_TRUNC);
	zoo_fill_up(file, 6, 5000);
	need((int)lseek(file, 123, SEEK_SET), "seek");
}

static void check_file(void)
{
	uint8_t data[5000];

	holds(lseek(file, 0, SEEK_CUR) == 123, "it stands elsewhere");
	holds(pread(file, data, sizeof(data), 0) == sizeof(data) &&
	      zoo_wrong(6, 0, data, sizeof(data)) < 0, "another content");
}

static void set_up_ghost(void)
{
	char path[256];

	ghost = open_in_dir("ghost", O_CREAT | O_RDWR | O_TRUNC);
	zoo_fill_up(ghost, 7, 70000);
	snprintf(path, sizeof(path), "%s/ghost", zoo_dir());
	need(unlink(path), path);
}

static void check_ghost(void)
{
	static uint8_t data[70000];
	struct stat st;

	holds(fstat(ghost, &st) == 0 && st.st_nlink == 0, "it has a name again");
	holds(pread(ghost, data, sizeof(data), 0) == sizeof(data) &&
	      zoo_wrong(7, 0, data, sizeof(data)) < 0, "another content");
}

static void set_up_locks(void)
{
	struct flock range = { .l_type = F_WRLCK, .l_start = 10, .l_len = 20 };

	locked = open_in_dir("locked", O_CREAT | O_RDWR);
	need(flock(locked, LOCK_EX | LOCK_NB), "flock");
	ranged = open_in_dir("ranged", O_CREAT | O_RDWR);
	need(fcntl(ranged, F_SETLK, &range), "lock");
}

/* In a child: from there all locks are somebody else's */
static int taken_elsewhere(void)
{
	struct flock range = { .l_type = F_WRLCK, .l_start = 29, .l_len = 1 };
	struct flock beside = { .l_type = F_WRLCK, .l_start = 30, .l_len = 1 };
	int a = open_in_dir("locked", O_RDWR), b = open_in_dir("ranged", O_RDWR);

	if (flock(a, LOCK_EX | LOCK_NB) == 0)
		return 1;
	if (fcntl(b, F_SETLK, &range) == 0)
		return 2;
	return fcntl(b, F_SETLK, &beside) == 0 ? 0 : 3;
}

static void check_locks(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(taken_elsewhere());
	waitpid(pid, &status, 0);
	if (status)
		differs("locks aren't held: %d", WEXITSTATUS(status));
}

/* ---- shared memory ---- */

static uint8_t *anonymous, *of_memfd;
static int memfd;
static pid_t partner;

/* The child adds one to each word that it finds changed: so it lives, and shares. */
static void __attribute__((noreturn)) share(volatile uint32_t *words)
{
	for (;;) {
		if (words[1] != words[0])
			words[1] = words[0];
		usleep(2000);
	}
}

static void set_up_memory(void)
{
	memfd = need(memfd_create("zoo", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd");
	zoo_fill_up(memfd, 8, MEMORY);
	need(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK), "seal");
	of_memfd = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	anonymous = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (of_memfd == MAP_FAILED || anonymous == MAP_FAILED)
		need(-1, "mmap");
	zoo_fill(9, 8, anonymous + 8, MEMORY - 8);
	partner = need(fork(), "fork");
	if (partner == 0)
		share((volatile uint32_t *)anonymous);
}

static void check_memory(void)
{
	volatile uint32_t *words = (volatile uint32_t *)anonymous;
	uint8_t byte = 0;
	int tries = 5000;

	holds(zoo_wrong(9, 8, anonymous + 8, MEMORY - 8) < 0, "anonymous memory differs");
	words[0]++;
	while (words[1] != words[0] && tries--)
		usleep(1000);
	holds(words[1] == words[0], "the child doesn't share it");
	holds(zoo_wrong(8, 0, of_memfd, MEMORY) < 0, "a memfd's memory differs");
	holds(fcntl(memfd, F_GET_SEALS) == F_SEAL_SHRINK, "its seals");
	of_memfd[99] ^= 0xff;
	holds(pread(memfd, &byte, 1, 99) == 1 && byte == of_memfd[99], "mapping and file differ");
	of_memfd[99] ^= 0xff;
}

/* ---- a terminal ---- */

static int master, slave;

static void put_keys(void)
{
	holds(write(master, "typed\n", 6) == 6, "can't type");
}

static void set_up_pty(void)
{
	struct winsize size = { .ws_row = 33, .ws_col = 111 };
	struct termios how;

	master = need(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "pty");
	need(grantpt(master), "pty");
	need(unlockpt(master), "pty");
	slave = need(open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC), "pty");
	need(tcgetattr(slave, &how), "termios");
	how.c_lflag &= (tcflag_t)~ECHO;
	how.c_cc[VINTR] = 7;
	need(tcsetattr(slave, TCSANOW, &how), "termios");
	need(ioctl(master, TIOCSWINSZ, &size), "its size");
	put_keys();
}

static void check_pty(void)
{
	struct winsize size = {};
	struct termios how = {};
	char line[32] = "";

	holds(ioctl(slave, TIOCGWINSZ, &size) == 0 && size.ws_row == 33 && size.ws_col == 111,
	      "its size");
	holds(tcgetattr(slave, &how) == 0 && !(how.c_lflag & ECHO) && how.c_cc[VINTR] == 7,
	      "its modes");
	holds(read(slave, line, sizeof(line) - 1) == 6 && strcmp(line, "typed\n") == 0,
	      "what was typed");
	put_keys();
}

const struct zoo_beast zoo_files[] = {
	{ "pipe", set_up_pipe, check_pipe },
	{ "eventfd", set_up_event, check_event },
	{ "epoll", set_up_epoll, check_epoll },
	{ "timerfd", set_up_timerfd, check_timerfd },
	{ "signalfd", set_up_signalfd, check_signalfd },
	{ "inotify", set_up_inotify, check_inotify },
	{ "file", set_up_file, check_file },
	{ "deleted-file", set_up_ghost, check_ghost },
	{ "locks", set_up_locks, check_locks },
	{ "shared-memory", set_up_memory, check_memory },
	{ "pty", set_up_pty, check_pty },
	{},
};
