// SPDX-License-Identifier: GPL-2.0-only
/* zoo: UNIX sockets of all types, what waits in them, and those that lead to systemd. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "zoo.h"

#define LIMIT	(64u << 10)
#define SYSLOG	"/run/systemd/journal/dev-log"

static socklen_t named(const char *name, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (name[0] == '@')
		snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "%s", name + 1);
	else
		snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/%s", zoo_dir(), name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
			   (name[0] == '@' ? strlen(name) : strlen(ret->sun_path) + 1));
}

static int bound(const char *name, int type)
{
	int fd = need(socket(AF_UNIX, type | SOCK_CLOEXEC, 0), name);
	struct sockaddr_un address;
	socklen_t size = named(name, &address);

	if (name[0] != '@')
		unlink(address.sun_path);
	need(bind(fd, (struct sockaddr *)&address, size), name);
	return fd;
}

static int connected(const char *name, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	socklen_t size = named(name, &address);

	if (connect(fd, (struct sockaddr *)&address, size) == 0)
		return fd;
	differs("no connection to %s (%s)", name, strerror(errno));
	close(fd);
	return -1;
}

/* ---- pairs ---- */

static int stream[2];
static size_t waiting[2];

static void fill_stream(void)
{
	waiting[0] = zoo_fill_up(stream[0], 3, LIMIT);
	waiting[1] = zoo_fill_up(stream[1], 4, LIMIT);
}

static void set_up_stream(void)
{
	need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream), "pair");
	fill_stream();
}

static void check_stream(void)
{
	zoo_drain(stream[1], 3, waiting[0]);
	zoo_drain(stream[0], 4, waiting[1]);
	fill_stream();
}

/* Messages keep their bounds. */
static void put_messages(const int pair[2])
{
	holds(send(pair[0], "one", 3, MSG_DONTWAIT) == 3, "can't send");
	holds(send(pair[0], "three", 5, MSG_DONTWAIT) == 5, "can't send");
	holds(send(pair[1], "back", 4, MSG_DONTWAIT) == 4, "can't send");
}

static void expect(int fd, const char *text)
{
	char message[64] = "";
	ssize_t n = recv(fd, message, sizeof(message) - 1, MSG_DONTWAIT);

	if (n != (ssize_t)strlen(text) || strcmp(message, text) != 0)
		differs("\"%s\" came as \"%s\" (%zd, %s)", text, message, n, strerror(errno));
}

static void check_messages(const int pair[2])
{
	expect(pair[1], "one");
	expect(pair[1], "three");
	expect(pair[0], "back");
	put_messages(pair);
}

static int dgram[2], seqpacket[2];

static void set_up_dgram(void)
{
	need(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, dgram), "pair");
	put_messages(dgram);
}

static void check_dgram(void)
{
	check_messages(dgram);
}

static void set_up_seqpacket(void)
{
	need(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, seqpacket), "pair");
	put_messages(seqpacket);
}

static void check_seqpacket(void)
{
	check_messages(seqpacket);
}

/* ---- a descriptor on its way ---- */

static int carrier[2];

static void send_fd(void)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct iovec text = { .iov_base = (void *)"fd", .iov_len = 2 };
	struct msghdr message = {
		.msg_iov = &text, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	int ends[2];

	need(pipe2(ends, O_CLOEXEC), "pipe");
	need((int)write(ends[1], "in flight", 9), "pipe");
	control.head = (struct cmsghdr){
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)),
	};
	memcpy(CMSG_DATA(&control.head), &ends[0], sizeof(int));
	holds(sendmsg(carrier[0], &message, 0) == 2, "can't send");
	close(ends[0]);
	close(ends[1]);
}

static void set_up_carrier(void)
{
	need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, carrier), "pair");
	send_fd();
}

static void check_carrier(void)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {};
	char text[16] = "";
	struct iovec room = { .iov_base = text, .iov_len = sizeof(text) };
	struct msghdr message = {
		.msg_iov = &room, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(carrier[1], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 2 ||
	    control.head.cmsg_type != SCM_RIGHTS) {
		differs("no descriptor came (%s)", strerror(errno));
	} else {
		memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
		holds(read(fd, text, sizeof(text) - 1) == 9, "it's another one");
		close(fd);
	}
	send_fd();
}

/* ---- with names ---- */

struct house {
	const char *name;
	int type, listener, client, server;
};

static struct house named_stream = { .name = "stream", .type = SOCK_STREAM };
static struct house abstract = { .name = "@lab-zoo-abstract", .type = SOCK_SEQPACKET };

static void open_house(struct house *house)
{
	house->listener = bound(house->name, house->type);
	need(listen(house->listener, 5), "listen");
	house->client = connected(house->name, house->type);
	house->server = need(accept4(house->listener, NULL, NULL, SOCK_CLOEXEC), "accept");
	holds(send(house->client, "waits", 5, 0) == 5, "can't send");
}

static void look_at_house(struct house *house)
{
	int fresh;

	expect(house->server, "waits");
	fresh = connected(house->name, house->type);
	if (fresh >= 0) {
		int other = accept4(house->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		holds(other >= 0, "nobody is to be accepted");
		close(other);
		close(fresh);
	}
	holds(send(house->client, "waits", 5, 0) == 5, "can't send");
}

static void set_up_named(void)
{
	open_house(&named_stream);
}

static void check_named(void)
{
	look_at_house(&named_stream);
}

static void set_up_abstract(void)
{
	open_house(&abstract);
}

static void check_abstract(void)
{
	look_at_house(&abstract);
}

/* Nobody has accepted it yet. If it has sent something already CRIU doesn't take it. */
static int queue_listener, queue_client;

static void enter_queue(void)
{
	queue_client = connected("queue", SOCK_STREAM);
}

static void set_up_queue(void)
{
	queue_listener = bound("queue", SOCK_STREAM);
	need(listen(queue_listener, 5), "listen");
	enter_queue();
}

static void check_queue(void)
{
	int fd = accept4(queue_listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (!holds(fd >= 0, "nobody waits any more"))
		return;
	holds(send(queue_client, "late", 4, 0) == 4, "can't send");
	expect(fd, "late");
	close(fd);
	close(queue_client);
	enter_queue();
}

/* ---- to the system's log: as syslog(3) has it ---- */

static int to_log;

static void set_up_log(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SYSLOG };

	to_log = need(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
	need(connect(to_log, (struct sockaddr *)&address, sizeof(address)), SYSLOG);
}

static void check_log(void)
{
	static const char line[] = "<14>zoo: by way of syslog";

	holds(send(to_log, line, sizeof(line) - 1, 0) == sizeof(line) - 1, "can't send");
}

const struct zoo_beast zoo_unix[] = {
	{ "unix-stream", set_up_stream, check_stream },
	{ "unix-dgram", set_up_dgram, check_dgram },
	{ "unix-seqpacket", set_up_seqpacket, check_seqpacket },
	{ "unix-descriptor", set_up_carrier, check_carrier },
	{ "unix-named", set_up_named, check_named },
	{ "unix-abstract", set_up_abstract, check_abstract },
	{ "unix-queue", set_up_queue, check_queue },
	{ "unix-syslog", set_up_log, check_log },
	{},
};
