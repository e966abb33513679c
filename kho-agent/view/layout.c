// SPDX-License-Identifier: GPL-2.0-only
/* The screen of khoctl watch; layout.h has it. */
#include <stdarg.h>
#include <string.h>

#include "base/bits.h"
#include "view/layout.h"

#define ROOMY		16u		/* rows from which on parts are set apart */
#define LOG_LEAST	3u		/* lines that workloads leave to it, if they can */

/* Where the next thing goes. */
struct pen {
	struct kho_screen *screen;
	unsigned int y, x;
};

static void put(struct pen *pen, enum kho_attr attr, const char *text)
{
	struct kho_screen *s = pen->screen;

	for (; *text && pen->y < s->height && pen->x < s->width; text++) {
		s->text[pen->y][pen->x] = *text;
		s->attr[pen->y][pen->x++] = (unsigned char)attr;
	}
}

__attribute__((format(printf, 3, 4)))
static void putf(struct pen *pen, enum kho_attr attr, const char *fmt, ...)
{
	char text[KHO_SCREEN_WIDTH + 1];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	put(pen, attr, text);
}

static void next_line(struct pen *pen)
{
	pen->y++;
	pen->x = 1;
}

static void gap(struct pen *pen)
{
	if (pen->screen->height >= ROOMY)
		next_line(pen);
}

static void clear(struct kho_screen *s)
{
	if (s->width > KHO_SCREEN_WIDTH)
		s->width = KHO_SCREEN_WIDTH;
	if (s->height > KHO_SCREEN_HEIGHT)
		s->height = KHO_SCREEN_HEIGHT;
	for (unsigned int y = 0; y < s->height; y++) {
		memset(s->text[y], ' ', s->width);
		s->text[y][s->width] = '\0';
		memset(s->attr[y], KHO_ATTR_PLAIN, s->width);
	}
}

/* ---- the head ---- */

static void state_text(const struct kho_view *view, uint64_t age_ms, char *ret, size_t size)
{
	uint64_t left = view->soak_left_ms > age_ms ? view->soak_left_ms - age_ms : 0;

	if (!view->known)
		snprintf(ret, size, "waiting for the agent");
	else if (!view->upgrade)
		snprintf(ret, size, "%s", view->phase);
	else if (view->held)
		snprintf(ret, size, "%s, held", view->state);
	else if (view->soak_left_ms)
		snprintf(ret, size, "%s, %u s left", view->state, (unsigned int)((left + 999) / 1000));
	else
		snprintf(ret, size, "%s", view->state);
}

static void put_title(struct pen *pen, const struct kho_view *view, uint64_t age_ms)
{
	struct kho_screen *s = pen->screen;
	char state[64];
	size_t len;

	state_text(view, age_ms, state, sizeof(state));
	len = strlen(state);
	putf(pen, KHO_ATTR_TITLE, "%s%s%s", view->release, *view->peer ? " -> " : "", view->peer);
	/* the state matters more than the kernels' whole names */
	pen->x = s->width > len + 1 ? s->width - (unsigned int)len - 1 : 0;
	if (pen->x)
		s->text[pen->y][pen->x - 1] = ' ';
	put(pen, KHO_ATTR_TITLE, state);
	memset(s->attr[pen->y], KHO_ATTR_TITLE, s->width);
	next_line(pen);
}

static void put_phases(struct pen *pen, const char *const *names, size_t nr, const char *current)
{
	bool passed = false;

	for (size_t i = 0; i < nr; i++)
		passed = passed || strcmp(names[i], current) == 0;
	for (size_t i = 0; i < nr; i++) {
		bool is_current = strcmp(names[i], current) == 0;

		passed = passed && !is_current;
		putf(pen, is_current ? KHO_ATTR_CURRENT : passed ? KHO_ATTR_GOOD : KHO_ATTR_DIM,
		     is_current ? "[%s]" : "%s", names[i]);
		pen->x += 2;
	}
	next_line(pen);
}

/* An upgrade's states, or the agent's phases where single commands are given. */
static void put_states(struct pen *pen, const struct kho_view *view)
{
	static const char *const forward[] = { "check", "spawn", "move", "soak", "retire" };
	static const char *const back[] = { "check", "spawn", "move", "rollback", "reclaim" };
	static const char *const phases[] = { "idle", "reserve", "spawn", "sync", "soak", "retire" };
	static const char *const by_kexec[] = { "restore", "idle" };
	bool undone = strcmp(view->state, "rollback") == 0 || strcmp(view->state, "reclaim") == 0;

	if (strcmp(view->phase, by_kexec[0]) == 0)
		put_phases(pen, by_kexec, KHO_ARRAY_SIZE(by_kexec), view->phase);
	else if (!view->upgrade)
		put_phases(pen, phases, KHO_ARRAY_SIZE(phases), view->phase);
	else
		put_phases(pen, undone ? back : forward, KHO_ARRAY_SIZE(forward), view->state);
}

static void put_line(struct pen *pen, enum kho_attr attr, const char *before, const char *text)
{
	put(pen, attr, before);
	put(pen, attr, text);
	next_line(pen);
}

static void put_head(struct pen *pen, const struct kho_view *view, uint64_t age_ms)
{
	put_title(pen, view, age_ms);
	gap(pen);
	put_states(pen, view);
	if (view->upgrade)
		put_line(pen, KHO_ATTR_DIM, "image: ", view->image);
	if (*view->move.state) {
		putf(pen, KHO_ATTR_PLAIN, "move: %s (%s), %s", view->move.step, view->move.phase,
		     view->move.state);
		next_line(pen);
	}
	if (view->upgrade && *view->trouble)
		put_line(pen, KHO_ATTR_BAD, "trouble: ", view->trouble);
	else if (*view->message)
		put_line(pen, KHO_ATTR_BAD, "last: ", view->message);
}

