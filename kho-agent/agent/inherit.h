/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * After a kexec: what the kernel before has left (bequeath.h) is restored here, before
 * anything else of the system is started.
 *
 *	session of LUO --> bequest --> clock, configuration
 *	     |
 *	     +--> for all addresses: on their NICs, silent
 *	     +--> for all workloads: unit, images, memory --> volumes mounted (inherit_volume.c)
 *	     |                            --> restored, run --> announced
 *	                                  |
 *	                                  not well: killed, and started anew from its definition
 *	     +--> report, history; the system's other services
 *
 * These are the steps of a move that the new side does (receive.h), asked for from here, and
 * each workload is by itself: there's no kernel that it could be given back to.
 *
 * Until the addresses are announced nothing leaves from them and nothing is let in: peers hear
 * nothing, repeat what they've sent, and no reset is sent for connections that aren't here yet. Then
 * they're told to repeat it at once (receive_wake.c).
 *
 * What LUO has kept ends with this process. So an agent that's killed before all is restored
 * loses it: what runs by then goes on, the rest has to be started anew.
 */
#ifndef KHO_AGENT_INHERIT_H
#define KHO_AGENT_INHERIT_H

#include "agent/agent.h"

/* At the start of the agent: begins, if anything was left. agent->heir is NULL if not. */
void kho_inherit(struct kho_agent *agent);

#endif
