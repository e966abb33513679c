// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl watch on a terminal. Everything that's shown is laid out by view/layout.h; here
 * are the terminal, the keys and the connection, which is made anew while the agent is
 * started again.
 */
#include <errno.h>
#include <ncurses.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/cleanup.h"
#include "base/now.h"
#include "khoctl/watch.h"
#include "view/layout.h"

#define TICK_MS		1000

struct watch {
	struct kho_view view;
	struct kho_screen screen;
	uint64_t got_ms;		/* when the last message came */
	bool until_over;
	sd_varlink *link;		/* NULL: the agent isn't there */
	sd_json_variant *last;		/* the answer, or parameters of the error */
	char *error;			/* its id; NULL: none */
	bool done;
};

/* ---- the connection ---- */

static void lose(struct watch *watch)
{
	watch->link = sd_varlink_close_unref(watch->link);
	snprintf(watch->view.message, sizeof(watch->view.message),
		 "the agent doesn't answer; trying again");
	/* the first message of the next one has the lines that there were */
	watch->view.nr_log = 0;
}

static int on_reply(sd_varlink *link, sd_json_variant *parameters, const char *error_id,
		    sd_varlink_reply_flags_t flags, void *userdata)
{
	struct watch *watch = userdata;

	(void)link;
	if (error_id && strcmp(error_id, SD_VARLINK_ERROR_DISCONNECTED) == 0)
		return 0;
	if (error_id)
		watch->error = strdup(error_id);
	else
		kho_view_update(&watch->view, parameters);
	watch->got_ms = kho_now_ms(CLOCK_MONOTONIC);
	if (error_id || !(flags & SD_VARLINK_REPLY_CONTINUES)) {
		watch->done = true;
		watch->last = sd_json_variant_ref(parameters);
	}
	return 0;
}

static int ask(struct watch *watch)
{
	_cleanup_variant_ sd_json_variant *parameters = NULL;
	int r = kho_watch_parameters(watch->until_over, &parameters);

	sd_varlink_set_userdata(watch->link, watch);
	sd_varlink_set_relative_timeout(watch->link, UINT64_MAX);
	if (r >= 0)
		r = sd_varlink_bind_reply(watch->link, on_reply);
	return r < 0 ? r : sd_varlink_observe(watch->link, KHO_API_METHOD("Status"), parameters);
}

static void process(struct watch *watch)
{
	int r = 1;

	if (!watch->link && (sd_varlink_connect_address(&watch->link, arg_socket) < 0 ||
			     ask(watch) < 0)) {
		lose(watch);
		return;
	}
	while (r > 0 && !watch->done)
		r = sd_varlink_process(watch->link);
	if (r < 0)
		lose(watch);
}

/* ---- the terminal ---- */

static void init_colors(int attrs[_KHO_ATTR_MAX])
{
	static const struct {
		enum kho_attr attr;
		short color;
	} colors[] = {
		{ KHO_ATTR_GOOD, COLOR_GREEN },
		{ KHO_ATTR_WARN, COLOR_YELLOW },
		{ KHO_ATTR_BAD, COLOR_RED },
		{ KHO_ATTR_CURRENT, COLOR_CYAN },
	};
	const char *no_color = getenv("NO_COLOR");

	if ((no_color && *no_color) || !has_colors())
		return;
	start_color();
	use_default_colors();
	for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++) {
		init_pair((short)(i + 1), colors[i].color, -1);
		attrs[colors[i].attr] |= COLOR_PAIR(i + 1);
	}
}

static void draw_line(const struct kho_screen *s, unsigned int y, const int attrs[_KHO_ATTR_MAX])
{
	unsigned int end;

	for (unsigned int x = 0; x < s->width; x = end) {
		for (end = x + 1; end < s->width && s->attr[y][end] == s->attr[y][x];)
			end++;
		attrset(attrs[s->attr[y][x]]);
		mvaddnstr((int)y, (int)x, s->text[y] + x, (int)(end - x));
	}
}

static void draw(struct watch *watch, const int attrs[_KHO_ATTR_MAX])
{
	struct kho_screen *s = &watch->screen;

	s->width = (unsigned int)COLS;
	s->height = (unsigned int)LINES;
	kho_layout(&watch->view, kho_now_ms(CLOCK_MONOTONIC) - watch->got_ms, s);
	erase();
	for (unsigned int y = 0; y < s->height; y++)
		draw_line(s, y, attrs);
	refresh();
}

/* False: q. A new size of the terminal comes as a key, too, and draws anew. */
static bool read_keys(void)
{
	int key;

	while ((key = getch()) != ERR) {
		if (key == 'q' || key == 'Q')
			return false;
		if (key == 'L' - '@')
			clearok(curscr, TRUE);
	}
	return true;
}

/* False: the terminal is gone. */
static bool wait_for_any(const struct watch *watch)
{
	struct pollfd fds[2] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = -1 },
	};
	int events = watch->link ? sd_varlink_get_events(watch->link) : -1;

	if (events >= 0) {
		fds[1].fd = sd_varlink_get_fd(watch->link);
		fds[1].events = (short)events;
	}
	if (poll(fds, 2, TICK_MS) < 0 && errno != EINTR)
		return false;
	return !(fds[0].revents & (POLLHUP | POLLERR | POLLNVAL));
}

static void run(struct watch *watch)
{
	int attrs[_KHO_ATTR_MAX] = {
		[KHO_ATTR_TITLE] = A_REVERSE,
		[KHO_ATTR_HEAD] = A_BOLD,
		[KHO_ATTR_CURRENT] = A_BOLD,
		[KHO_ATTR_DIM] = A_DIM,
		[KHO_ATTR_WARN] = A_BOLD,
		[KHO_ATTR_BAD] = A_BOLD,
	};

	init_colors(attrs);
	cbreak();
	noecho();
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	curs_set(0);
	do {
		process(watch);
		draw(watch, attrs);
	} while (!watch->done && wait_for_any(watch) && read_keys());
}

static int outcome(struct watch *watch)
{
	if (watch->error)
		return kho_report_error(watch->error, watch->last);
	return watch->done ? kho_watch_outcome(watch->last) : KHO_EXIT_OK;
}

static int watch_on_terminal(struct watch *watch)
{
	/* while there's still a place to say why not */
	int r = kho_connect(&watch->link);
	SCREEN *screen;

	if (r != KHO_EXIT_OK)
		return r;
	screen = ask(watch) < 0 ? NULL : newterm(NULL, stdout, stdin);
	if (!screen)
		return -ENOTTY;
	run(watch);
	endwin();
	delscreen(screen);
	return outcome(watch);
}

int kho_watch_screen(bool until_over)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return KHO_EXIT_FAILED;
	watch->until_over = until_over;
	r = watch_on_terminal(watch);
	sd_varlink_close_unref(watch->link);
	sd_json_variant_unref(watch->last);
	free(watch->error);
	free(watch);
	return r;
}
