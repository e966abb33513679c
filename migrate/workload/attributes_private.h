/* SPDX-License-Identifier: GPL-2.0-only */
/* What reading and setting attributes have in common: how the kernel is asked. */
#ifndef KHO_MIGRATE_ATTRIBUTES_PRIVATE_H
#define KHO_MIGRATE_ATTRIBUTES_PRIVATE_H

#include "migrate/workload/attributes.h"

#define KHO_IOPRIO_WHO_PROCESS	1	/* a task, in truth */

/* "online", "possible" */
int kho_attributes_read_cpus(const char *name, struct kho_cpus *ret, struct kho_err *err);

int kho_attributes_get_sched(pid_t tid, struct kho_task_attributes *ret, struct kho_err *err);
int kho_attributes_get_ioprio(pid_t tid, uint32_t *ret, struct kho_err *err);
int kho_attributes_get_slack(pid_t tid, uint64_t *ret, struct kho_err *err);
int kho_attributes_get_process(pid_t pid, struct kho_process_attributes *ret,
			       struct kho_err *err);

/* A descriptor of ours for one of a process's; or negative, with errno. */
int kho_attributes_take_fd(int pidfd, int fd);

/* -EOPNOTSUPP: no TCP socket. */
int kho_attributes_get_congestion(int fd, char ret[KHO_CONGESTION_NAME]);

/* What a task's clocks are ahead of this kernel's: CLOCK_MONOTONIC, CLOCK_BOOTTIME. */
int kho_attributes_get_offsets(pid_t pid, int64_t ret[2], struct kho_err *err);
int64_t kho_attributes_offset(const int64_t offsets[2], uint32_t clock);

uint64_t kho_attributes_now(uint32_t clock);

#endif
