/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Moving PCI functions between the two kernels of a session.
 *
 * A function is taken from its driver here and held still before the other side
 * hears of it (grant), and given to a driver here only after the other side has
 * let go of it or can't run any more (revoke): one owner at any time.
 */
#ifndef KHO_AGENT_PCI_H
#define KHO_AGENT_PCI_H

#include "agent/session.h"

/*
 * Old side. Starts moving a function; the waiting client (agent->waiter) is
 * answered when the other side has it.
 *   -ENOTCONN  there's no new kernel to give it to, or take it from
 *   -EBUSY     it's in use here; what by is in the message
 */
int kho_pci_grant(struct kho_agent *agent, const struct kho_pci_addr *addr, struct kho_err *err);
int kho_pci_revoke(struct kho_agent *agent, const struct kho_pci_addr *addr, struct kho_err *err);

/* The other side's agent was started again: it won't answer. */
void kho_pci_drop(struct kho_session *session);

/* The other side's answer to either. */
void kho_pci_result(struct kho_session *session, const Kho__PciResult *result);

/* Every function that is held goes back to its driver: the other side is gone. */
int kho_pci_take_all_back(struct kho_agent *agent, struct kho_err *err);

/* Where a function's configuration space is; by firmware or by the handover tree. */
int kho_pci_config(struct kho_agent *agent, const struct kho_pci_addr *addr, uint64_t *ret,
		   struct kho_err *err);

/* New side: carries out what the old side asks for, and answers. */
void kho_pci_on_grant(struct kho_session *session, const Kho__PciGrant *grant);
void kho_pci_on_revoke(struct kho_session *session, const Kho__PciRevoke *revoke);

/* New side, once the old kernel has retired. Returns how many functions came. */
unsigned int kho_pci_absorb(struct kho_agent *agent);

/* ---- as steps of a move (move.h, receive.h) ---- */

/* What a grant says. */
int kho_pci_read_grant(const Kho__PciGrant *grant, struct kho_pci_addr *ret, struct kho_err *err);

/* The rest is for side.c: 1: it changed hands; 0: it was so before. */

/* Old side: takes it from its driver, whoever uses it; and gives it back. */
int kho_pci_hold_still(struct kho_agent *agent, const struct kho_pci_addr *addr,
		       struct kho_err *err);
int kho_pci_let_go(struct kho_agent *agent, const struct kho_pci_addr *addr, struct kho_err *err);

/* New side: takes what the old side holds; and gives it up. */
int kho_pci_take_grant(struct kho_agent *agent, const struct kho_pci_addr *addr,
		       struct kho_err *err);
int kho_pci_drop_grant(struct kho_agent *agent, const struct kho_pci_addr *addr,
		       struct kho_err *err);

/* The functions that a kernel leaves when it retires, as messages. */
struct kho_pci_message {
	Kho__PciGrant grant;
	Kho__PciFunction function;
};

void kho_pci_message_init(struct kho_pci_message *message, const struct kho_pci_addr *addr,
			  uint64_t config);

#endif
