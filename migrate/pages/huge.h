/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * No huge pages are made while memory is copied.
 *
 * khugepaged joins what split.h has split, some 16 MiB each ten seconds, and what it
 * joins counts as written to, as does all of a huge page for each later write to it: in
 * the last rounds that is more than many a workload writes. So transparent huge pages
 * are switched off in this kernel from the first round until the move is over.
 *
 * What was set before is kept in a file, which outlives the process that switched them
 * off: so whoever comes next can set it again, and does, also if there's nothing to do.
 */
#ifndef KHO_PAGES_HUGE_H
#define KHO_PAGES_HUGE_H

#include "base/err.h"

#define KHO_HUGE_SWITCH	"/sys/kernel/mm/transparent_hugepage/enabled"

/* Where the switch is, and the file that keeps its position. */
struct kho_huge {
	const char *path;
	const char *kept;
};

/* Off. Does nothing if it's off, or was switched off by us before. -ENOENT: no such switch. */
int kho_huge_stop(const struct kho_huge *huge, struct kho_err *err);

/* As it was. Does nothing if we didn't switch it off. */
int kho_huge_allow(const struct kho_huge *huge, struct kho_err *err);

#endif
