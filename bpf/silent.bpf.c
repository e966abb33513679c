// SPDX-License-Identifier: GPL-2.0-only
/* In the kernel: when a workload sent last, and first; silent.h has the idea. */
#include "watch.bpf.h"
#include "silent.h"

#define PASS		1
#define PROTO_TCP	6
#define V4_BYTES	20
#define V6_BYTES	40
#define V4_LENGTH	2		/* where fields stand */
#define V4_PROTOCOL	9
#define V6_LENGTH	4
#define V6_NEXT		6
#define TCP_OFFSET	12
#define V6_HOP_BY_HOP	0		/* extension headers */
#define V6_ROUTING	43
#define V6_FRAGMENT	44
#define V6_OPTIONS	60

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KHO_WATCHED);
	__type(key, __u32);
	__type(value, struct kho_silent_seen);
} seen SEC(".maps");

/* What is above IP: where it begins, how long it is, and what it is. */
struct payload {
	__u32 offset, size, protocol;
};

static __always_inline bool read_v4(struct __sk_buff *skb, struct payload *ret)
{
	__u8 head[V4_BYTES];

	if (bpf_skb_load_bytes(skb, 0, head, sizeof(head)) < 0)
		return false;
	ret->offset = (head[0] & 15u) * 4u;
	ret->size = (__u32)head[V4_LENGTH] << 8 | head[V4_LENGTH + 1];
	ret->size = ret->size > ret->offset ? ret->size - ret->offset : 0;
	ret->protocol = head[V4_PROTOCOL];
	return true;
}

static __always_inline bool is_extension(__u8 next)
{
	return next == V6_HOP_BY_HOP || next == V6_ROUTING || next == V6_FRAGMENT ||
	       next == V6_OPTIONS;
}

static __always_inline bool read_v6(struct __sk_buff *skb, struct payload *ret)
{
	__u8 head[V6_BYTES];

	if (bpf_skb_load_bytes(skb, 0, head, sizeof(head)) < 0)
		return false;
	ret->offset = V6_BYTES;
	ret->size = (__u32)head[V6_LENGTH] << 8 | head[V6_LENGTH + 1];
	ret->protocol = head[V6_NEXT];
	return !is_extension(head[V6_NEXT]);
}

/* 1: it has data, 0: it hasn't, -1: can't be told. */
static __always_inline int has_data(struct __sk_buff *skb)
{
	bool v4 = skb->protocol == bpf_htons(0x0800);
	struct payload payload;
	__u8 offset;

	if (!(v4 ? read_v4(skb, &payload) : read_v6(skb, &payload)))
		return -1;
	if (payload.protocol != PROTO_TCP)
		return 1;
	if (bpf_skb_load_bytes(skb, payload.offset + TCP_OFFSET, &offset, 1) < 0)
		return -1;
	/* large ones that the NIC cuts may have a length of 0 */
	return !payload.size || payload.size > (offset >> 4) * 4u;
}

static __always_inline __u32 workload_of_packet(struct __sk_buff *skb)
{
	for (int level = KHO_WATCH_LEVEL; level > 0; level--) {
		__u64 id = bpf_skb_ancestor_cgroup_id(skb, level);
		__u32 *workload = id ? bpf_map_lookup_elem(&watched, &id) : NULL;

		if (workload)
			return *workload;
	}
	return KHO_WATCH_NONE;
}

static __always_inline void note(struct kho_silent_seen *s, __u32 at)
{
	if (at == KHO_WATCH_RUNS)
		s->last_out_ns = bpf_ktime_get_ns();
	else if (at == KHO_WATCH_RESUMED && !s->first_out_ns)
		__sync_val_compare_and_swap(&s->first_out_ns, 0, bpf_ktime_get_ns());
}

SEC("cgroup_skb/egress")
int on_packet(struct __sk_buff *skb)
{
	struct kho_silent_seen *s;
	__u32 workload;
	int data;

	if (skb->ifindex == LOOPBACK)
		return PASS;
	workload = workload_of_packet(skb);
	s = bpf_map_lookup_elem(&seen, &workload);
	if (!s)
		return PASS;
	data = has_data(skb);
	if (data > 0)
		note(s, phase_of(workload));
	else if (data < 0)
		__sync_fetch_and_add(&s->unread, 1);
	return PASS;
}
