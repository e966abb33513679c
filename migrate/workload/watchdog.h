/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A service's watchdog: systemd ends a service that isn't heard of for WatchdogSec=.
 *
 * systemd takes the time from the unit when the service starts, not when it's loaded
 * again: a drop-in doesn't change it for a service that runs. What does is a message
 * as of the service itself (WATCHDOG_USEC=, sd_notify(3)). One that stands still says
 * nothing, so before the freeze its watchdog is taken off by such a message in its
 * main process's name.
 */
#ifndef KHO_MIGRATE_WATCHDOG_H
#define KHO_MIGRATE_WATCHDOG_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * A time as systemctl(1) shows it, "1min 30s", "4.500s", into us. "infinity" is 0, which
 * is none. Pure. -EINVAL: not of this form; -ERANGE: more than fits.
 */
int kho_watchdog_parse(const char *text, uint64_t *ret_usec, struct kho_err *err);

/* For the service of @main_pid from now on; 0: none. Its time begins anew. */
int kho_watchdog_set(pid_t main_pid, uint64_t usec, struct kho_err *err);

#endif
