/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What's served by HTTP, if Listen= is set, to be read only:
 *
 *	/metrics		for Prometheus
 *	/			the status page (view/html.h), with /page.js and /page.css
 *	/events			the state as it changes: server-sent events, each as Status
 *				with "more" has it (agent/watch.h)
 *	/upgrade/ID.svg		an upgrade that's over, as a picture (timeline/timeline.h)
 */
#ifndef KHO_AGENT_PAGE_H
#define KHO_AGENT_PAGE_H

#include "agent/agent.h"

struct kho_page;

/* *@ret is NULL if @listen (base/listen.h) is empty. Errors of kho_http_new(). */
int kho_page_new(struct kho_agent *agent, const char *listen, struct kho_page **ret,
		 struct kho_err *err);

/* Takes NULL; returns NULL. */
struct kho_page *kho_page_free(struct kho_page *page);

#endif
