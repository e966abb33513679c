/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What this kernel can do for a checkpoint and a restore, asked of the kernel itself.
 *
 * The agents tell each other in their hello. Each is asked for by using it, never by
 * the kernel's version, in microseconds: so it's known before the channel is up. What
 * CRIU needs besides shows when it's tried (`criu check`, and the canary of a move).
 */
#ifndef KHO_MIGRATE_ABILITIES_H
#define KHO_MIGRATE_ABILITIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum kho_ability {
	KHO_ABILITY_DIRTY_TRACKING = 0,	/* pages written to since: rounds of pre-copy */
	KHO_ABILITY_LAZY_PAGES,		/* memory that follows: userfaultfd with its events */
	KHO_ABILITY_TCP_REPAIR,		/* established connections */
	KHO_ABILITY_SET_TID,		/* PIDs are kept */
	KHO_ABILITY_PIDFD_GETFD,	/* sockets of a task can be mended from outside */
	KHO_ABILITY_TIME_NAMESPACE,	/* clocks of a workload go on */
	KHO_ABILITY_PASSSEC,		/* unix sockets: CRIU asks each for SO_PASSSEC */
	_KHO_ABILITY_MAX,
};

/* "dirty-tracking", ...: as they stand in the hello. */
const char *kho_ability_name(enum kho_ability ability);

/* Bit n: ability n is there. As root; soft-dirty bits of this process are cleared. */
uint32_t kho_abilities_probe(void);

/*
 * CRIU's version, as it says itself, to @ret: "4.2.1". Starts it, which takes as long as
 * that takes. -ENOENT: it isn't installed; -EBADMSG: it says something else.
 */
int kho_criu_version(char *ret, size_t size, struct kho_err *err);

/* Of what `criu --version` prints. -EBADMSG: no "Version: N.N". Pure. */
int kho_criu_version_parse(const char *text, char *ret, size_t size, struct kho_err *err);

#endif
