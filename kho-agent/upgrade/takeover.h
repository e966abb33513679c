/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taking over from a kernel that has retired: the order of things, without the
 * things themselves.
 *
 * CPUs. All but one still stand in the retired kernel's idle code. Each is fetched
 * from there first, and onlined after that. What isn't fetched may run on in memory
 * that was the old kernel's: none of it may be taken then. What was fetched but
 * doesn't come online (nosmt, say) is in nobody's way.
 *
 * The list. What the old kernel leaves, it says before it goes. It's written down
 * before that is confirmed: whichever agent sees the kernel retire knows of it.
 */
#ifndef KHO_UPGRADE_TAKEOVER_H
#define KHO_UPGRADE_TAKEOVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "channel.pb-c.h"

struct kho_take_cpu_ops {
	/* Gets it out of the retired kernel's hands; 0 also if it's here already. */
	int (*fetch)(void *ctx, uint32_t apic_id, struct kho_err *err);
	/* 0 also if it's online already. */
	int (*online)(void *ctx, uint32_t apic_id, struct kho_err *err);
};

struct kho_take_cpus {
	const uint32_t *apic_ids;	/* all that are left */
	size_t nr;
	const uint32_t *asleep;		/* of them: those that were offline on purpose */
	size_t nr_asleep;
};

/*
 * Fetches all, then onlines all but those asleep. Goes on after a failure.
 * *@ret_stuck: how many weren't fetched. Returns the first failure, one to fetch
 * before one to online.
 */
int kho_take_cpus(const struct kho_take_cpus *cpus, const struct kho_take_cpu_ops *ops, void *ctx,
		  size_t *ret_stuck, struct kho_err *err);

/* Replaces the file as a whole. Errors of kho_file_write_atomic(), and -ENOMEM. */
int kho_left_write(const char *path, const Kho__RetireReady *left, struct kho_err *err);

/*
 * *@ret is the caller's, to be freed by kho__retire_ready__free_unpacked().
 *   -ENOENT   nothing was written
 *   -EBADMSG  it's not what was written
 */
int kho_left_read(const char *path, Kho__RetireReady **ret, struct kho_err *err);

#endif
