// SPDX-License-Identifier: GPL-2.0-only
/* What's served by HTTP. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/history.h"
#include "agent/page.h"
#include "agent/publish.h"
#include "agent/watch.h"
#include "base/cleanup.h"
#include "http/http.h"
#include "metrics/metrics.h"
#include "timeline/timeline.h"
#include "view/html.h"

#define PICTURES	"/upgrade/"
#define SVG		".svg"

struct kho_page {
	struct kho_agent *agent;
	struct kho_http *http;
};

static void give(struct kho_http_answer *answer, const char *type, char *body)
{
	answer->status = 200;
	answer->type = type;
	answer->body = body;
	answer->size = strlen(body);
}

static void get_metrics(struct kho_page *page, const struct kho_http_request *request,
			struct kho_http_answer *ret)
{
	enum kho_metrics_format format = kho_metrics_negotiate(request->accept);
	struct kho_err err;
	char *text;

	if (kho_publish_text(page->agent, format, &text, &err) < 0)
		ret->status = 503;
	else
		give(ret, kho_metrics_content_type(format), text);
}

static void get_page(struct kho_page *page, const struct kho_http_request *request,
		     struct kho_http_answer *ret)
{
	_cleanup_variant_ sd_json_variant *state = NULL, *history = NULL;
	char *html;

	(void)request;
	/* what there isn't isn't on it */
	(void)kho_history_list(&history, NULL);
	if (kho_watch_now(page->agent, &state) < 0 || kho_html_page(state, history, &html) < 0)
		ret->status = 503;
	else
		give(ret, "text/html; charset=utf-8", html);
}

static void get_events(struct kho_page *page, const struct kho_http_request *request,
		       struct kho_http_answer *ret)
{
	_cleanup_variant_ sd_json_variant *state = NULL;
	char *event;

	(void)request;
	if (kho_watch_now(page->agent, &state) < 0 || kho_html_event(state, &event) < 0) {
		ret->status = 503;
		return;
	}
	give(ret, "text/event-stream", event);
	ret->stream = true;
}

static void give_copy(struct kho_http_answer *ret, const char *type, const char *text)
{
	char *body = strdup(text);

	if (body)
		give(ret, type, body);
	else
		ret->status = 503;
}

static void get_script(struct kho_page *page, const struct kho_http_request *request,
		       struct kho_http_answer *ret)
{
	(void)page;
	(void)request;
	give_copy(ret, "text/javascript; charset=utf-8", kho_page_js);
}

static void get_style(struct kho_page *page, const struct kho_http_request *request,
		      struct kho_http_answer *ret)
{
	(void)page;
	(void)request;
	give_copy(ret, "text/css; charset=utf-8", kho_page_css);
}

/* /upgrade/ID.svg, of an id in full. */
static void get_picture(struct kho_page *page, const struct kho_http_request *request,
			struct kho_http_answer *ret)
{
	_cleanup_free_ struct kho_timeline *timeline = calloc(1, sizeof(*timeline));
	_cleanup_variant_ sd_json_variant *entry = NULL;
	const char *name = request->path + strlen(PICTURES);
	uint8_t uuid[KHO_UUID_SIZE];
	char id[KHO_UUID_TEXT], *svg;

	(void)page;
	if (strlen(name) != sizeof(id) - 1 + strlen(SVG) || strcmp(name + sizeof(id) - 1, SVG) != 0)
		return;
	snprintf(id, sizeof(id), "%.*s", (int)sizeof(id) - 1, name);
	if (kho_parse_uuid(id, uuid, NULL) < 0 || kho_history_read(id, &entry, NULL) < 0)
		return;
	if (!timeline || kho_timeline_parse(entry, NULL, timeline, NULL) < 0 ||
	    kho_timeline_draw(timeline, &svg) < 0)
		ret->status = 503;
	else
		give(ret, "image/svg+xml", svg);
}

static const struct {
	const char *path;
	bool prefix;			/* of all that begins so */
	void (*get)(struct kho_page *page, const struct kho_http_request *request,
		    struct kho_http_answer *ret);
} paths[] = {
	{ "/metrics", false, get_metrics },
	{ "/", false, get_page },
	{ "/events", false, get_events },
	{ "/page.js", false, get_script },
	{ "/page.css", false, get_style },
	{ PICTURES, true, get_picture },
};

static void get(void *ctx, const struct kho_http_request *request, struct kho_http_answer *ret)
{
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (paths[i].prefix ?
		    strncmp(request->path, paths[i].path, strlen(paths[i].path)) == 0 :
		    strcmp(request->path, paths[i].path) == 0)
			paths[i].get(ctx, request, ret);
}

static void on_told(void *ctx, sd_json_variant *state)
{
	struct kho_page *page = ctx;
	_cleanup_free_ char *event = NULL;

	if (kho_html_event(state, &event) >= 0)
		kho_http_tell(page->http, event, strlen(event));
}

/* While nobody reads, nothing is told, nor looked for. */
static void on_streams(void *ctx, unsigned int nr)
{
	struct kho_page *page = ctx;

	kho_watch_listen(page->agent, nr ? on_told : NULL, page);
}

static const struct kho_http_ops ops = { .get = get, .streams = on_streams };

int kho_page_new(struct kho_agent *agent, const char *listen, struct kho_page **ret,
		 struct kho_err *err)
{
	struct kho_listen addresses;
	struct kho_page *page;
	int r = kho_listen_parse(listen, &addresses, err);

	*ret = NULL;
	if (r < 0 || !addresses.nr)
		return r;
	page = calloc(1, sizeof(*page));
	if (!page)
		return kho_fail(err, -ENOMEM, "no memory to serve HTTP");
	page->agent = agent;
	r = kho_http_new(agent->event, &addresses, &ops, page, &page->http, err);
	if (r < 0)
		kho_page_free(page);
	else
		*ret = page;
	return r;
}

struct kho_page *kho_page_free(struct kho_page *page)
{
	if (!page)
		return NULL;
	kho_http_free(page->http);
	free(page);
	return NULL;
}
