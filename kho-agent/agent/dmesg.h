/* SPDX-License-Identifier: GPL-2.0-only */
/* The peer kernel's log, read out of the memory it was given. */
#ifndef KHO_AGENT_DMESG_H
#define KHO_AGENT_DMESG_H

#include "agent/agent.h"

/*
 * *@ret is the log as lines, to be freed. -ENOTCONN: there's no region with a kernel
 * in it; -ENODATA: there's no log to be found in it.
 */
int kho_dmesg_of_peer(struct kho_agent *agent, char **ret, struct kho_err *err);

/* Makes text of a console fit for JSON: what's no printable ASCII becomes '?'. */
void kho_text_printable(char *text);

#endif
