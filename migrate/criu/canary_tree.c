// SPDX-License-Identifier: GPL-2.0-only
/* The canary's two processes; canary_tree.h has the contract. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/criu/canary_tree.h"

#define BEAT_NS		5000000
#define WAIT_MS		10000

struct ends {
	int asks, answers;		/* of the TCP connection */
	int out[2];			/* the pipe */
};

/* ---- the processes ---- */

static int connect_loopback(struct ends *ends)
{
	struct sockaddr_in here = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(here);
	_cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (listener < 0 || bind(listener, (struct sockaddr *)&here, sizeof(here)) < 0 ||
	    listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&here, &size) < 0)
		return -errno;
	ends->asks = socket(AF_INET, SOCK_STREAM, 0);
	if (ends->asks < 0 || connect(ends->asks, (struct sockaddr *)&here, sizeof(here)) < 0)
		return -errno;
	ends->answers = accept(listener, NULL, NULL);
	return ends->answers < 0 || pipe(ends->out) < 0 ? -errno : 0;
}

/* Ends with an error only; its parent sees the pipe end. */
static void __attribute__((noreturn)) answer(const struct ends *ends)
{
	uint64_t count;

	close(ends->asks);
	close(ends->out[0]);
	while (read(ends->answers, &count, sizeof(count)) == sizeof(count)) {
		count++;
		if (write(ends->out[1], &count, sizeof(count)) != sizeof(count))
			break;
	}
	_exit(1);
}

static int open_timer(int *ret_epoll)
{
	const struct itimerspec every = {
		.it_value.tv_nsec = BEAT_NS, .it_interval.tv_nsec = BEAT_NS,
	};
	struct epoll_event event = { .events = EPOLLIN };
	int timer = timerfd_create(CLOCK_MONOTONIC, 0), epoll = epoll_create1(0);

	if (timer < 0 || epoll < 0 || timerfd_settime(timer, 0, &every, NULL) < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) < 0)
		return -errno;
	*ret_epoll = epoll;
	return timer;
}

static bool beat(const struct ends *ends, int timer, uint64_t *count)
{
	uint64_t ticks;

	return read(timer, &ticks, sizeof(ticks)) == sizeof(ticks) &&
	       write(ends->asks, count, sizeof(*count)) == sizeof(*count) &&
	       read(ends->out[0], count, sizeof(*count)) == sizeof(*count);
}

static void __attribute__((noreturn)) ask(const struct ends *ends, int file)
{
	struct epoll_event event;
	uint64_t count = 0;
	int epoll = -1, timer = open_timer(&epoll);

	close(ends->answers);
	close(ends->out[1]);
	while (timer >= 0 && epoll_wait(epoll, &event, 1, -1) == 1 && beat(ends, timer, &count))
		if (pwrite(file, &count, sizeof(count), 0) != sizeof(count))
			break;
	_exit(1);
}

void kho_canary_be_tree(const char *dir)
{
	struct ends ends;
	char path[256];
	int null, file;

	close_range(0, ~0u, 0);
	null = open("/dev/null", O_RDWR);
	snprintf(path, sizeof(path), "%s/" KHO_CANARY_BEAT, dir);
	file = open(path, O_RDWR);
	if (null != 0 || file < 0 || dup(null) < 0 || dup(null) < 0 || setsid() < 0 ||
	    connect_loopback(&ends) < 0)
		_exit(1);
	switch (fork()) {
	case -1:
		_exit(1);
	case 0:
		answer(&ends);
	default:
		ask(&ends, file);
	}
}

int kho_canary_tree(const char *dir, pid_t *ret, struct kho_err *err)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl(KHO_CANARY_PROGRAM, KHO_CANARY_PROGRAM, KHO_CANARY_OPTION, dir, NULL);
		_exit(1);
	}
	if (pid < 0)
		return kho_fail_errno(err, -errno, "a canary can't be started");
	*ret = pid;
	return 0;
}

/* ---- the count ---- */

static uint64_t read_count(int file)
{
	uint64_t count = 0;

	return pread(file, &count, sizeof(count), 0) == sizeof(count) ? count : 0;
}

int kho_canary_wait(const char *dir, uint64_t than, uint64_t *ret, struct kho_err *err)
{
	_cleanup_close_ int notify = inotify_init1(IN_CLOEXEC), file = -EBADF;
	struct pollfd change = { .fd = notify, .events = POLLIN };
	char path[256], events[4096];
	uint64_t count;

	snprintf(path, sizeof(path), "%s/" KHO_CANARY_BEAT, dir);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (notify < 0 || file < 0 || inotify_add_watch(notify, path, IN_MODIFY) < 0)
		return kho_fail_errno(err, -errno, "%s", path);
	while ((count = read_count(file)) <= than) {
		if (poll(&change, 1, WAIT_MS) <= 0)
			return kho_fail(err, -ETIMEDOUT, "its processes stand still");
		if (read(notify, events, sizeof(events)) < 0)
			return kho_fail_errno(err, -errno, "%s", path);
	}
	*ret = count;
	return 0;
}
