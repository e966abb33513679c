// SPDX-License-Identifier: GPL-2.0-only
/* In the kernel: when a workload's tasks ran last, and first; frozen.h has the idea. */
#include "watch.bpf.h"
#include "frozen.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KHO_WATCHED);
	__type(key, __u32);
	__type(value, struct kho_frozen_seen);
} seen SEC(".maps");

/* restored tasks, by PID */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KHO_FROZEN_TASKS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u8);
} restored SEC(".maps");

static __always_inline void note_restored(struct task_struct *task, struct kho_frozen_seen *s)
{
	__u32 pid = BPF_CORE_READ(task, pid);
	__u8 one = 1;

	if (!(BPF_CORE_READ(task, __state) & TASK_TRACED_BIT))
		return;
	if (!bpf_map_lookup_elem(&restored, &pid) &&
	    bpf_map_update_elem(&restored, &pid, &one, BPF_ANY) < 0)
		__sync_fetch_and_add(&s->dropped, 1);
}

static __always_inline bool is_free(struct task_struct *task)
{
	__u32 pid = BPF_CORE_READ(task, pid);

	return !BPF_CORE_READ(task, ptrace) && bpf_map_lookup_elem(&restored, &pid);
}

static __always_inline void leaves(struct task_struct *task)
{
	__u32 workload = workload_of(task), at;
	struct kho_frozen_seen *s = bpf_map_lookup_elem(&seen, &workload);

	if (!s)
		return;
	at = phase_of(workload);
	if (at == KHO_WATCH_COMING)
		note_restored(task, s);
	else if (at == KHO_WATCH_RUNS || (at == KHO_WATCH_FROZEN && !s->touched))
		s->last_out_ns = bpf_ktime_get_ns();
}

static __always_inline void enters(struct task_struct *task)
{
	__u32 workload = workload_of(task), at;
	struct kho_frozen_seen *s = bpf_map_lookup_elem(&seen, &workload);

	if (!s)
		return;
	at = phase_of(workload);
	if (at == KHO_WATCH_FROZEN)
		s->touched = 1;
	else if (at == KHO_WATCH_RESUMED && !s->first_in_ns && is_free(task))
		__sync_val_compare_and_swap(&s->first_in_ns, 0, bpf_ktime_get_ns());
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	leaves(prev);
	enters(next);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_call)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u32 workload = workload_of(task);
	struct kho_frozen_seen *s = bpf_map_lookup_elem(&seen, &workload);

	if (s && !s->first_call_ns && phase_of(workload) == KHO_WATCH_RESUMED && is_free(task))
		__sync_val_compare_and_swap(&s->first_call_ns, 0, bpf_ktime_get_ns());
	return 0;
}
