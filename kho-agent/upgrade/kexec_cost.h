/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long workloads would stand still in an upgrade by kexec: a rule of thumb, pure. It's
 * said before anything is begun, so that whoever wants the upgrade knows what it costs.
 *
 * From the freeze to the first instruction in the new kernel there's a boot. In the lab it took
 * one and a half times as long as this kernel's, until workloads ran: so it's reckoned as two.
 * Besides, the image is unpacked from memory; and the workloads' memory is written once into
 * images, and what a restore doesn't leave for later is read once.
 */
#ifndef KHO_UPGRADE_KEXEC_COST_H
#define KHO_UPGRADE_KEXEC_COST_H

#include <stdint.h>

struct kho_kexec_facts {
	uint64_t boot_ms;		/* from this kernel's start until its system was up */
	uint64_t memory;		/* bytes that the workloads have */
	uint64_t image;			/* bytes of the target image */
};

uint64_t kho_kexec_predict_ms(const struct kho_kexec_facts *facts);

#endif
