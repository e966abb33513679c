/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads what inspect.h judges: a walk through /proc over all tasks of a workload, that
 * changes nothing and stops nobody.
 *
 * A task may end, or close a descriptor, while it's looked at: what is gone is passed
 * over. It takes about a millisecond for ten descriptors, and joins a network
 * namespace for a while: so it's meant for a child process.
 */
#ifndef KHO_MIGRATE_INSPECT_PROC_H
#define KHO_MIGRATE_INSPECT_PROC_H

#include "base/err.h"
#include "migrate/workload/inspect.h"
#include "migrate/workload/config.h"

#define KHO_INSPECT_FILES	768
#define KHO_INSPECT_PATHS	(96u << 10)
#define KHO_INSPECT_PIDS	4096

/* A file that has to be there, as it is here. */
struct kho_inspect_file {
	uint32_t path;			/* offset in paths */
	uint32_t mode;
	uint64_t size;			/* bytes; of a folder: 0 */
};

struct kho_inspection {
	struct kho_findings findings;
	/* for the new side to look at: */
	uint32_t pids[KHO_INSPECT_PIDS];	/* of all threads */
	unsigned int nr_pids;
	struct kho_inspect_file files[KHO_INSPECT_FILES];
	unsigned int nr_files;
	char paths[KHO_INSPECT_PATHS];
	uint32_t used;			/* bytes of it */
};

/*
 * @config and @item: which workload. Without files that go with it, or stand on a volume
 * of the configuration. Failing to look is a finding, too.
 */
void kho_inspect_workload(const struct kho_config *config, unsigned int item,
			  struct kho_inspection *ret);

/* This kernel's CPUs. */
void kho_cpu_sight(struct kho_cpu_sight *ret);

/*
 * What CRIU can't do on this kernel: asks it, which takes a second when nobody did
 * before. @features: names of `criu check --feature`, up to NULL.
 */
void kho_inspect_criu(const char *const *features, struct kho_findings *findings);

/* ---- UNIX sockets (inspect_unix.c) ---- */

struct kho_unix_socket {
	uint32_t inode, peer;		/* peer 0: none */
	char name[110];			/* "@..." is an abstract one; "": none */
};

struct kho_unix_table {
	struct kho_unix_socket *sockets;	/* owned */
	size_t nr;
};

/* All of the network namespace that @pid is in; the caller ends up in it. */
int kho_unix_table_read(pid_t pid, struct kho_unix_table *ret, struct kho_err *err);
void kho_unix_table_done(struct kho_unix_table *table);

/* NULL: none */
const struct kho_unix_socket *kho_unix_find(const struct kho_unix_table *table, uint32_t inode);

#endif
