/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the clocks on the walls say, by the C library and the system's time zones.
 *
 * The library has one zone at a time, that of the environment: it's changed as it's asked
 * for another one, and put back by kho_wall_done(). Not for programs with threads.
 */
#ifndef KHO_SYSTEM_ZONE_H
#define KHO_SYSTEM_ZONE_H

#include <stdbool.h>

#include "base/window.h"

struct kho_wall {
	char *before;			/* TZ as it was; NULL: not set */
	bool changed;
	char zone[KHO_WINDOW_ZONE];	/* that's set */
};

/* @wall is to be zero, and stays with the caller. */
struct kho_wall_ops kho_wall_ops(struct kho_wall *wall);
void kho_wall_done(struct kho_wall *wall);

#endif
