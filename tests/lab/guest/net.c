// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drives the old side of migrate/net in a guest, for tests.
 *
 *	lab-net serve &			keeps what has been started
 *	lab-net ask COMMAND [WORD...]	one command; prints its answer
 *
 *	services FUNCTION ADDRESS...	what the others are about; sets the NIC up
 *	nic				its name and carrier
 *	add				puts the addresses on it
 *	hold, mute, local, stop, stats	hold.h
 *	window MS			hold, mute, wait, local: prints how long
 *	leftovers, clean FLAGS		clean.h
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "migrate/net/clean.h"
#include "migrate/net/hold.h"

#define TEXT_MAX	1024
#define WORDS_MAX	16

struct driver {
	struct kho_pci_addr function;
	struct kho_service services[8];
	size_t count;
	struct kho_hold *hold;
};

struct request {
	char *words[WORDS_MAX + 1];
	char answer[TEXT_MAX];
	struct kho_err err;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int do_services(struct driver *d, struct request *q)
{
	struct kho_nic nic;
	size_t i;
	int r;

	r = kho_parse_pci(q->words[1] ? q->words[1] : "", &d->function, &q->err);
	if (r >= 0)
		r = kho_nic_find("/sys", &d->function, &nic, &q->err);
	if (r >= 0)
		r = kho_nic_up(nic.ifindex, &q->err);
	if (r < 0)
		return r;
	for (i = 0; i < KHO_ARRAY_SIZE(d->services) && q->words[i + 2]; i++) {
		r = kho_address_parse(q->words[i + 2], &d->services[i].address, &q->err);
		if (r < 0)
			return r;
		d->services[i].ifindex = nic.ifindex;
	}
	d->count = i;
	return 0;
}

static int do_nic(struct driver *d, struct request *q)
{
	struct kho_nic nic;
	int r;

	r = kho_nic_find("/sys", &d->function, &nic, &q->err);
	if (r < 0)
		return r;
	snprintf(q->answer, TEXT_MAX, "%s %s", nic.name, nic.carrier ? "carrier" : "-");
	return 0;
}

static int do_hold(struct driver *d, struct request *q)
{
	kho_hold_free(d->hold);
	d->hold = NULL;
	return kho_hold_start(d->services, d->count, &d->hold, &q->err);
}

static int do_mute(struct driver *d, struct request *q)
{
	return kho_hold_mute(d->hold, true, &q->err);
}

static int do_local(struct driver *d, struct request *q)
{
	return kho_hold_release_local(d->hold, &q->err);
}

static int do_stop(struct driver *d, struct request *q)
{
	return kho_hold_stop(d->hold, &q->err);
}

static int show(const struct kho_hold_stats *stats, struct request *q)
{
	snprintf(q->answer, TEXT_MAX, "%llu %llu %llu", (unsigned long long)stats->held,
		 (unsigned long long)stats->released, (unsigned long long)stats->dropped);
	return 0;
}

static int do_stats(struct driver *d, struct request *q)
{
	struct kho_hold_stats stats;
	int r = kho_hold_stats(d->hold, &stats, &q->err);

	return r < 0 ? r : show(&stats, q);
}

/* What is held is read for so long, and released. */
static int wait_and_release(struct driver *d, uint32_t ms, struct request *q)
{
	uint64_t begin = now_ms(), end = begin + ms;
	int r = kho_hold_mute(d->hold, true, &q->err);

	while (r >= 0 && now_ms() < end) {
		struct pollfd p = { .fd = kho_hold_fd(d->hold), .events = POLLIN };

		if (poll(&p, 1, (int)(end - now_ms()) + 1) > 0)
			r = kho_hold_process(d->hold, &q->err);
	}
	if (r >= 0)
		r = kho_hold_release_local(d->hold, &q->err);
	snprintf(q->answer, TEXT_MAX, "%llu", (unsigned long long)(now_ms() - begin));
	return r;
}

static int do_window(struct driver *d, struct request *q)
{
	uint32_t ms;
	int r = kho_parse_u32(q->words[1] ? q->words[1] : "", &ms, &q->err);

	if (r >= 0)
		r = do_hold(d, q);
	return r < 0 ? r : wait_and_release(d, ms, q);
}

/* The same hold once more. */
static int do_again(struct driver *d, struct request *q)
{
	uint32_t ms;
	int r = kho_parse_u32(q->words[1] ? q->words[1] : "", &ms, &q->err);

	if (r >= 0)
		r = kho_hold_begin(d->hold, &q->err);
	return r < 0 ? r : wait_and_release(d, ms, q);
}

static int do_add(struct driver *d, struct request *q)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < d->count; i++)
		r = kho_address_add(&d->services[i], &q->err);
	return r;
}

