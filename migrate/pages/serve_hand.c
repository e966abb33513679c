// SPDX-License-Identifier: GPL-2.0-only
/*
 * CRIU hands its tasks over: a stream of 32 bit words, and fds.
 *
 *	PID		a task; the next byte carries its userfaultfd (SCM_RIGHTS)
 *	-PID		a zombie, which has no memory
 *	0x52535446	the end: all tasks are complete but for lazy pages
 *
 * There is one connection, which all processes of criu share. An fd is taken only
 * when it's due; one that comes along with anything else is an error.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/pages/serve_private.h"

#define RESTORE_FINISHED 0x52535446

int hand_accept(struct kho_page_server *server, struct kho_err *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &server->conn_fd };
	_cleanup_close_ int fd = -EBADF;

	fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return errno == EAGAIN || errno == ECONNABORTED ? 0 :
		       kho_fail_errno(err, -errno, "page server: accepting criu");
	if (server->conn_fd >= 0)
		return kho_fail(err, -EBADMSG, "page server: a second connection; only one criu "
				"may restore in this directory");
	if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return kho_fail_errno(err, -errno, "page server: watching criu");
	server->conn_fd = TAKE_FD(fd);
	return 0;
}

int hand_add(struct kho_page_server *server, struct space *space, struct kho_err *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = space };

	if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, space->fd, &event) < 0) {
		int r = kho_fail_errno(err, -errno, "page server: watching task %llu",
				       (unsigned long long)kho_pages_id(space->image));

		space_free(space);
		return r;
	}
	space->next = server->spaces;
	server->spaces = space;
	server->stats.tasks++;
	server->stats.alive++;
	server->stats.pages += space->left;
	return 0;
}

/* A task with its userfaultfd, which is taken over */
static int take_task(struct kho_page_server *server, int fd, struct kho_err *err)
{
	_cleanup_free_ struct kho_image_vma *vmas = NULL;
	_cleanup_close_ int owned = fd;
	uint64_t pid = (uint64_t)server->pid, image = kho_pages_image(pid, KHO_PAGES_TASK);
	uint64_t before = image - 1;
	struct space *space = NULL;
	size_t nr = 0;
	int r;

	server->pid = 0;
	if (!kho_page_store_next_image(server->config.store, &before) || before != image)
		return kho_fail(err, -EBADMSG, "page server: task %llu isn't in the store; images and "
				"store aren't of one dump", (unsigned long long)pid);
	r = kho_image_read_vmas(server->config.images_fd, pid, &vmas, &nr, err);
	if (r < 0)
		return kho_wrap(err, r, "page server");
	r = space_new(server->config.store, image, vmas, nr, &space);
	if (r < 0)
		return kho_fail(err, r, "page server: no memory for task %llu",
				(unsigned long long)pid);
	space->fd = TAKE_FD(owned);
	return hand_add(server, space, err);
}

static int on_word(struct kho_page_server *server, struct kho_err *err)
{
	int32_t word;

	memcpy(&word, server->word, sizeof(word));
	server->word_filled = 0;
	if (server->stats.handed_over || word == 0)
		return kho_fail(err, -EBADMSG, "page server: criu says %#x, which isn't known; use "
				"a criu that this program knows", (unsigned int)word);
	if (word == RESTORE_FINISHED)
		server->stats.handed_over = true;
	else if (word > 0)
		server->pid = word;
	return 0;
}

/* Reads up to @size bytes and at most one fd; bytes or as recvmsg() */
static ssize_t receive(int socket, void *data, size_t size, int *ret_fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	*ret_fd = -EBADF;
	if (n < 0)
		return n;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	return n;
}

static int hung_up(struct kho_page_server *server, struct kho_err *err)
{
	close(server->conn_fd);
	server->conn_fd = -EBADF;
	if (server->stats.handed_over)
		return 0;
	return kho_fail(err, -EPIPE, "page server: criu ended before the tasks were complete; look "
			"at its log");
}

/* One word, or one byte with an fd */
int hand_read(struct kho_page_server *server, struct kho_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	size_t want = server->pid ? 1 : sizeof(server->word) - server->word_filled;
	ssize_t n;

	n = receive(server->conn_fd, server->word + server->word_filled, want, &fd);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != ECONNRESET)
		return kho_fail_errno(err, -errno, "page server: reading from criu");
	if (n <= 0)
		return hung_up(server, err);
	if ((fd >= 0) != (server->pid != 0))
		return kho_fail(err, -EBADMSG, "page server: criu sent %s; use a criu that this "
				"program knows", fd >= 0 ? "an fd out of turn" : "no fd for a task");
	if (server->pid)
		return take_task(server, TAKE_FD(fd), err);
	server->word_filled += (unsigned int)n;
	return server->word_filled == sizeof(server->word) ? on_word(server, err) : 0;
}
