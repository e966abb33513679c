// SPDX-License-Identifier: GPL-2.0-only
/*
 * zoo clock: looks at its clocks all the time. CLOCK_MONOTONIC and CLOCK_BOOTTIME never
 * go back, and never jump by more than CLOCK_REALTIME does, which tells how long the
 * task stood still. Timers on both: periodic ones tick as often as their clock says,
 * absolute ones are never early, and late by no more than a pause.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "zoo.h"

#define NR		3
#define PERIOD_NS	20000000ull
#define AHEAD_NS	300000000ull
#define SLACK_NS	5000000ull
#define LOST_NS		5000000000ull
#define US		1000ull

static const int clocks[NR] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME };
static const char *const names[NR] = { "real", "mono", "boot" };

struct watch {
	uint64_t last[NR], longest[NR];
	uint64_t began;			/* of CLOCK_MONOTONIC, and of ticks */
	uint64_t ticks, last_tick, due, late;
	unsigned int moves;		/* each may shift the ticks by one */
	int periodic, absolute;
	char bad[256];
};

static struct watch w;

static void bad(const char *what, const char *clock, uint64_t a, uint64_t b)
{
	if (!*w.bad)
		snprintf(w.bad, sizeof(w.bad), "clock: %s of %s: %llu us, %llu us\n", what, clock,
			 (unsigned long long)(a / US), (unsigned long long)(b / US));
}

static void look_at_clocks(void)
{
	uint64_t now[NR], step[NR], at_most;

	for (int i = 0; i < NR; i++)
		now[i] = zoo_now_ns(clocks[i]);
	/* wherever this was interrupted: all three were read between these two */
	at_most = zoo_now_ns(CLOCK_REALTIME) - w.last[0];
	for (int i = 0; i < NR; i++) {
		if (now[i] < w.last[i] && i > 0)
			bad("a step back", names[i], w.last[i], now[i]);
		step[i] = now[i] > w.last[i] ? now[i] - w.last[i] : 0;
		if (step[i] > w.longest[i])
			w.longest[i] = step[i];
	}
	for (int i = 1; i < NR; i++)
		if (step[i] > at_most + SLACK_NS)
			bad("a jump", names[i], step[i], at_most);
	memcpy(w.last, now, sizeof(now));
}

static void set_absolute(void)
{
	struct itimerspec at = {};

	w.due = zoo_now_ns(CLOCK_BOOTTIME) + AHEAD_NS;
	at.it_value.tv_sec = (time_t)(w.due / 1000000000);
	at.it_value.tv_nsec = (long)(w.due % 1000000000);
	need(timerfd_settime(w.absolute, TFD_TIMER_ABSTIME, &at, NULL), "absolute timer");
}

/* Whichever of the two was looked at first, what the clock says may be more by a bit. */
static void look_at_ticks(void)
{
	uint64_t before = zoo_now_ns(CLOCK_MONOTONIC) - w.began, count, after;

	if (read(w.periodic, &count, sizeof(count)) != sizeof(count)) {
		if (before > w.last_tick + LOST_NS)
			bad("lost ticks", "mono", before, w.last_tick);
		return;
	}
	w.ticks += count;
	w.last_tick = after = zoo_now_ns(CLOCK_MONOTONIC) - w.began;
	if (w.ticks > after / PERIOD_NS + w.moves)
		bad("too many ticks", "mono", w.ticks * PERIOD_NS, after);
	if (w.ticks + 1 + w.moves < before / PERIOD_NS)
		bad("too few ticks", "mono", w.ticks * PERIOD_NS, before);
}

static void look_at_absolute(void)
{
	uint64_t count, now;

	if (read(w.absolute, &count, sizeof(count)) == sizeof(count)) {
		now = zoo_now_ns(CLOCK_BOOTTIME);
		if (now < w.due)
			bad("an early timer", "boot", now, w.due);
		else if (now - w.due > w.late)
			w.late = now - w.due;
		set_absolute();
	} else if (zoo_now_ns(CLOCK_BOOTTIME) > w.due + LOST_NS) {
		bad("a lost timer", "boot", zoo_now_ns(CLOCK_BOOTTIME), w.due);
	}
}

static void answer(const char *words, char *ret, size_t size)
{
	if (*w.bad)
		snprintf(ret, size, "%s", w.bad);
	else
		snprintf(ret, size, "ok longest real %llu mono %llu boot %llu us, %llu ticks, late "
			 "%llu us\n", (unsigned long long)(w.longest[0] / US),
			 (unsigned long long)(w.longest[1] / US),
			 (unsigned long long)(w.longest[2] / US), (unsigned long long)w.ticks,
			 (unsigned long long)(w.late / US));
	if (strcmp(words, "again") == 0) {
		w.moves++;
		memset(w.longest, 0, sizeof(w.longest));
		w.late = 0;
	}
}

void zoo_clock(void)
{
	const struct itimerspec often = { { 0, PERIOD_NS }, { 0, PERIOD_NS } };
	struct pollfd fds[NR] = {};

	w.periodic = need(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd");
	w.absolute = need(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd");
	fds[0] = (struct pollfd){ .fd = w.periodic, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = w.absolute, .events = POLLIN };
	fds[2] = (struct pollfd){ .fd = zoo_listen(), .events = POLLIN };
	w.began = zoo_now_ns(CLOCK_MONOTONIC);
	need(timerfd_settime(w.periodic, 0, &often, NULL), "periodic timer");
	set_absolute();
	for (int i = 0; i < NR; i++)
		w.last[i] = zoo_now_ns(clocks[i]);
	for (;;) {
		poll(fds, NR, 2);
		look_at_clocks();
		look_at_ticks();
		look_at_absolute();
		if (fds[2].revents)
			zoo_serve(fds[2].fd, answer);
	}
}
