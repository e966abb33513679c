// SPDX-License-Identifier: GPL-2.0-only
/*
 * lab-pages: criu, a page store and a page server, in one process without agents.
 *
 *	lab-pages dump PID DIR ROUNDS	pre-dump rounds, then the final dump; leaves
 *					images and a store in DIR
 *	lab-pages restore DIR [eager]	composes, restores, serves until all is there
 *
 * Each step is a line of "name value" on stdout, times in microseconds. The relay
 * and the feed are joined directly: what a lane does is left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "migrate/pages/compose.h"
#include "migrate/pages/feed.h"
#include "migrate/pages/relay.h"
#include "migrate/pages/serve.h"
#include "migrate/pages/store.h"

static struct kho_err err;

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "lab-pages: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "%s%s\n", err.msg[0] ? ": " : "", err.msg);
	va_end(args);
	exit(1);
}

static void tell(const char *name, unsigned long long value)
{
	printf("%s %llu\n", name, value);
	fflush(stdout);
}

static int open_in(int dir, const char *name, int flags)
{
	int fd = openat(dir, name, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		die("%s: %m", name);
	return fd;
}

/* criu, with one more fd that it keeps */
static pid_t start_criu(const char **argv, int keep)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork: %m");
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (keep >= 0)
		fcntl(keep, F_SETFD, 0);
	execvp("criu", (char **)argv);
	_exit(127);
}

static void wait_criu(pid_t pid, const char *what)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status)
		die("criu %s ended with status %#x", what, status);
}

