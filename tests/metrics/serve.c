// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serves by HTTP what an agent in the middle of a move shows (tests/unit/fake_metrics.c), for
 * a real Prometheus, and its status page, for a browser: the code that renders, negotiates
 * and serves is the agent's own.
 *
 *	serve ADDRESS:PORT		until it's killed
 *	serve --text|--openmetrics	prints it
 *
 * Each scrape has some more messages on the channel, as they'd be in a move; and each second
 * the page's followers are told of one more round.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "http/http.h"
#include "tests/unit/fake_metrics.h"
#include "timeline/timeline.h"
#include "view/html.h"

#define SECOND_USEC	1000000u
struct server {
	struct kho_past past;
	struct kho_metrics metrics;
	struct kho_http *http;
	unsigned int rounds;		/* that its followers were told of */
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000;
}

static void give(struct kho_http_answer *answer, const char *type, char *body)
{
	if (!body)
		return;
	answer->status = 200;
	answer->type = type;
	answer->body = body;
	answer->size = strlen(body);
}

static char *metrics(struct server *server, enum kho_metrics_format format)
{
	char *text = NULL;

	(void)kho_metrics_render(&server->metrics, format, &text);
	server->metrics.session.stats.messages_in += 10;
	server->metrics.session.stats.bytes_in += 900;
	return text;
}

static char *page(void)
{
	_cleanup_variant_ sd_json_variant *state = fake_entry("state.json"), *list = NULL;
	_cleanup_variant_ sd_json_variant *one = fake_entry("committed.json");
	_cleanup_variant_ sd_json_variant *other = fake_entry("rolled-back.json");
	char *html = NULL;

	if (sd_json_variant_append_array(&list, one) >= 0 &&
	    sd_json_variant_append_array(&list, other) >= 0)
		(void)kho_html_page(state, list, &html);
	return html;
}

/* The state, with @rounds of the first workload and a line about the last one. */
static char *event(unsigned int rounds)
{
	_cleanup_variant_ sd_json_variant *state = fake_entry("state.json"), *log = NULL, *line = NULL;
	char text[32], *event = NULL;

	snprintf(text, sizeof(text), "redis: round %u", rounds);
	if (!rounds ||
	    (sd_json_buildo(&line, SD_JSON_BUILD_PAIR_UNSIGNED("ms", now_ms()),
			    SD_JSON_BUILD_PAIR_STRING("text", text)) >= 0 &&
	     sd_json_variant_append_array(&log, line) >= 0 &&
	     sd_json_variant_set_field(&state, "log", log) >= 0 &&
	     sd_json_variant_set_field_unsigned(&state, "onlineCpus", rounds) >= 0))
		(void)kho_html_event(state, &event);
	return event;
}

static char *picture(void)
{
	static struct kho_timeline timeline;
	_cleanup_variant_ sd_json_variant *entry = fake_entry("committed.json");
	char *svg = NULL;

	if (kho_timeline_parse(entry, NULL, &timeline, NULL) >= 0)
		(void)kho_timeline_draw(&timeline, &svg);
	return svg;
}

static void get(void *ctx, const struct kho_http_request *request, struct kho_http_answer *ret)
{
	enum kho_metrics_format format = kho_metrics_negotiate(request->accept);
	struct server *server = ctx;

	if (strcmp(request->path, "/metrics") == 0)
		give(ret, kho_metrics_content_type(format), metrics(server, format));
	else if (strcmp(request->path, "/") == 0)
		give(ret, "text/html; charset=utf-8", page());
	else if (strcmp(request->path, "/page.js") == 0)
		give(ret, "text/javascript; charset=utf-8", strdup(kho_page_js));
	else if (strcmp(request->path, "/page.css") == 0)
		give(ret, "text/css; charset=utf-8", strdup(kho_page_css));
	else if (strncmp(request->path, "/upgrade/", 9) == 0)
		give(ret, "image/svg+xml", picture());
	else if (strcmp(request->path, "/events") == 0)
		give(ret, "text/event-stream", event(server->rounds));
	ret->stream = strcmp(request->path, "/events") == 0;
}

static int on_second(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct server *server = userdata;
	_cleanup_free_ char *text = event(++server->rounds);

	(void)usec;
	if (text)
		kho_http_tell(server->http, text, strlen(text));
	sd_event_source_set_time_relative(source, SECOND_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int print(struct server *server, enum kho_metrics_format format)
{
	char *text;

	if (kho_metrics_render(&server->metrics, format, &text) < 0)
		return 1;
	fputs(text, stdout);
	free(text);
	return 0;
}

static int serve(struct server *server, const char *address)
{
	static const struct kho_http_ops ops = { .get = get };
	struct kho_listen listen;
	struct kho_err err;
	sd_event *event;
	int r = kho_listen_parse(address, &listen, &err);

	if (r >= 0 && sd_event_new(&event) < 0)
		return 1;
	if (r >= 0)
		r = kho_http_new(event, &listen, &ops, server, &server->http, &err);
	if (r < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	return sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, SECOND_USEC, 0, on_second,
					  server) < 0 || sd_event_loop(event) < 0;
}

int main(int argc, char **argv)
{
	static struct server server;

	if (argc != 2)
		return 2;
	server.metrics = fake_moving(&server.past, now_ms());
	if (strcmp(argv[1], "--text") == 0)
		return print(&server, KHO_METRICS_TEXT);
	if (strcmp(argv[1], "--openmetrics") == 0)
		return print(&server, KHO_METRICS_OPENMETRICS);
	return serve(&server, argv[1]);
}
