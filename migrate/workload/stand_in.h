/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-ins for what is on a workload's volumes, for its rehearsal.
 *
 * A volume stays with the old kernel until the switch. A copy of the workload that's
 * restored before that finds empty files in its place, of the same names, kinds and
 * sizes: nothing of it runs, so nobody reads them. The list of them is a text:
 *
 *	volume PATH			a mount point
 *	node MODE SIZE PATH		mode octal, as of stat(2); bytes
 *
 * Paths are absolute, without "..", and nodes lie below one of the volumes.
 */
#ifndef KHO_MIGRATE_STAND_IN_H
#define KHO_MIGRATE_STAND_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "migrate/workload/config.h"

#define KHO_STAND_INS	"stand-ins"	/* file in the folder of images */
#define KHO_STAND_INS_MAX	(256u << 10)

struct kho_stand_in {
	bool volume;
	uint32_t mode;
	uint64_t size;
	char path[1024];
};

/*
 * All that tasks of @cgroup have open or mapped on volumes of @config, as such a text; the caller
 * frees *@ret. "" if nothing is. -EFBIG: longer than KHO_STAND_INS_MAX.
 */
int kho_stand_ins_list(const char *cgroup, const struct kho_config *config, char **ret,
		       struct kho_err *err);

/*
 * The next line of *@at, which is moved behind it. 1: one; 0: the end; -EBADMSG: not
 * of the form. Whether nodes lie below a volume isn't checked here.
 */
int kho_stand_in_next(const char **at, struct kho_stand_in *ret, struct kho_err *err);

/*
 * Mounts an empty file system at each volume and makes the nodes there. For a process
 * that is alone in its mount namespace. -EBADMSG as above, or a node that isn't below one.
 */
int kho_stand_ins_make(const char *text, struct kho_err *err);

#endif
