/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files that a workload has mapped: its program and libraries.
 *
 * A restored task maps them again, and the first touch of each page is read from the new
 * kernel's disk, or unpacked from its image, while clients wait. So the new side reads
 * them before the freeze. The list is text, a path a line.
 */
#ifndef KHO_MIGRATE_MAPPED_H
#define KHO_MIGRATE_MAPPED_H

#include <stddef.h>

#include "base/err.h"

#define KHO_MAPPED_LIST	8192		/* bytes; what doesn't fit stays cold */

/* The files in the text of /proc/PID/maps, each once, at the end of @list. */
void kho_mapped_add(const char *maps, char list[KHO_MAPPED_LIST]);

/* Those of all processes in a cgroup. */
int kho_mapped_find(const char *cgroup, char ret[KHO_MAPPED_LIST], struct kho_err *err);

/* Reads all that are there and regular; takes as long as that does. */
void kho_mapped_read(const char *list);

#endif
