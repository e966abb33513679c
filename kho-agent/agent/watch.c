// SPDX-License-Identifier: GPL-2.0-only
/* Status that goes on; watch.h has the idea. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api_calls.h"
#include "agent/api_status.h"
#include "agent/session.h"
#include "agent/upgrade_run.h"
#include "agent/watch.h"
#include "api/feed.h"
#include "api/progress.h"
#include "base/cleanup.h"
#include "base/now.h"
#include "channel/hello.h"

#define LOG_LINES	32u
#define LOG_TEXT	256u
#define TICK_NS		1000000000ull
#define RETRY_USEC	200000u

struct line {
	uint64_t ms;			/* since 1970 */
	char text[LOG_TEXT];
};

/* Zeroed before it's filled in: it's compared by memcmp(). */
struct state {
	struct kho_progress progress;
	enum kho_phase phase;
	bool new_owns, connected;
	uint32_t peer;			/* enum mk_state */
	enum kho_upgrade_state upgrade;
	bool held, aborting;
	int last;			/* code of the last command's end */
	uint64_t tick;
};

struct kho_watch {
	struct kho_agent *agent;
	struct kho_feed feed;
	struct state told;
	struct line lines[LOG_LINES];	/* line n is in lines[n % LOG_LINES] */
	uint64_t nr_lines, nr_told;
	sd_event_source *post, *retry;
	kho_watch_fn listener;		/* NULL: none */
	void *listener_ctx;
};

/* ---- what there is to tell ---- */

static bool is_over(const struct kho_agent *agent)
{
	return !agent->upgrade && !agent->mover && !agent->waiter &&
	       (agent->phase == KHO_PHASE_IDLE || agent->phase == KHO_PHASE_SYNC);
}

static void look(struct kho_watch *watch, struct state *ret)
{
	struct kho_agent *agent = watch->agent;
	const struct kho_journal *journal = kho_upgrade_journal(agent);
	const struct kho_session *session = agent->session;

	memset(ret, 0, sizeof(*ret));
	/* of a move that's over the end is told, until the next one */
	memcpy(&ret->progress, &watch->told.progress, sizeof(ret->progress));
	if (agent->mover)
		kho_status_progress(agent->mover, &ret->progress);
	ret->phase = agent->phase;
	ret->new_owns = strcmp(kho_agent_phase_name(agent), "soak") == 0;
	ret->connected = session && kho_link_is_up(kho_channel_link(session->channel));
	ret->peer = session ? session->peer->state : 0;
	if (journal) {
		ret->upgrade = journal->upgrade.state;
		ret->held = journal->upgrade.hold || journal->upgrade.held;
		ret->aborting = journal->upgrade.aborting;
	}
	ret->last = agent->last.code;
	ret->tick = agent->mover ? kho_now_ns() / TICK_NS : 0;
}

static int add_lines(const struct kho_watch *watch, uint64_t since, sd_json_variant **list)
{
	uint64_t kept = watch->nr_lines > LOG_LINES ? watch->nr_lines - LOG_LINES : 0;
	int r = sd_json_variant_new_array(list, NULL, 0);

	for (uint64_t n = since > kept ? since : kept; n < watch->nr_lines && r >= 0; n++) {
		const struct line *line = &watch->lines[n % LOG_LINES];
		_cleanup_variant_ sd_json_variant *v = NULL;

		r = sd_json_buildo(&v, SD_JSON_BUILD_PAIR_UNSIGNED("ms", line->ms),
				   SD_JSON_BUILD_PAIR_STRING("text", line->text));
		if (r >= 0)
			r = sd_json_variant_append_array(list, v);
	}
	return r;
}

/* All of @state, with lines from number @since on. */
static int build(const struct kho_watch *watch, const struct state *state, uint64_t since,
		 sd_json_variant **ret)
{
	_cleanup_variant_ sd_json_variant *v = NULL, *move = NULL, *lines = NULL;
	struct kho_err err;
	int r = kho_status_json(watch->agent, &v, &err);

	if (r >= 0)
		r = add_lines(watch, since, &lines);
	if (r >= 0)
		r = sd_json_variant_set_field(&v, "log", lines);
	if (r >= 0 && *state->progress.state)
		r = kho_progress_json(&state->progress, &move);
	if (r >= 0 && move)
		r = sd_json_variant_set_field(&v, "move", move);
	if (r >= 0)
		r = sd_json_variant_set_field_boolean(&v, "over", is_over(watch->agent));
	if (r >= 0)
		*ret = TAKE_PTR(v);
	return r;
}

/* ---- telling ---- */

static void tell(struct kho_watch *watch, const struct state *state)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	uint64_t since = watch->nr_told;

	watch->told = *state;
	watch->nr_told = watch->nr_lines;
	if (build(watch, state, since, &v) < 0)
		return;
	if (watch->listener)
		watch->listener(watch->listener_ctx, v);
	if (is_over(watch->agent))
		kho_feed_push_over(&watch->feed, v);
	else
		kho_feed_push(&watch->feed, v);
}

