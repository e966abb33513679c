/* SPDX-License-Identifier: GPL-2.0-only */
/* The peer kernel's log, read out of the memory it was given. */
#ifndef KHO_AGENT_DMESG_H
#define KHO_AGENT_DMESG_H

#include "agent/agent.h"

#define KHO_DMESG_LOG	KHO_RUN_DIR "/dmesg.log"

/*
 * *@ret is the log as lines, to be freed; that of the last spawned kernel if there's
 * none now. -ENOTCONN: there was none; -ENOENT: no log is to be found in its memory.
 */
int kho_dmesg_of_peer(struct kho_agent *agent, char **ret, struct kho_err *err);

/* Keeps the log in KHO_DMESG_LOG, before its memory is used for something else. */
void kho_dmesg_keep(struct kho_session *session);

/* Makes text of a console fit for JSON: what's no printable ASCII becomes '?'. */
void kho_text_printable(char *text);

#endif
