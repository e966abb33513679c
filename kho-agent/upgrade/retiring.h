/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is undone if a kernel that was about to retire stays after all: /run/kho-agent/retiring,
 * written before the first of it is changed, by an agent that may be killed.
 *
 *	kho-retiring 1
 *	cpus 1-3			that were online, but for CPU 0; "": none
 *	watchdog 600000000		RebootWatchdogUSec=; 0: it was off
 *
 * Pure.
 */
#ifndef KHO_UPGRADE_RETIRING_H
#define KHO_UPGRADE_RETIRING_H

#include <stdint.h>

#include "base/parse.h"

#define KHO_RETIRING_MAX	4096u	/* bytes of the file */

struct kho_retiring {
	struct kho_cpus cpus;
	uint64_t watchdog_usec;
};

/* The text; -EINVAL: it's longer than @size. */
int kho_retiring_format(const struct kho_retiring *retiring, char *text, size_t size);

/* @text is changed. -EBADMSG: it's no such file, or not whole. */
int kho_retiring_parse(char *text, struct kho_retiring *ret, struct kho_err *err);

#endif