static void look_and_tell(struct kho_watch *watch)
{
	struct state now;

	if (!watch->feed.nr && !watch->listener)
		return;
	look(watch, &now);
	if (memcmp(&now, &watch->told, sizeof(now)) != 0 || watch->nr_told != watch->nr_lines)
		tell(watch, &now);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	/* on_turn() follows */
	(void)source;
	(void)usec;
	(void)userdata;
	return 0;
}

/* After each turn of the loop in which anything happened. */
static int on_turn(sd_event_source *source, void *userdata)
{
	struct kho_watch *watch = userdata;
	sd_event *event = sd_event_source_get_event(source);

	look_and_tell(watch);
	if (!watch->feed.nr && watch->retry)
		watch->retry = sd_event_source_disable_unref(watch->retry);
	if (watch->feed.nr && kho_feed_drain(&watch->feed)) {
		watch->retry = sd_event_source_disable_unref(watch->retry);
		sd_event_add_time_relative(event, &watch->retry, CLOCK_MONOTONIC, RETRY_USEC, 0,
					   on_retry, watch);
	}
	return 0;
}

void kho_watch_log(struct kho_agent *agent, const char *text)
{
	struct kho_watch *watch = agent->watch;
	struct line *line;

	if (!watch)
		return;
	line = &watch->lines[watch->nr_lines++ % LOG_LINES];
	line->ms = kho_now_ms(CLOCK_REALTIME);
	kho_text_clean(line->text, sizeof(line->text), text);
	/* what follows may take a while before the loop has its next turn */
	look_and_tell(watch);
}

void kho_watch_gone(struct kho_agent *agent, sd_varlink *link)
{
	if (agent->watch)
		kho_feed_gone(&agent->watch->feed, link);
}

int kho_watch_new(struct kho_agent *agent, struct kho_err *err)
{
	struct kho_watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return kho_fail(err, -ENOMEM, "no memory for the API");
	watch->agent = agent;
	agent->watch = watch;
	r = sd_event_add_post(agent->event, &watch->post, on_turn, watch);
	return r < 0 ? kho_fail_errno(err, r, "event loop") : 0;
}

void kho_watch_free(struct kho_agent *agent)
{
	struct kho_watch *watch = agent->watch;

	if (!watch)
		return;
	agent->watch = NULL;
	kho_feed_done(&watch->feed);
	sd_event_source_disable_unref(watch->retry);
	sd_event_source_disable_unref(watch->post);
	free(watch);
}

/* ---- whoever listens ---- */

/* For the first who wants to be told of changes: from what's so now. */
static void begin_telling(struct kho_watch *watch, const struct state *now)
{
	watch->told = *now;
	watch->nr_told = watch->nr_lines;
}

void kho_watch_listen(struct kho_agent *agent, kho_watch_fn listener, void *ctx)
{
	struct kho_watch *watch = agent->watch;
	struct state now;

	if (!watch)
		return;
	look(watch, &now);
	if (!watch->feed.nr && !watch->listener)
		begin_telling(watch, &now);
	watch->listener = listener;
	watch->listener_ctx = ctx;
}

int kho_watch_now(struct kho_agent *agent, sd_json_variant **ret)
{
	struct state now;

	if (!agent->watch)
		return -ENODATA;
	look(agent->watch, &now);
	return build(agent->watch, &now, 0, ret);
}

/* ---- the method ---- */

static const sd_json_dispatch_field status_fields[] = {
	{ "untilOver", SD_JSON_VARIANT_BOOLEAN, sd_json_dispatch_stdbool, 0, 0 },
	{}
};

static int begin(struct kho_watch *watch, sd_varlink *link, bool until_over)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	struct kho_err err;
	struct state now;
	int r;

	look(watch, &now);
	r = build(watch, &now, 0, &v);
	if (r < 0) {
		kho_fail_errno(&err, r, "the status");
		return kho_api_reply_error(link, &err);
	}
	if (until_over && is_over(watch->agent))
		return sd_varlink_reply(link, v);
	if (kho_feed_add(&watch->feed, link, until_over) < 0) {
		kho_fail(&err, -EBUSY, "%u clients watch already; end one", KHO_FEED_CLIENTS);
		return kho_api_reply_error(link, &err);
	}
	if (watch->feed.nr == 1 && !watch->listener)
		begin_telling(watch, &now);
	kho_feed_push_to(&watch->feed, link, v);
	return 0;
}

int kho_method_status(sd_varlink *link, sd_json_variant *parameters,
		      sd_varlink_method_flags_t flags, void *userdata)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	struct kho_agent *agent = userdata;
	bool until_over = false;
	struct kho_err err;
	int r = sd_varlink_dispatch(link, parameters, status_fields, &until_over);

	if (r != 0)
		return r;
	if (flags & SD_VARLINK_METHOD_MORE)
		return begin(agent->watch, link, until_over);
	if (kho_status_json(agent, &v, &err) < 0)
		return kho_api_reply_error(link, &err);
	return sd_varlink_reply(link, v);
}
