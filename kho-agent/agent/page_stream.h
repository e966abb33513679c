/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A workload's memory on its way out: CRIU's pages, round by round, over a stream.
 *
 * Theory of operation
 *
 *	criu --socketpair--> relay (migrate/pages/relay.h) --"pages:NAME"--> new kernel
 *	  ^                                                                   |
 *	  +--- "all was received" <--- the stream is acknowledged <-----------+
 *
 * A round is one call of criu and one stream. CRIU ends well only if the new side has
 * all: so a criu that went on is all the caller has to wait for. If the stream fails,
 * CRIU does, and kho_page_stream_error() knows better than CRIU why.
 *
 * For a kexec there's nobody to send it to: then it's kept here (migrate/pages/keep.h), and
 * all else is the same.
 */
#ifndef KHO_AGENT_PAGE_STREAM_H
#define KHO_AGENT_PAGE_STREAM_H

#include "agent/session.h"
#include "migrate/pages/keep.h"
#include "migrate/pages/relay.h"

struct kho_page_stream;

/* For all rounds of one workload. -ENOMEM. */
int kho_page_stream_new(struct kho_session *session, const char *name,
			struct kho_page_stream **ret, struct kho_err *err);

/* The same, to be kept in this kernel. */
int kho_page_stream_new_kept(struct kho_agent *agent, struct kho_page_stream **ret,
			     struct kho_err *err);

/* Where it's kept; NULL: it isn't. */
struct kho_page_keep *kho_page_stream_keep(const struct kho_page_stream *stream);

/* Ends what is under way. Takes NULL; returns NULL. */
struct kho_page_stream *kho_page_stream_free(struct kho_page_stream *stream);

/* The two ends of a round's socket: ours, and CRIU's (page_fd). The caller's to close. */
int kho_page_stream_sockets(int ret_fds[2], struct kho_err *err);

/*
 * A round begins: pages come from @fd, our end, which is taken over in any case.
 * -EBUSY: one is under way; else as kho_transfer_send().
 */
int kho_page_stream_begin(struct kho_page_stream *stream, int fd, struct kho_err *err);

/* The round ends, and CRIU fails. Without a round it does nothing. */
void kho_page_stream_stop(struct kho_page_stream *stream);

/* Why the round failed; code 0: it didn't. */
const struct kho_err *kho_page_stream_error(const struct kho_page_stream *stream);

/* Of the round under way, or the last one. */
void kho_page_stream_stats(const struct kho_page_stream *stream,
			   struct kho_page_relay_stats *ret);

#endif
