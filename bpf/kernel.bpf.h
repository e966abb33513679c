/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the probes know of the kernel's structures: only the members that they read, by name.
 * Where these stand in the running kernel is found when a probe is loaded (CO-RE), so
 * nothing here follows from any one kernel, and a build needs none.
 */
#ifndef KHO_BPF_KERNEL_H
#define KHO_BPF_KERNEL_H

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[];
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct task_struct {
	unsigned int __state;
	unsigned int ptrace;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct css_set *cgroups;
};

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	possible_net_t nd_net;
};

struct sock_common {
	possible_net_t skc_net;
	unsigned short skc_family;
	__u32 skc_rcv_saddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
};

struct sk_buff {
	struct net_device *dev;
	__u16 protocol;
	__u16 network_header;
	unsigned char *head;
};

#pragma clang attribute pop

#define TASK_TRACED_BIT	8u		/* __TASK_TRACED */
#define LOOPBACK	1u		/* always its number */

char LICENSE[] SEC("license") = "GPL";

#endif
