// SPDX-License-Identifier: GPL-2.0-only
/* In the kernel: who may send whom a signal; shield.h has the idea. */
#include "kernel.bpf.h"
#include "shield.h"

#define EPERM	1
#define DEPTH	3	/* a CRIU that copies memory does it in a child of its own */

/* process -> the one that may all the same; written by the agent */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KHO_SHIELDED);
	__type(key, __u32);
	__type(value, __u32);
} shielded SEC(".maps");

/* What a task is part of: its process, or its parent's, or that one's. 0: nothing shielded. */
static __always_inline __u32 shielded_one(struct task_struct *task)
{
	__u32 process;

	for (int i = 0; i < DEPTH && task; i++) {
		process = (__u32)BPF_CORE_READ(task, tgid);
		if (bpf_map_lookup_elem(&shielded, &process))
			return process;
		task = BPF_CORE_READ(task, real_parent);
	}
	return 0;
}

/* 0: the kernel goes on to ask whom it would have asked. Signal 0 only looks. */
SEC("fmod_ret/security_task_kill")
int BPF_PROG(on_signal, struct task_struct *task, void *info, int sig)
{
	__u32 process = shielded_one(task);
	__u32 sender = (__u32)(bpf_get_current_pid_tgid() >> 32);
	__u32 *keeper = process ? bpf_map_lookup_elem(&shielded, &process) : NULL;

	if (!keeper || sig == 0 || sender == *keeper ||
	    shielded_one((struct task_struct *)bpf_get_current_task()) == process)
		return 0;
	return -EPERM;
}
