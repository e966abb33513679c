// SPDX-License-Identifier: GPL-2.0-only
/*
 * zoo: what a workload may consist of, and whether all of it is whole; zoo.h has the
 * idea.
 *
 *	zoo all			one task with all beasts
 *	zoo tree N		N processes with pipes and terminals
 *	zoo clock		a task that watches its clocks and timers
 *	zoo stream PORT		a server whose connections are full both ways
 *	zoo notify		a service that systemd hears from, and watches
 *	zoo ask DIR [WORDS]	asks one of them; "ok ..." or what differs
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "zoo.h"

#define REPORT_MAX	8192
#define ASK_SECONDS	60

static const struct zoo_beast *const houses[] = { zoo_sockets, zoo_unix, zoo_files, zoo_tasks };
static const char *looked_at = "?";
static char report[REPORT_MAX];

const char *zoo_dir(void)
{
	const char *dir = getenv("RUNTIME_DIRECTORY");

	return dir ?: "/run/zoo";
}

/* ---- what differs ---- */

void differs(const char *fmt, ...)
{
	size_t used = strlen(report);
	va_list args;

	snprintf(report + used, sizeof(report) - used, "%s: ", looked_at);
	used = strlen(report);
	va_start(args, fmt);
	vsnprintf(report + used, sizeof(report) - used, fmt, args);
	va_end(args);
	used = strlen(report);
	snprintf(report + used, sizeof(report) - used, "\n");
}

int holds(int true_if_well, const char *what)
{
	if (!true_if_well)
		differs("%s (%s)", what, strerror(errno));
	return true_if_well;
}

int need(int result, const char *what)
{
	if (result >= 0)
		return result;
	fprintf(stderr, "zoo: %s: %s: %s\n", looked_at, what, strerror(errno));
	_exit(1);
}

/* ---- streams of bytes ---- */

uint8_t zoo_byte(uint32_t stream, uint64_t at)
{
	uint64_t x = (at / 8 + 1) * 0x9e3779b97f4a7c15ull ^ stream * 0xbf58476d1ce4e5b9ull;

	return (uint8_t)((x ^ x >> 31) >> at % 8 * 8);
}

void zoo_fill(uint32_t stream, uint64_t from, void *data, size_t size)
{
	uint8_t *at = data;

	for (size_t i = 0; i < size; i++)
		at[i] = zoo_byte(stream, from + i);
}

ssize_t zoo_wrong(uint32_t stream, uint64_t from, const void *data, size_t size)
{
	const uint8_t *at = data;

	for (size_t i = 0; i < size; i++)
		if (at[i] != zoo_byte(stream, from + i))
			return (ssize_t)i;
	return -1;
}

size_t zoo_fill_up(int fd, uint32_t stream, size_t limit)
{
	int flags = fcntl(fd, F_GETFL);
	uint8_t data[1024];
	size_t total = 0, want;
	ssize_t n = 1;

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	while (n > 0 && total < limit) {
		want = limit - total < sizeof(data) ? limit - total : sizeof(data);
		zoo_fill(stream, total, data, want);
		n = write(fd, data, want);
		if (n > 0)
			total += (size_t)n;
	}
	fcntl(fd, F_SETFL, flags);
	return total;
}

int zoo_ready(int fd, int timeout_ms)
{
	uint64_t end = zoo_now_ns(CLOCK_MONOTONIC) + (uint64_t)timeout_ms * 1000000;
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	int n;

	do {
		n = poll(&ready, 1, timeout_ms);
	} while (n < 0 && errno == EINTR && zoo_now_ns(CLOCK_MONOTONIC) < end);
	return n == 1 && ready.revents & POLLIN;
}

void zoo_drain(int fd, uint32_t stream, size_t expected)
{
	uint8_t data[1024];
	size_t total = 0;
	ssize_t n, wrong;

	while (total < expected && zoo_ready(fd, 10000)) {
		n = read(fd, data, sizeof(data));
		if (n <= 0)
			break;
		wrong = zoo_wrong(stream, total, data, (size_t)n);
		if (wrong >= 0) {
			differs("byte %zu of %zu is wrong", total + (size_t)wrong, expected);
			return;
		}
		total += (size_t)n;
	}
	if (total != expected)
		differs("%zu bytes of %zu were there (%s)", total, expected, strerror(errno));
	else if (zoo_ready(fd, 0))
		differs("there is more than was written");
}