/* ---- workloads ---- */

enum column { NAME, STATE, ROUNDS, MEMORY, DIRTY, PREDICTED, BLACKOUT, _COLUMN_MAX };

static const struct {
	const char *title;
	int width;			/* negative: to the left */
	unsigned int from;		/* width of the screen from which on it's shown */
} columns[_COLUMN_MAX] = {
	[NAME] = { "WORKLOAD", -16, 0 },
	[STATE] = { "STATE", -10, 0 },
	[ROUNDS] = { "ROUNDS", 7, 58 },
	[MEMORY] = { "MEMORY", 9, 79 },
	[DIRTY] = { "DIRTY/s", 10, 69 },
	[PREDICTED] = { "PREDICTED", 10, 51 },
	[BLACKOUT] = { "BLACKOUT", 10, 40 },
};

static void put_row(struct pen *pen, enum kho_attr attr, const char *cells[_COLUMN_MAX])
{
	for (unsigned int i = 0; i < _COLUMN_MAX; i++)
		if (pen->screen->width >= columns[i].from) {
			int wide = columns[i].width < 0 ? -columns[i].width : columns[i].width;

			putf(pen, attr, "%*.*s ", columns[i].width, wide, cells[i]);
		}
	next_line(pen);
}

static enum kho_attr attr_of(const char *state)
{
	static const struct {
		const char *state;
		enum kho_attr attr;
	} attrs[] = {
		{ "moved", KHO_ATTR_GOOD }, { "runs there", KHO_ATTR_GOOD },
		{ "restarted", KHO_ATTR_GOOD }, { "frozen", KHO_ATTR_WARN },
		{ "undoing", KHO_ATTR_BAD }, { "stayed", KHO_ATTR_BAD },
	};

	for (size_t i = 0; i < KHO_ARRAY_SIZE(attrs); i++)
		if (strcmp(attrs[i].state, state) == 0)
			return attrs[i].attr;
	return KHO_ATTR_PLAIN;
}

static void put_workload(struct pen *pen, const struct kho_progress_workload *w)
{
	char rounds[KHO_VIEW_UNIT], bytes[KHO_VIEW_UNIT], dirty[KHO_VIEW_UNIT];
	char predicted[KHO_VIEW_UNIT], frozen[KHO_VIEW_UNIT];
	const char *cells[_COLUMN_MAX] = {
		[NAME] = w->name, [STATE] = w->state, [ROUNDS] = rounds, [MEMORY] = bytes,
		[DIRTY] = dirty, [PREDICTED] = predicted, [BLACKOUT] = frozen,
	};

	snprintf(rounds, sizeof(rounds), "%u", w->rounds);
	kho_view_bytes(w->bytes, "", bytes);
	kho_view_bytes(w->dirty_per_sec, "/s", dirty);
	kho_view_ms(w->predicted_ms, predicted);
	kho_view_ms(w->frozen_ms, frozen);
	put_row(pen, attr_of(w->state), cells);
}

/* @rows are left for them, their head included. */
static void put_workloads(struct pen *pen, const struct kho_progress *move, unsigned int rows)
{
	const char *titles[_COLUMN_MAX];
	unsigned int shown = move->nr;

	if (!move->nr || rows < 2)
		return;
	for (unsigned int i = 0; i < _COLUMN_MAX; i++)
		titles[i] = columns[i].title;
	put_row(pen, KHO_ATTR_HEAD, titles);
	if (shown > rows - 1)
		shown = rows - 2;
	for (unsigned int i = 0; i < shown; i++)
		put_workload(pen, &move->workloads[i]);
	if (shown < move->nr) {
		putf(pen, KHO_ATTR_DIM, "and %u more", move->nr - shown);
		next_line(pen);
	}
}

/* ---- the log ---- */

static void put_log(struct pen *pen, const struct kho_view *view, unsigned int rows)
{
	unsigned int kept = view->nr_log < KHO_VIEW_LINES ? view->nr_log : KHO_VIEW_LINES;
	char time[KHO_VIEW_UNIT];

	if (rows > kept)
		rows = kept;
	for (unsigned int n = view->nr_log - rows; n < view->nr_log; n++) {
		const struct kho_view_line *line = &view->log[n % KHO_VIEW_LINES];

		kho_view_time(line->ms, time);
		putf(pen, KHO_ATTR_DIM, "%s ", time);
		put(pen, KHO_ATTR_PLAIN, line->text);
		next_line(pen);
	}
}

static unsigned int rows_left(const struct pen *pen, unsigned int kept)
{
	return pen->screen->height > pen->y + kept ? pen->screen->height - pen->y - kept : 0;
}

void kho_layout(const struct kho_view *view, uint64_t age_ms, struct kho_screen *ret)
{
	struct pen pen = { .screen = ret, .x = 1 };

	clear(ret);
	if (!ret->width || !ret->height)
		return;
	put_head(&pen, view, age_ms);
	gap(&pen);
	put_workloads(&pen, &view->move,
		      rows_left(&pen, ret->height >= ROOMY ? LOG_LEAST + 2 : 1));
	gap(&pen);
	put_log(&pen, view, rows_left(&pen, 1));
	if (ret->height < 2)
		return;
	pen.y = ret->height - 1;
	pen.x = 1;
	memset(ret->text[pen.y], ' ', ret->width);
	memset(ret->attr[pen.y], KHO_ATTR_PLAIN, ret->width);
	put(&pen, KHO_ATTR_DIM, "q quits; what's under way goes on");
}
