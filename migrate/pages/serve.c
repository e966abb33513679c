// SPDX-License-Identifier: GPL-2.0-only
/* The page server's life: its socket, its turns, its end. See serve.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/pages/serve_private.h"

#define CHUNK		64
#define CHUNK_MAX	512
#define TURN_EVENTS	16

static void cleanup_server(struct kho_page_server **server)
{
	kho_page_server_free(*server);
}

/* The address is by /proc: a path to the directory could be too long, or none */
static int listen_at(int dir_fd, int *ret_fd, struct kho_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -EBADF;

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dir_fd,
		       KHO_LAZY_SOCKET);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return kho_fail_errno(err, -errno, "page server: making a socket");
	if (unlinkat(dir_fd, KHO_LAZY_SOCKET, 0) < 0 && errno != ENOENT)
		return kho_fail_errno(err, -errno, "page server: replacing %s", KHO_LAZY_SOCKET);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4) < 0)
		return kho_fail_errno(err, -errno, "page server: listening at %s", KHO_LAZY_SOCKET);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int set_up(struct kho_page_server *server, struct kho_err *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &server->listen_fd };
	int r;

	server->config.work_fd = fcntl(server->config.work_fd, F_DUPFD_CLOEXEC, 3);
	server->config.images_fd = fcntl(server->config.images_fd, F_DUPFD_CLOEXEC, 3);
	if (server->config.work_fd < 0 || server->config.images_fd < 0)
		return kho_fail_errno(err, -errno, "page server: keeping its directories");
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (server->epoll_fd < 0)
		return kho_fail_errno(err, -errno, "page server: epoll");
	r = listen_at(server->config.work_fd, &server->listen_fd, err);
	if (r < 0)
		return r;
	if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, server->listen_fd, &event) < 0)
		return kho_fail_errno(err, -errno, "page server: epoll");
	return 0;
}

int kho_page_server_new(const struct kho_page_server_config *config,
			struct kho_page_server **ret, struct kho_err *err)
{
	_cleanup_(cleanup_server) struct kho_page_server *server = NULL;
	int r;

	if (!config->store || config->chunk > CHUNK_MAX)
		return kho_fail(err, -EINVAL, "page server: no store, or a chunk of more than %d pages",
				CHUNK_MAX);
	server = calloc(1, sizeof(*server));
	if (!server)
		return kho_fail(err, -ENOMEM, "page server: no memory");
	server->config = *config;
	if (!server->config.chunk)
		server->config.chunk = CHUNK;
	server->epoll_fd = server->listen_fd = server->conn_fd = -EBADF;
	server->background = !config->wait;
	r = set_up(server, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(server);
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void kho_page_server_free(struct kho_page_server *server)
{
	if (!server)
		return;
	while (server->spaces) {
		struct space *space = server->spaces;

		server->spaces = space->next;
		space_free(space);
	}
	if (server->listen_fd >= 0)
		(void)unlinkat(server->config.work_fd, KHO_LAZY_SOCKET, 0);
	close_fd(server->listen_fd);
	close_fd(server->conn_fd);
	close_fd(server->epoll_fd);
	close_fd(server->config.work_fd);
	close_fd(server->config.images_fd);
	free(server);
}

int kho_page_server_fd(const struct kho_page_server *server)
{
	return server->epoll_fd;
}

static bool background_left(const struct kho_page_server *server)
{
	return server->background && server->stats.handed_over && server->stats.alive > 0;
}

bool kho_page_server_busy(const struct kho_page_server *server)
{
	return server->error || server->retry || background_left(server);
}

void kho_page_server_go(struct kho_page_server *server)
{
	server->background = true;
}

/* What epoll has now */
static int handle_ready(struct kho_page_server *server, unsigned int *ret_nr,
			struct kho_err *err)
{
	struct epoll_event events[TURN_EVENTS];
	int i, r, nr;

	nr = epoll_wait(server->epoll_fd, events, TURN_EVENTS, 0);
	if (nr < 0 && errno != EINTR)
		return kho_fail_errno(err, -errno, "page server: epoll");
	for (i = 0; i < nr; i++) {
		void *what = events[i].data.ptr;

		if (what == &server->listen_fd)
			r = hand_accept(server, err);
		else if (what == &server->conn_fd)
			r = hand_read(server, err);
		else
			r = space_events(server, what, err);
		if (r < 0)
			return r;
	}
	*ret_nr = nr > 0 ? (unsigned int)nr : 0;
	return 0;
}

/* A task that has all needs no server: without the fd it's an ordinary one */
static void end_complete(struct kho_page_server *server)
{
	struct space *space;

	if (!server->stats.handed_over)
		return;
	for (space = server->spaces; space; space = space->next)
		if (space->left == 0 && space->nr_retry == 0)
			space_end(server, space);
}

static int handle_retries(struct kho_page_server *server, struct kho_err *err)
{
	struct space *space;
	int r;

	if (!server->retry)
		return 0;
	server->retry = false;
	for (space = server->spaces; space; space = space->next) {
		r = space_retries(server, space, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* One chunk, of each task in turn */
static int background(struct kho_page_server *server, struct kho_err *err)
{
	struct space *first = server->turn ? server->turn : server->spaces, *space = first;
	int r = 0;

	while (space && r == 0) {
		r = space_background(server, space, err);
		space = space->next ? space->next : server->spaces;
		if (space == first)
			break;
	}
	server->turn = space;
	return r < 0 ? r : 0;
}

static int process(struct kho_page_server *server, struct kho_err *err)
{
	unsigned int nr = 0;
	int r;

	r = handle_ready(server, &nr, err);
	if (r == 0)
		r = handle_retries(server, err);
	if (r == 0 && nr == 0 && background_left(server))
		r = background(server, err);
	if (r < 0)
		return r;
	end_complete(server);
	return !server->stats.handed_over || server->stats.alive > 0;
}

int kho_page_server_process(struct kho_page_server *server, struct kho_err *err)
{
	int r;

	if (server->error)
		return kho_fail(err, server->error, "page server: it has failed before");
	r = process(server, err);
	if (r < 0)
		server->error = r;
	return r;
}

void kho_page_server_stats(const struct kho_page_server *server,
			   struct kho_page_server_stats *ret)
{
	*ret = server->stats;
}