uint64_t zoo_now_ns(int clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* ---- questions ---- */

static void name_control(const char *dir, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/control", dir);
}

int zoo_listen(void)
{
	int fd = need(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "control socket");
	struct sockaddr_un address;

	name_control(zoo_dir(), &address);
	unlink(address.sun_path);
	need(bind(fd, (struct sockaddr *)&address, sizeof(address)), "its address");
	need(listen(fd, 8), "its queue");
	return fd;
}

void zoo_serve(int listener, zoo_answer answer)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	char words[128], text[REPORT_MAX] = "";
	ssize_t n = fd < 0 ? -1 : read(fd, words, sizeof(words) - 1);

	if (n >= 0) {
		words[n] = '\0';
		answer(words, text, sizeof(text));
		if (write(fd, text, strlen(text)) < 0)
			perror("zoo: answer");
	}
	if (fd >= 0)
		close(fd);
}

static int ask(const char *dir, const char *words)
{
	int fd = need(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
	struct sockaddr_un address;
	char text[REPORT_MAX];
	ssize_t n, total = 0;

	name_control(dir, &address);
	alarm(ASK_SECONDS);
	need(connect(fd, (struct sockaddr *)&address, sizeof(address)), address.sun_path);
	need((int)write(fd, words, strlen(words)), "question");
	while ((n = read(fd, text, sizeof(text))) > 0) {
		total += fwrite(text, 1, (size_t)n, stdout);
		if (total == n && strncmp(text, "ok", 2) != 0)
			total = INT16_MIN;
	}
	return total > 0 ? 0 : 1;
}

/* ---- all beasts in one task ---- */

static unsigned int visit(int set_up)
{
	unsigned int nr = 0;

	for (size_t h = 0; h < sizeof(houses) / sizeof(houses[0]); h++)
		for (const struct zoo_beast *beast = houses[h]; beast->name; beast++, nr++) {
			looked_at = beast->name;
			errno = 0;
			if (set_up)
				beast->set_up();
			else
				beast->check();
		}
	return nr;
}

static void answer_all(const char *words, char *ret, size_t size)
{
	unsigned int nr;

	(void)words;
	report[0] = '\0';
	nr = visit(0);
	printf("zoo: looked at %u beasts, %s\n", nr, *report ? "not well" : "well");
	if (*report)
		snprintf(ret, size, "%s", report);
	else
		snprintf(ret, size, "ok %u\n", nr);
}

static void run_all(void)
{
	int listener;

	visit(1);
	visit(0);
	if (*report) {
		fputs(report, stderr);
		_exit(1);
	}
	looked_at = "control";
	listener = zoo_listen();
	printf("zoo: open\n");
	for (;;) {
		struct pollfd asked = { .fd = listener, .events = POLLIN };

		if (poll(&asked, 1, -1) == 1)
			zoo_serve(listener, answer_all);
	}
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	looked_at = mode;
	if (strcmp(mode, "all") == 0)
		run_all();
	if (strcmp(mode, "tree") == 0 && argc > 2)
		zoo_tree((unsigned int)strtoul(argv[2], NULL, 0));
	if (strcmp(mode, "clock") == 0)
		zoo_clock();
	if (strcmp(mode, "stream") == 0 && argc > 2)
		zoo_stream((uint16_t)strtoul(argv[2], NULL, 0));
	if (strcmp(mode, "notify") == 0)
		zoo_notify();
	if (strcmp(mode, "ask") == 0 && argc > 2)
		return ask(argv[2], argc > 3 ? argv[3] : "how are you");
	fprintf(stderr, "zoo all | tree N | clock | stream PORT | notify | ask DIR [WORDS]\n");
	return 2;
}