/* One span into the feed, as a lane would bring it */
static ssize_t forward(const struct kho_page_span *span, struct kho_page_feed *feed)
{
	size_t room;
	ssize_t n;
	void *to;
	int r;

	r = kho_page_feed_room(feed, &to, &room, &err);
	if (r <= 0)
		die("feed has no room");
	if (room > span->size)
		room = span->size;
	if (span->data) {
		memcpy(to, span->data, room);
		n = (ssize_t)room;
	} else {
		n = recv(span->fd, to, room, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return -EAGAIN;
		if (n <= 0)
			die("criu's socket: %m");
	}
	if (kho_page_feed_filled(feed, (size_t)n, &err) < 0)
		die("feed");
	return n;
}

static void transfer(struct kho_page_relay *relay, struct kho_page_feed *feed)
{
	struct kho_page_span span;
	ssize_t n = 0;
	int r;

	for (;;) {
		r = kho_page_relay_next(relay, &span, &err);
		if (r == 0)
			break;
		if (r > 0)
			n = forward(&span, feed);
		if (r > 0 && n > 0) {
			kho_page_relay_moved(relay, (size_t)n);
			continue;
		}
		if (r != -EAGAIN && r <= 0)
			die("relay");
		poll(&(struct pollfd){ .fd = kho_page_relay_fd(relay), .events = POLLIN }, 1, 60000);
	}
	if (kho_page_relay_answer(relay, 0, &err) < 0)
		die("answering criu");
}

static void round_of(struct kho_page_relay *relay, struct kho_page_feed *feed,
		     const char *pid, int number, bool last)
{
	char dir[16], parent[24], socket_fd[16];
	const char *argv[] = { "criu", last ? "dump" : "pre-dump", "-t", pid, "-D", dir,
			 "-o", "dump.log", "-v2", "--page-server", "--ps-socket", socket_fd,
			 "--track-mem", "--prev-images-dir", parent, NULL };
	struct kho_page_store_stats stats;
	uint64_t began = now_us();
	int pair[2];
	pid_t criu;

	snprintf(dir, sizeof(dir), last ? "images" : "round%d", number);
	snprintf(parent, sizeof(parent), "../round%d", number - 1);
	if (number == 0)
		argv[last ? 12 : 13] = NULL;
	mkdir(dir, 0700);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair: %m");
	snprintf(socket_fd, sizeof(socket_fd), "%d", pair[1]);
	criu = start_criu(argv, pair[1]);
	close(pair[1]);
	if (kho_page_relay_begin(relay, pair[0], &err) < 0 || kho_page_feed_begin(feed, &err) < 0)
		die("round %d", number);
	transfer(relay, feed);
	wait_criu(criu, argv[1]);
	kho_page_store_stats(feed->store, &stats);
	tell(last ? "dump_us" : "round_us", now_us() - began);
	tell("  new", stats.round_new);
	tell("  again", stats.round_again);
	tell("  kept", stats.round_kept);
	tell("  dropped", stats.round_dropped);
}

static void dump(const char *pid, const char *path, int rounds)
{
	struct kho_page_store_stats stats;
	struct kho_page_relay *relay;
	struct kho_page_store *store;
	struct kho_page_feed feed;
	uint64_t began;
	int data, i;

	mkdir(path, 0700);
	if (chdir(path) < 0)
		die("%s: %m", path);
	data = open_in(AT_FDCWD, "store.data", O_RDWR | O_CREAT | O_TRUNC);
	if (kho_page_store_new(data, 16ULL << 30, &store, &err) < 0 ||
	    kho_page_relay_new(&relay, &err) < 0)
		die("store");
	kho_page_feed_init(&feed, store);
	for (i = 0; i < rounds; i++)
		round_of(relay, &feed, pid, i, false);
	round_of(relay, &feed, pid, i, true);
	began = now_us();
	if (kho_page_store_save(store, open_in(AT_FDCWD, "store.index", O_RDWR | O_CREAT | O_TRUNC),
				&err) < 0)
		die("index");
	tell("index_us", now_us() - began);
	kho_page_store_stats(store, &stats);
	tell("pages", stats.pages);
	tell("index_bytes", stats.index_bytes);
	tell("file_bytes", stats.file_bytes);
}

static void compose(struct kho_page_store *store, int dir, bool eager)
{
	struct kho_compose spec = { .store = store, .dir_fd = dir, .eager = eager };
	struct kho_compose_stats stats;
	uint64_t began = now_us();

	if (kho_compose(&spec, &stats, &err) < 0)
		die("compose");
	tell("compose_us", now_us() - began);
	tell("entries", stats.entries);
	tell("lazy_pages", stats.lazy_pages);
	tell("eager_pages", stats.eager_pages);
}

/* Serves while criu restores, and until all is delivered */
static void serve(struct kho_page_server *server, pid_t criu, uint64_t began)
{
	struct kho_page_server_stats stats = { 0 };
	struct epoll_event event;
	bool restoring = true;
	int r = 1, status;

	while (r > 0 || restoring) {
		bool idle = r <= 0 || !kho_page_server_busy(server);

		epoll_wait(kho_page_server_fd(server), &event, 1, idle ? 10 : 0);
		if (r > 0)
			r = kho_page_server_process(server, &err);
		if (r < 0)
			die("server");
		if (!restoring || waitpid(criu, &status, WNOHANG) != criu)
			continue;
		if (status)
			die("criu restore ended with status %#x", status);
		restoring = false;
		tell("restore_us", now_us() - began);
		kho_page_server_stats(server, &stats);
		tell("  done_by_then", stats.done);
	}
	kho_page_server_stats(server, &stats);
	tell("all_us", now_us() - began);
	tell("tasks", stats.tasks);
	tell("served", stats.done);
	tell("faults", stats.faults);
	tell("fault_pages", stats.fault_pages);
	tell("zero_pages", stats.zero_pages);
	tell("background_pages", stats.background_pages);
	tell("fault_max_us", stats.fault_max_ns / 1000);
	if (stats.done != stats.pages)
		die("%llu pages were to be served, not %llu", (unsigned long long)stats.pages,
		    (unsigned long long)stats.done);
}

static void restore(const char *path, bool eager)
{
	const char *argv[] = { "criu", "restore", "-D", "images", "-W", ".", "-o", "restore.log", "-v2", "-d",
			 "--lazy-pages", NULL };
	struct kho_page_server_config config = { .release = true };
	struct kho_page_server *server;
	struct kho_page_store *store;
	uint64_t began = now_us();
	pid_t criu;
	int dir;

	if (chdir(path) < 0)
		die("%s: %m", path);
	if (kho_page_store_load(open_in(AT_FDCWD, "store.data", O_RDWR),
				open_in(AT_FDCWD, "store.index", O_RDONLY), &store, &err) < 0)
		die("store");
	tell("load_us", now_us() - began);
	dir = open_in(AT_FDCWD, "images", O_RDONLY | O_DIRECTORY);
	compose(store, dir, eager);
	began = now_us();
	if (eager) {
		argv[10] = NULL;
		wait_criu(start_criu(argv, -1), "restore");
		tell("restore_us", now_us() - began);
		return;
	}
	config.store = store;
	config.images_fd = dir;
	config.work_fd = open_in(AT_FDCWD, ".", O_RDONLY | O_DIRECTORY);
	if (kho_page_server_new(&config, &server, &err) < 0)
		die("server");
	criu = start_criu(argv, -1);
	serve(server, criu, began);
	kho_page_server_free(server);
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "dump") == 0)
		dump(argv[2], argv[3], (int)strtol(argv[4], NULL, 10));
	else if (argc >= 3 && strcmp(argv[1], "restore") == 0)
		restore(argv[2], argc > 3);
	else
		die("usage: lab-pages dump PID DIR ROUNDS | restore DIR [eager]");
	return 0;
}
