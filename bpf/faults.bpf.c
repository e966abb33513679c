// SPDX-License-Identifier: GPL-2.0-only
/* In the kernel: faults that wait for memory; faults.h has the idea. */
#include "watch.bpf.h"
#include "faults.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KHO_WATCHED);
	__type(key, __u32);
	__type(value, struct kho_faults_seen);
} seen SEC(".maps");

/* since when a task waits, by PID */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KHO_FAULTS_WAITING);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u64);
} waiting SEC(".maps");

static __always_inline struct kho_faults_seen *of_current(void)
{
	__u32 workload = workload_of((struct task_struct *)bpf_get_current_task());

	return bpf_map_lookup_elem(&seen, &workload);
}

static __always_inline __u32 slot_of(__u64 ns)
{
	__u64 us = ns / 1000;
	__u32 slot = 0;

	for (int i = 0; i < 31; i++) {
		us >>= 1;
		slot += us != 0;
	}
	return slot;
}

static __always_inline void note(struct kho_faults_seen *s, __u64 ns)
{
	__u64 max = s->max_ns;
	__u32 slot = slot_of(ns);

	__sync_fetch_and_add(&s->count, 1);
	__sync_fetch_and_add(&s->total_ns, ns);
	/* two that end at once: the larger one may be lost to the other, by as much */
	if (ns > max)
		__sync_val_compare_and_swap(&s->max_ns, max, ns);
	if (slot < KHO_FAULTS_SLOTS)
		__sync_fetch_and_add(&s->slots[slot], 1);
}

SEC("fentry/handle_userfault")
int BPF_PROG(on_fault)
{
	__u32 pid = (__u32)bpf_get_current_pid_tgid();
	__u64 now = bpf_ktime_get_ns();
	struct kho_faults_seen *s = of_current();

	if (s && bpf_map_update_elem(&waiting, &pid, &now, BPF_ANY) < 0)
		__sync_fetch_and_add(&s->dropped, 1);
	return 0;
}

SEC("fexit/handle_userfault")
int BPF_PROG(on_memory)
{
	__u32 pid = (__u32)bpf_get_current_pid_tgid();
	__u64 *since = bpf_map_lookup_elem(&waiting, &pid);
	struct kho_faults_seen *s = since ? of_current() : NULL;

	if (s)
		note(s, bpf_ktime_get_ns() - *since);
	if (since)
		bpf_map_delete_elem(&waiting, &pid);
	return 0;
}
