// SPDX-License-Identifier: GPL-2.0-only
/*
 * zoo notify: a service of Type=notify with a watchdog. It tells systemd that it lives
 * by a socket that it keeps, and by a fresh one each time, and says a line on each of
 * standard output and standard error. "hang" ends all that, and systemd should act.
 *
 * zoo stream PORT: a server whose connections are full both ways. A client sends its
 * number (4 bytes, little endian), then an endless pattern that's made from it, and
 * gets such a pattern. Each byte is checked. Little is read at a time, and as much is
 * written as goes in, so that data waits in both directions. "hurry" reads all.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "zoo.h"

/* ---- notify ---- */

#define BEAT_MS		300

static int kept = -1, hangs;
static unsigned int beats;

static int open_notify(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = need(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", getenv("NOTIFY_SOCKET") ?: "");
	need(connect(fd, (struct sockaddr *)&address, sizeof(address)), "NOTIFY_SOCKET");
	return fd;
}

static void notify(int fd, const char *state)
{
	if (send(fd, state, strlen(state), 0) < 0)
		printf("zoo: systemd can't be told: %s\n", strerror(errno));
}

static void beat(void)
{
	char state[64];
	int fresh;

	snprintf(state, sizeof(state), "WATCHDOG=1\nSTATUS=beat %u", ++beats);
	if (beats % 2) {
		notify(kept, state);
	} else {
		fresh = open_notify();
		notify(fresh, state);
		close(fresh);
	}
	printf("zoo: beat %u\n", beats);
	fprintf(stderr, "zoo: aside %u\n", beats);
}

static void answer_notify(const char *words, char *ret, size_t size)
{
	hangs |= strcmp(words, "hang") == 0;
	snprintf(ret, size, "ok %u beats\n", beats);
}

void zoo_notify(void)
{
	struct pollfd asked = { .fd = zoo_listen(), .events = POLLIN };

	kept = open_notify();
	notify(kept, "READY=1");
	for (;;) {
		if (poll(&asked, 1, BEAT_MS) == 1)
			zoo_serve(asked.fd, answer_notify);
		if (!hangs)
			beat();
	}
}

/* ---- stream ---- */

#define PATTERN		65521u		/* a prime */
#define CLIENTS		512
#define BUFFER		16384
#define TICK_MS		100
#define PORTION		512

struct client {
	int fd;
	uint32_t id;
	size_t id_bytes;
	uint64_t in, out;
	int ended;
};

static uint8_t pattern[2 * PATTERN];	/* twice over: a piece of it is a slice */
static struct client clients[CLIENTS];
static unsigned int nr_clients;
static unsigned long long total_in, total_out, ended, wrong;
static size_t portion = PORTION;

static const uint8_t *piece(const struct client *client, unsigned int direction, uint64_t at)
{
	return pattern + (client->id * 7919ull + direction * 104729ull + at) % PATTERN;
}

static void make_pattern(void)
{
	uint32_t x = 1;

	for (unsigned int i = 0; i < PATTERN; i++) {
		x = x * 1103515245u + 12345u;
		pattern[i] = pattern[i + PATTERN] = (uint8_t)(x >> 16);
	}
}

static void take(struct client *client, const uint8_t *data, size_t size)
{
	size_t i = 0;

	for (; i < size && client->id_bytes < 4; i++)
		client->id |= (uint32_t)data[i] << 8 * client->id_bytes++;
	wrong += memcmp(data + i, piece(client, 1, client->in), size - i) != 0;
	client->in += size - i;
	total_in += size;
}

static void read_some(struct client *client)
{
	uint8_t data[4096];
	size_t left = portion;
	ssize_t n = 1;

	while (left && n > 0) {
		n = recv(client->fd, data, left < sizeof(data) ? left : sizeof(data), MSG_DONTWAIT);
		if (n > 0) {
			take(client, data, (size_t)n);
			left -= (size_t)n;
		}
	}
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		printf("zoo: client %u: %s\n", client->id, strerror(errno));
	if (n <= 0) {
		ended += n == 0;
		client->ended = 1;
		shutdown(client->fd, SHUT_WR);
	}
}

static void write_some(struct client *client)
{
	ssize_t n = 1;

	while (n > 0 && client->id_bytes == 4 && !client->ended) {
		n = send(client->fd, piece(client, 0, client->out), 4096, MSG_DONTWAIT);
		if (n > 0) {
			client->out += (uint64_t)n;
			total_out += (unsigned long long)n;
		}
	}
}

static void take_client(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 || nr_clients == CLIENTS)
		need(-1, "client");
	clients[nr_clients++].fd = fd;
}

static void answer_stream(const char *words, char *ret, size_t size)
{
	if (strcmp(words, "hurry") == 0)
		portion = 1 << 20;
	snprintf(ret, size, "%s %u clients, %llu ended, %llu in, %llu out, %llu wrong\n",
		 wrong ? "wrong" : "ok", nr_clients, ended, total_in, total_out, wrong);
}

static int open_port(uint16_t port)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = need(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"), size = BUFFER;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	need(bind(fd, (struct sockaddr *)&address, sizeof(address)), "port");
	need(listen(fd, 256), "listen");
	return fd;
}

void zoo_stream(uint16_t port)
{
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	uint64_t now, due = 0;

	make_pattern();
	fds[0].fd = zoo_listen();
	fds[1].fd = open_port(port);
	for (;;) {
		poll(fds, 2, TICK_MS);
		if (fds[0].revents)
			zoo_serve(fds[0].fd, answer_stream);
		if (fds[1].revents)
			take_client(fds[1].fd);
		now = zoo_now_ns(CLOCK_MONOTONIC);
		if (now < due)
			continue;
		due = now + TICK_MS * 1000000ull;
		for (unsigned int i = 0; i < nr_clients; i++) {
			if (clients[i].ended)
				continue;
			read_some(&clients[i]);
			write_some(&clients[i]);
		}
	}
}
