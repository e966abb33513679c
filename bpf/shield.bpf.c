// SPDX-License-Identifier: GPL-2.0-only
/* In the kernel: who may send whom a signal; shield.h has the idea. */
#include "kernel.bpf.h"
#include "shield.h"

#define EPERM	1

/* process -> the one that may all the same; written by the agent */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KHO_SHIELDED);
	__type(key, __u32);
	__type(value, __u32);
} shielded SEC(".maps");

/* 0: the kernel goes on to ask whom it would have asked. Signal 0 only looks. */
SEC("fmod_ret/security_task_kill")
int BPF_PROG(on_signal, struct task_struct *task, void *info, int sig)
{
	__u32 process = (__u32)BPF_CORE_READ(task, tgid);
	__u32 sender = (__u32)(bpf_get_current_pid_tgid() >> 32);
	__u32 *keeper = bpf_map_lookup_elem(&shielded, &process);

	if (!keeper || sig == 0 || sender == process || sender == *keeper)
		return 0;
	return -EPERM;
}
