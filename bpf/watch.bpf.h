/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * To which workload a task belongs, by its cgroup or one above it; watch.h has the idea.
 *
 * The answer for a cgroup is kept, so that a task of no workload costs one look-up: ids
 * of cgroups are never given twice.
 */
#ifndef KHO_BPF_WATCH_BPF_H
#define KHO_BPF_WATCH_BPF_H

#include "kernel.bpf.h"
#include "watch.h"

/* id of a workload's cgroup -> its number; written by the agent */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KHO_WATCHED);
	__type(key, __u64);
	__type(value, __u32);
} watched SEC(".maps");

/* id of any cgroup -> number of the workload that it's of, or KHO_WATCH_NONE */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u32);
} known SEC(".maps");

/* number of a workload -> enum kho_watch_phase; written by the agent */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KHO_WATCHED);
	__type(key, __u32);
	__type(value, __u32);
} phase SEC(".maps");

static __always_inline __u32 phase_of(__u32 workload)
{
	__u32 *value = bpf_map_lookup_elem(&phase, &workload);

	return value ? *value : KHO_WATCH_FROZEN;
}

/* From the root down, its own cgroup last. */
static __noinline __u32 find_workload(struct cgroup *cgroup)
{
	struct cgroup **ancestors = (void *)cgroup +
				    bpf_core_field_offset(struct cgroup, ancestors);
	int level = BPF_CORE_READ(cgroup, level);

	for (int i = 1; i <= KHO_WATCH_LEVEL && i <= level; i++) {
		struct cgroup *ancestor = NULL;
		__u32 *workload;
		__u64 id;

		bpf_probe_read_kernel(&ancestor, sizeof(ancestor), &ancestors[i]);
		id = BPF_CORE_READ(ancestor, kn, id);
		workload = bpf_map_lookup_elem(&watched, &id);
		if (workload)
			return *workload;
	}
	return KHO_WATCH_NONE;
}

static __always_inline __u32 workload_of(struct task_struct *task)
{
	struct cgroup *cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	__u64 id = BPF_CORE_READ(cgroup, kn, id);
	__u32 *workload = bpf_map_lookup_elem(&known, &id), found;

	if (workload)
		return *workload;
	found = find_workload(cgroup);
	bpf_map_update_elem(&known, &id, &found, BPF_ANY);
	return found;
}

#endif
