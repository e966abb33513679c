/* SPDX-License-Identifier: GPL-2.0-only */
/* khoctl watch on a terminal: view/layout.h on ncurses, and the keys. */
#ifndef KHO_KHOCTL_WATCH_H
#define KHO_KHOCTL_WATCH_H

#include "khoctl/khoctl.h"

/* *@ret is {untilOver}, a reference. */
int kho_watch_parameters(bool until_over, sd_json_variant **ret);

/* How what's over has ended, as an exit code; says it if it's a failure. */
int kho_watch_outcome(sd_json_variant *last);

/* Until q, or as of untilOver; an exit code. -ENOTTY: the terminal can't do it. */
int kho_watch_screen(bool until_over);

#endif
