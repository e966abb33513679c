/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside bpf/: what a probe is to probes.c; each is one triplet NAME.bpf.c, NAME.c, NAME.h. */
#ifndef KHO_BPF_PROBE_H
#define KHO_BPF_PROBE_H

#include "bpf/load.h"
#include "bpf/probes.h"

/* An object in the kernel, and how it's reached. */
struct kho_probe_object {
	struct kho_bpf bpf;
	void *object;
};

struct kho_probe_watch {
	uint32_t workload;
	int cgroup;			/* its folder */
};

struct kho_probe_ops {
	const char *name;
	struct kho_bpf_image image;
	bool one_side;			/* it's for the side that workloads come to, alone */
	bool watches;			/* workloads, by watch.bpf.h */
	const char *leave_out;		/* a program that the other side has no use for, or NULL */
	/* besides; NULL: nothing */
	int (*watch)(const struct kho_probe_object *o, const struct kho_probe_watch *watch,
		     struct kho_err *err);
	int (*read)(const struct kho_probe_object *o, uint32_t workload, struct kho_seen *ret,
		    struct kho_err *err);
};

extern const struct kho_probe_ops kho_probe_frozen, kho_probe_silent, kho_probe_faults,
	kho_probe_tcp;

/* Element @workload of the array "seen". */
int kho_probe_read_seen(const struct kho_probe_object *o, uint32_t workload, void *ret, size_t size,
			struct kho_err *err);

/* tcp.c */
int kho_probe_tcp_add(const struct kho_probe_object *o, const struct kho_tcp_address *address,
		      struct kho_err *err);
int kho_probe_tcp_read(const struct kho_probe_object *o, const struct kho_tcp_address *address,
		       struct kho_tcp_seen *ret, struct kho_err *err);

#endif
