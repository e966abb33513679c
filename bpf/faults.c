// SPDX-License-Identifier: GPL-2.0-only
/* The probe "faults", in user space; faults.h has the idea. */
#include "bpf/probe.h"
#include "faults.skel.h"

static void *open_skeleton(void)
{
	return kho_faults_bpf__open();
}

static int read_seen(const struct kho_probe_object *o, uint32_t workload, struct kho_seen *ret,
		     struct kho_err *err)
{
	return kho_probe_read_seen(o, workload, &ret->faults, sizeof(ret->faults), err);
}

const struct kho_probe_ops kho_probe_faults = {
	.name = "faults",
	.image = { .name = "faults", .open = open_skeleton },
	.one_side = true,
	.watches = true,
	.read = read_seen,
};
