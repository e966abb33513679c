/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Huge pages of a task, made into small ones, so that changes show one by one.
 *
 * The kernel notes a write to a transparent huge page for the page as a whole: a task
 * that writes a byte here and there would have all of its memory sent in each round.
 * The kernel splits them on demand, by a file of debugfs (split_huge_pages,
 * mm/huge_memory.c). A split page stays split until khugepaged finds it: see huge.h.
 */
#ifndef KHO_PAGES_SPLIT_H
#define KHO_PAGES_SPLIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct kho_pages_range {
	uint64_t start, end;
};

/*
 * The next mapping that has huge pages of anonymous memory, in the text of
 * /proc/PID/smaps from *@at on, which moves. False: there's none.
 */
bool kho_pages_next_huge(const char **at, struct kho_pages_range *ret);

/* All of @pid. Takes long. -ENOENT: no debugfs; 0 also if there was nothing to split. */
int kho_pages_split(pid_t pid, struct kho_err *err);

#endif