static int do_leftovers(struct driver *d, struct request *q)
{
	unsigned int flags;
	int r = kho_net_leftovers(&flags, &q->err);

	(void)d;
	if (r >= 0)
		snprintf(q->answer, TEXT_MAX, "%u", flags);
	return r;
}

static int do_clean(struct driver *d, struct request *q)
{
	uint32_t flags;
	int r = kho_parse_u32(q->words[1] ? q->words[1] : "", &flags, &q->err);

	(void)d;
	return r < 0 ? r : kho_net_clean(flags, &q->err);
}

static const struct command {
	const char *name;
	bool needs_hold;
	int (*run)(struct driver *d, struct request *q);
} commands[] = {
	{ "services", false, do_services }, { "nic", false, do_nic }, { "add", false, do_add },
	{ "hold", false, do_hold }, { "mute", true, do_mute }, { "local", true, do_local },
	{ "stop", true, do_stop }, { "stats", true, do_stats }, { "window", false, do_window },
	{ "again", true, do_again },
	{ "leftovers", false, do_leftovers }, { "clean", false, do_clean },
};

static int run(struct driver *d, struct request *q)
{
	const struct command *c;
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(commands); i++) {
		c = &commands[i];
		if (!q->words[0] || strcmp(c->name, q->words[0]) != 0)
			continue;
		if (c->needs_hold && !d->hold)
			return kho_fail(&q->err, -EINVAL, "not started");
		return c->run(d, q);
	}
	return kho_fail(&q->err, -EINVAL, "no such command");
}

static void answer(struct driver *d, int fd)
{
	struct request q = { .words = { NULL } };
	char text[TEXT_MAX], reply[2 * TEXT_MAX], *rest;
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
	size_t i;
	int r;

	if (n <= 0)
		return;
	text[n] = '\0';
	q.words[0] = strtok_r(text, " ", &rest);
	for (i = 1; i < WORDS_MAX && q.words[i - 1]; i++)
		q.words[i] = strtok_r(NULL, " ", &rest);
	r = run(d, &q);
	if (r < 0)
		n = snprintf(reply, sizeof(reply), "!%d %s", r, q.err.msg);
	else
		n = snprintf(reply, sizeof(reply), " %s", q.answer);
	(void)send(fd, reply, (size_t)n, MSG_NOSIGNAL);
}

static int connection(bool serve)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "\0kho-lab-net" };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int r;

	if (serve)
		r = bind(fd, (void *)&address, sizeof(address)) < 0 ? -1 : listen(fd, 4);
	else
		r = connect(fd, (void *)&address, sizeof(address));
	if (r < 0)
		perror("lab-net");
	return r < 0 ? -1 : fd;
}

static int serve(void)
{
	struct driver d = { .count = 0 };
	int listener = connection(true), fd;

	if (listener < 0)
		return 1;
	for (;;) {
		struct pollfd p[] = {
			{ .fd = listener, .events = POLLIN },
			{ .fd = d.hold ? kho_hold_fd(d.hold) : -1, .events = POLLIN },
		};

		poll(p, KHO_ARRAY_SIZE(p), -1);
		if (p[1].revents)
			(void)kho_hold_process(d.hold, NULL);
		if (!p[0].revents)
			continue;
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		answer(&d, fd);
		close(fd);
	}
}

static int ask(char **words)
{
	char text[TEXT_MAX] = "", reply[2 * TEXT_MAX];
	size_t used = 0;
	ssize_t n;
	int fd = connection(false);

	if (fd < 0)
		return 1;
	for (; *words && used < sizeof(text); words++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s ", *words);
	if (send(fd, text, strlen(text), 0) < 0)
		return 1;
	n = recv(fd, reply, sizeof(reply) - 1, 0);
	if (n <= 0)
		return 1;
	reply[n] = '\0';
	printf("%s\n", reply + 1);
	return reply[0] == '!' ? 2 : 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc >= 2 && strcmp(argv[1], "serve") == 0)
		return serve();
	if (argc >= 3 && strcmp(argv[1], "ask") == 0)
		return ask(argv + 2);
	fprintf(stderr, "lab-net serve | lab-net ask COMMAND [WORD...]\n");
	return 1;
}
