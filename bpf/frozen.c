// SPDX-License-Identifier: GPL-2.0-only
/* The probe "frozen", in user space; frozen.h has the idea. */
#include "bpf/probe.h"
#include "frozen.skel.h"

static void *open_skeleton(void)
{
	return kho_frozen_bpf__open();
}

static int read_seen(const struct kho_probe_object *o, uint32_t workload, struct kho_seen *ret,
		     struct kho_err *err)
{
	return kho_probe_read_seen(o, workload, &ret->frozen, sizeof(ret->frozen), err);
}

const struct kho_probe_ops kho_probe_frozen = {
	.name = "frozen",
	.image = { .name = "frozen", .open = open_skeleton },
	.watches = true,
	.leave_out = "on_call",
	.read = read_seen,
};
