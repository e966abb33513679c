// SPDX-License-Identifier: GPL-2.0-only
/* What's served by HTTP. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/page.h"
#include "agent/publish.h"
#include "base/cleanup.h"
#include "http/http.h"
#include "metrics/metrics.h"

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

static void get(void *ctx, const struct kho_http_request *request, struct kho_http_answer *ret)
{
	if (strcmp(request->path, "/metrics") == 0)
		get_metrics(ctx, request, ret);
}

static const struct kho_http_ops ops = { .get = get };

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
