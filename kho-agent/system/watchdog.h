/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hardware watchdog that systemd arms for a restart (RebootWatchdogUSec). When a
 * kernel retires nobody would pet it afterwards, and the machine would be reset under
 * the new kernel. By busctl(1).
 */
#ifndef KHO_SYSTEM_WATCHDOG_H
#define KHO_SYSTEM_WATCHDOG_H

#include <stdint.h>

#include "base/err.h"

/* In microseconds; 0: off. -EBADMSG: busctl printed something else. */
int kho_reboot_watchdog_get(uint64_t *ret_usec, struct kho_err *err);
int kho_reboot_watchdog_set(uint64_t usec, struct kho_err *err);

#endif
