// SPDX-License-Identifier: GPL-2.0-only
/* The probe "silent", in user space; silent.h has the idea. */
#include "bpf/probe.h"
#include "silent.skel.h"

static void *open_skeleton(void)
{
	return kho_silent_bpf__open();
}

static int watch(const struct kho_probe_object *o, const struct kho_probe_watch *what,
		 struct kho_err *err)
{
	return o->bpf.ops->attach_cgroup(o->bpf.ctx, o->object, "on_packet", what->cgroup, err);
}

static int read_seen(const struct kho_probe_object *o, uint32_t workload, struct kho_seen *ret,
		     struct kho_err *err)
{
	return kho_probe_read_seen(o, workload, &ret->silent, sizeof(ret->silent), err);
}

const struct kho_probe_ops kho_probe_silent = {
	.name = "silent",
	.image = { .name = "silent", .open = open_skeleton },
	.watches = true,
	.watch = watch,
	.read = read_seen,
};
