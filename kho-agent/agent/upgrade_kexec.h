/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An upgrade by kexec: for machines that can't spare a core or memory for a second kernel.
 *
 * It goes through the states of any other upgrade (upgrade/upgrade.h), which mean:
 *
 *	check    this kernel and the image's can do it, and the workloads can move
 *	spawn    the image is loaded for kexec; nothing is started
 *	move     bequeath.h; it doesn't end if it goes well: the next kernel's agent goes on
 *	reclaim  nothing is loaded any more
 *
 * It's done only if it's asked for by name. What it costs is told before.
 */
#ifndef KHO_AGENT_UPGRADE_KEXEC_H
#define KHO_AGENT_UPGRADE_KEXEC_H

#include "agent/agent.h"
#include "agent/spawn.h"
#include "migrate/workload/config.h"

struct kho_upgrade_run;

/*
 * Whether it can be done, and how long workloads would stand still; nothing is changed.
 *   -EOPNOTSUPP       this kernel, the image or the configuration isn't fit for it
 *   -EPROTONOSUPPORT  the two kernels' KHO are of different versions
 *   -ENOENT, -EPERM, -EBUSY  as of LUO and kexec (system/luo.h, system/kexec.h)
 *   -ENOMEM           there's no room for a copy of the workloads' memory
 */
int kho_upgrade_kexec_check(struct kho_agent *agent, const char *image,
			    const struct kho_config *config, uint64_t *ret_ms,
			    struct kho_err *err);

/* The states. */
int kho_upgrade_kexec_load(struct kho_upgrade_run *run, struct kho_err *err);
int kho_upgrade_kexec_move(struct kho_upgrade_run *run, struct kho_err *err);

#endif
