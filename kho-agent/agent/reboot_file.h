/* SPDX-License-Identifier: GPL-2.0-only */
/* /run/reboot-required goes over to the new kernel: upgrade/reboot_needed.h has the idea. */
#ifndef KHO_AGENT_REBOOT_FILE_H
#define KHO_AGENT_REBOOT_FILE_H

#include "channel.pb-c.h"
#include "upgrade/reboot_needed.h"

struct kho_agent;

/* Old side: what @ready is to say; valid as long as this. */
struct kho_reboot_note {
	char *text;
	char *packages[KHO_REBOOT_PACKAGES];
};

void kho_reboot_note(struct kho_reboot_note *note, Kho__RetireReady *ready);
void kho_reboot_note_done(struct kho_reboot_note *note);

/* New side, with the whole machine: what this kernel hasn't settled is said again. */
void kho_reboot_hand_on(struct kho_agent *agent, const Kho__RetireReady *left);

#endif
