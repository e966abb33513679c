// SPDX-License-Identifier: GPL-2.0-only
/*
 * zoo tree N: a tree of processes. Each has a link to its parent: two pipes, or for
 * every tenth a terminal that controls a session of its own. A question goes down all
 * links, and the answer up again is how many processes are below, and a sum of their
 * numbers and PIDs as they were in the beginning. One round is always under way.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "zoo.h"

#define CHILDREN	2u

struct link {
	int in, out;
};

struct node {
	unsigned int number, of;
	pid_t pid, parent, session;
	unsigned int nr;		/* of children */
	struct link up, down[CHILDREN];
};

static struct node me;
static uint64_t known_sum;

/* ---- lines over links ---- */

static void say(const struct link *link, const char *line)
{
	need((int)write(link->out, line, strlen(line)), "link");
}

static int hear(const struct link *link, char *ret, size_t size)
{
	size_t used = 0;

	while (used + 1 < size && read(link->in, ret + used, 1) == 1)
		if (ret[used++] == '\n') {
			ret[used] = '\0';
			return 0;
		}
	return -1;
}

/* ---- growing ---- */

static int has_terminal(unsigned int number)
{
	return number % 10 == 5;
}

static void open_terminal(struct link *down, struct link *up)
{
	struct termios how;
	int master = need(posix_openpt(O_RDWR | O_NOCTTY), "pty"), slave;

	need(grantpt(master), "pty");
	need(unlockpt(master), "pty");
	slave = need(open(ptsname(master), O_RDWR | O_NOCTTY), "pty");
	need(tcgetattr(slave, &how), "termios");
	cfmakeraw(&how);
	need(tcsetattr(slave, TCSANOW, &how), "termios");
	*down = (struct link){ master, master };
	*up = (struct link){ slave, slave };
}

static void open_pipes(struct link *down, struct link *up)
{
	int there[2], back[2];

	need(pipe(there), "pipe");
	need(pipe(back), "pipe");
	*down = (struct link){ back[0], there[1] };
	*up = (struct link){ there[0], back[1] };
}

static void close_link(const struct link *link)
{
	close(link->in);
	if (link->out != link->in)
		close(link->out);
}

static void settle(unsigned int number, const struct link *up)
{
	for (unsigned int i = 0; i < me.nr; i++)
		close_link(&me.down[i]);
	if (me.number)
		close_link(&me.up);
	me.number = number;
	me.nr = 0;
	me.up = *up;
	if (has_terminal(number)) {
		need(setsid(), "session");
		need(ioctl(up->in, TIOCSCTTY, 0), "controlling terminal");
	}
}

static void grow(void)
{
	unsigned int next;

	me.pid = getpid();
	me.parent = getppid();
	me.session = getsid(0);
	for (next = me.number * CHILDREN + 1; next <= me.number * CHILDREN + CHILDREN; next++) {
		struct link up;
		pid_t pid;

		if (next >= me.of)
			continue;
		if (has_terminal(next))
			open_terminal(&me.down[me.nr], &up);
		else
			open_pipes(&me.down[me.nr], &up);
		pid = need(fork(), "fork");
		if (pid == 0) {
			close_link(&me.down[me.nr]);
			settle(next, &up);
			grow();
			return;
		}
		close_link(&up);
		me.nr++;
	}
}

/* ---- rounds ---- */

static int is_well(void)
{
	if (me.pid != getpid() || me.session != getsid(0))
		return 0;
	if (me.number && me.parent != getppid())
		return 0;
	return !has_terminal(me.number) || tcgetsid(me.up.in) == me.session;
}

static void ask_below(const char *line)
{
	for (unsigned int i = 0; i < me.nr; i++)
		say(&me.down[i], line);
}

static void gather(char *ret, size_t size)
{
	unsigned int count = is_well() ? 1 : 0, more;
	unsigned long long sum = me.number * 1000003ull + (unsigned long long)me.pid, of_child;
	char line[64];

	for (unsigned int i = 0; i < me.nr; i++) {
		if (hear(&me.down[i], line, sizeof(line)) < 0 ||
		    sscanf(line, "%u %llu", &more, &of_child) != 2)
			continue;
		count += more;
		sum += of_child;
	}
	snprintf(ret, size, "%u %llu\n", count, sum);
}

static void __attribute__((noreturn)) run_below(void)
{
	char line[64];

	while (hear(&me.up, line, sizeof(line)) == 0) {
		ask_below(line);
		gather(line, sizeof(line));
		say(&me.up, line);
	}
	_exit(0);
}

static void answer(const char *words, char *ret, size_t size)
{
	unsigned int count = 0;
	unsigned long long sum = 0;
	char line[64];

	(void)words;
	gather(line, sizeof(line));
	sscanf(line, "%u %llu", &count, &sum);
	if (!known_sum)
		known_sum = sum;
	if (count == me.of && sum == known_sum)
		snprintf(ret, size, "ok %u\n", count);
	else
		snprintf(ret, size, "tree: %u of %u processes are well, sum %llu, not %llu\n", count,
			 me.of, sum, (unsigned long long)known_sum);
	ask_below("?\n");
}

void zoo_tree(unsigned int processes)
{
	struct pollfd asked = { .events = POLLIN };

	me.of = processes;
	signal(SIGHUP, SIG_IGN);
	grow();
	if (me.number)
		run_below();
	ask_below("?\n");
	asked.fd = zoo_listen();
	for (;;)
		if (poll(&asked, 1, -1) == 1)
			zoo_serve(asked.fd, answer);
}
