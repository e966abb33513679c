/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The new kernel's part: finding out what it was given, joining the old kernel,
 * and taking the whole machine when that retires.
 */
#ifndef KHO_AGENT_JOIN_H
#define KHO_AGENT_JOIN_H

#include "agent/session.h"

/*
 * In a spawned kernel: finds the handover tree (setup_data names its place),
 * adopts the memory around it and opens the session.
 *   -ENOENT    this kernel was given no tree
 *   -EBADMSG   what was given makes no sense
 */
int kho_join(struct kho_agent *agent, struct kho_err *err);

/* The old kernel has retired: takes CPUs, memory and functions. May be repeated. */
int kho_absorb_all(struct kho_session *session, struct kho_err *err);

/* With the old kernel its services have ended; where systemd runs, they're started here. */
void kho_start_services(struct kho_agent *agent);

extern const struct kho_session_role kho_new_role;

#endif
