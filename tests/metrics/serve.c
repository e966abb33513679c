// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serves by HTTP what an agent in the middle of a move shows (tests/unit/fake_metrics.c), for
 * a real Prometheus: the code that renders, negotiates and serves is the agent's own.
 *
 *	serve ADDRESS:PORT		until it's killed
 *	serve --text|--openmetrics	prints it
 *
 * Each scrape has some more messages on the channel, as they'd be in a move.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/http.h"
#include "tests/unit/fake_metrics.h"

struct server {
	struct kho_past past;
	struct kho_metrics metrics;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000;
}

static void get(void *ctx, const struct kho_http_request *request, struct kho_http_answer *ret)
{
	enum kho_metrics_format format = kho_metrics_negotiate(request->accept);
	struct server *server = ctx;

	if (strcmp(request->path, "/metrics") != 0 ||
	    kho_metrics_render(&server->metrics, format, &ret->body) < 0)
		return;
	server->metrics.session.stats.messages_in += 10;
	server->metrics.session.stats.bytes_in += 900;
	ret->status = 200;
	ret->type = kho_metrics_content_type(format);
	ret->size = strlen(ret->body);
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
	struct kho_http *http;
	struct kho_err err;
	sd_event *event;
	int r = kho_listen_parse(address, &listen, &err);

	if (r >= 0 && sd_event_new(&event) < 0)
		return 1;
	if (r >= 0)
		r = kho_http_new(event, &listen, &ops, server, &http, &err);
	if (r < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	return sd_event_loop(event) < 0;
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
