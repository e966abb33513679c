// SPDX-License-Identifier: GPL-2.0-only
/* In the kernel: trouble on connections of service addresses; tcp.h has the idea. */
#include "kernel.bpf.h"
#include "tcp.h"

#define FAMILY_V4	2
#define V4_TO		16		/* where a header has the address that it's for */
#define V6_TO		24

/* Only what the agent has put there is counted: none is ever added here. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KHO_TCP_ADDRESSES);
	__type(key, struct kho_tcp_address);
	__type(value, struct kho_tcp_seen);
} seen SEC(".maps");

/* The number of the network namespace that counts: a rehearsal's copy has one of its own. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} home SEC(".maps");

static __always_inline bool is_home(struct net *net)
{
	__u32 first = 0, *number = bpf_map_lookup_elem(&home, &first);

	return number && BPF_CORE_READ(net, ns.inum) == *number;
}

static __always_inline bool is_home_sock(const struct sock *sk)
{
	return is_home(BPF_CORE_READ(sk, __sk_common.skc_net.net));
}

static __always_inline void map_v4(struct kho_tcp_address *address)
{
	__builtin_memset(address, 0, 10);
	address->bytes[10] = address->bytes[11] = 0xff;
}

static __always_inline struct kho_tcp_seen *of_sock(const struct sock *sk)
{
	struct kho_tcp_address address;

	if (!is_home_sock(sk))
		return NULL;
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == FAMILY_V4) {
		__u32 v4 = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);

		map_v4(&address);
		__builtin_memcpy(&address.bytes[12], &v4, 4);
	} else {
		BPF_CORE_READ_INTO(&address.bytes, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
	}
	return bpf_map_lookup_elem(&seen, &address);
}

/* Whom a packet that came was for: a reset that answers it may have no socket. */
static __always_inline struct kho_tcp_seen *of_packet(const struct sk_buff *skb)
{
	unsigned char *head = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header);
	struct kho_tcp_address address;

	if (BPF_CORE_READ(skb, protocol) == bpf_htons(0x0800)) {
		map_v4(&address);
		bpf_probe_read_kernel(&address.bytes[12], 4, head + V4_TO);
	} else {
		bpf_probe_read_kernel(&address.bytes, 16, head + V6_TO);
	}
	return bpf_map_lookup_elem(&seen, &address);
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(on_retransmit, const struct sock *sk)
{
	struct kho_tcp_seen *s = of_sock(sk);

	if (s)
		__sync_fetch_and_add(&s->retransmits, 1);
	return 0;
}

/* Either may be missing: without a packet it's a socket that is given up. */
SEC("tp_btf/tcp_send_reset")
int BPF_PROG(on_reset_sent, const struct sock *sk, const struct sk_buff *skb)
{
	struct kho_tcp_seen *s = NULL;

	if (!skb && sk)
		s = of_sock(sk);
	else if (sk && is_home_sock(sk))
		s = of_packet(skb);
	else if (skb && !sk && is_home(BPF_CORE_READ(skb, dev, nd_net.net)))
		s = of_packet(skb);
	if (s)
		__sync_fetch_and_add(&s->resets_sent, 1);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(on_reset_received, struct sock *sk)
{
	struct kho_tcp_seen *s = of_sock(sk);

	if (s)
		__sync_fetch_and_add(&s->resets_received, 1);
	return 0;
}

SEC("fexit/__tcp_select_window")
int BPF_PROG(on_window, struct sock *sk, __u32 window)
{
	struct kho_tcp_seen *s = window ? NULL : of_sock(sk);

	if (s)
		__sync_fetch_and_add(&s->zero_windows, 1);
	return 0;
}

SEC("fentry/tcp_send_probe0")
int BPF_PROG(on_probe, struct sock *sk)
{
	struct kho_tcp_seen *s = of_sock(sk);

	if (s)
		__sync_fetch_and_add(&s->window_probes, 1);
	return 0;
}
