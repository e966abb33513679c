/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mount options as text, without mount(8): starting a program is a good part of what a
 * volume's move takes. Those that mean something to mount(8) only are dropped.
 */
#ifndef KHO_MIGRATE_OPTIONS_H
#define KHO_MIGRATE_OPTIONS_H

#include "base/err.h"

#define KHO_VOLUME_DATA	256

struct kho_volume_options {
	unsigned long flags;		/* MS_... of mount(2) */
	char data[KHO_VOLUME_DATA];	/* for the file system: "a=1,b" */
};

/* @text as for mount -o; "": none. -E2BIG: longer than fits. */
int kho_volume_parse_options(const char *text, struct kho_volume_options *ret, struct kho_err *err);

#endif
