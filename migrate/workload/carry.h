/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files that go with a workload, because the new kernel's copy of the system has them
 * from when its image was made: those that its tasks have open for writing on the root
 * file system or in /run, its PID file, and what the operator names; and folders there
 * that they stand in, have open or watch, without what's in them. What's mapped or
 * open for reading only is taken to be the same on both sides.
 */
#ifndef KHO_MIGRATE_CARRY_H
#define KHO_MIGRATE_CARRY_H

#include <stddef.h>

#include "migrate/workload/archive.h"
#include "migrate/workload/cgroup.h"

#define KHO_CARRY_LIMIT	(16u << 20)	/* bytes of all files */

struct kho_carry {
	const char *cgroup;			/* "": nothing runs any more */
	const char *pid_file;			/* "": none */
	const char (*patterns)[256];		/* absolute, as of glob(7) */
	size_t nr_patterns;
};

/*
 * Packs them, with names relative to "/". -EFBIG: more than the limit; the message
 * names the file. A pattern that matches nothing is no error.
 */
int kho_carry_pack(const struct kho_carry *carry, struct kho_archive *ret, struct kho_err *err);

#endif
