// SPDX-License-Identifier: GPL-2.0-only
/* All probes of one kernel; probes.h has the idea. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "bpf/probe.h"

#define CGROUP_ROOT	"/sys/fs/cgroup"

struct kho_probes {
	enum kho_probe_side side;
	struct kho_probe_object objects[_KHO_PROBE_MAX];	/* .object NULL: see why */
	char why[_KHO_PROBE_MAX][KHO_PROBE_WHY];
	char unwatched[KHO_WATCHED][KHO_PROBE_WHY];	/* why a workload isn't; "": it is */
};

static const struct kho_probe_ops *ops_of(enum kho_probe probe)
{
	static const struct kho_probe_ops *const all[_KHO_PROBE_MAX] = {
		[KHO_PROBE_FROZEN] = &kho_probe_frozen,
		[KHO_PROBE_SILENT] = &kho_probe_silent,
		[KHO_PROBE_FAULTS] = &kho_probe_faults,
		[KHO_PROBE_TCP] = &kho_probe_tcp,
	};

	return all[probe];
}

const char *kho_probe_name(enum kho_probe probe)
{
	return ops_of(probe)->name;
}

static void drop(struct kho_probe_object *o)
{
	if (o->object)
		o->bpf.ops->drop(o->bpf.ctx, o->object);
	o->object = NULL;
}

static void set_why(char why[KHO_PROBE_WHY], const char *text)
{
	snprintf(why, KHO_PROBE_WHY, "%.*s", (int)KHO_PROBE_WHY - 1, text);
}

/* Not a failure of anything else. */
static void give_up(struct kho_probes *probes, enum kho_probe probe, const struct kho_err *why)
{
	drop(&probes->objects[probe]);
	set_why(probes->why[probe], why->msg);
}

static void load(struct kho_probes *probes, enum kho_probe probe)
{
	const struct kho_probe_ops *ops = ops_of(probe);
	struct kho_probe_object *o = &probes->objects[probe];
	bool leaves = probes->side == KHO_PROBE_LEAVES;
	struct kho_err err;

	if (ops->one_side && leaves)
		set_why(probes->why[probe], "this kernel is only left; the other one measures it");
	else if (o->bpf.ops->load(o->bpf.ctx, &ops->image, leaves ? ops->leave_out : NULL,
				  &o->object, &err) < 0)
		give_up(probes, probe, &err);
}

int kho_probes_new(const struct kho_bpf *bpf, enum kho_probe_side side, struct kho_probes **ret,
		   struct kho_err *err)
{
	struct kho_probes *probes = calloc(1, sizeof(*probes));

	if (!probes)
		return kho_fail(err, -ENOMEM, "no memory for probes");
	probes->side = side;
	for (unsigned int i = 0; i < KHO_WATCHED; i++)
		set_why(probes->unwatched[i], "its cgroup wasn't watched; it came or went too early");
	for (unsigned int probe = 0; probe < _KHO_PROBE_MAX; probe++) {
		probes->objects[probe].bpf = *bpf;
		load(probes, probe);
	}
	*ret = probes;
	return 0;
}

void kho_probes_attach(struct kho_probes *probes)
{
	for (unsigned int probe = 0; probe < _KHO_PROBE_MAX; probe++) {
		struct kho_probe_object *o = &probes->objects[probe];
		struct kho_err err;

		if (o->object && o->bpf.ops->attach(o->bpf.ctx, o->object, &err) < 0)
			give_up(probes, probe, &err);
	}
}

/* ---- watching ---- */

static int put_number(const struct kho_probe_object *o, struct kho_bpf_cell cell, uint32_t value,
		      struct kho_err *err)
{
	cell.value = &value;
	cell.value_size = sizeof(value);
	return o->bpf.ops->put(o->bpf.ctx, o->object, &cell, err);
}

static int watch_one(const struct kho_probe_ops *ops, const struct kho_probe_object *o,
		     const struct kho_probe_watch *watch, uint64_t id, struct kho_err *err)
{
	const struct kho_bpf_cell watched = { .map = "watched", .key = &id, .key_size = sizeof(id) };
	int r = put_number(o, watched, watch->workload, err);

	return r >= 0 && ops->watch ? ops->watch(o, watch, err) : r;
}

/* Tasks of it may have run already, and have been found to be nobody's. */
static void remember(const struct kho_probe_object *o, uint32_t workload, uint64_t id)
{
	const struct kho_bpf_cell known = { .map = "known", .key = &id, .key_size = sizeof(id) };

	/* a full cache, or none, is no failure */
	(void)put_number(o, known, workload, NULL);
}

static unsigned int levels_of(const char *cgroup)
{
	const char *below = strncmp(cgroup, CGROUP_ROOT, strlen(CGROUP_ROOT)) == 0 ?
			    cgroup + strlen(CGROUP_ROOT) : cgroup;
	unsigned int levels = 0;

	for (; *below; below++)
		levels += below[0] == '/' && below[1] && below[1] != '/';
	return levels;
}

/* The number of a cgroup's folder is the cgroup's id. */
static int open_cgroup(const char *cgroup, uint64_t *ret_id, struct kho_err *err)
{
	_cleanup_close_ int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return kho_fail_errno(err, -errno, "%s", cgroup);
	if (levels_of(cgroup) > KHO_WATCH_LEVEL)
		return kho_fail(err, -EOVERFLOW, "its cgroup is more than %d levels deep",
				KHO_WATCH_LEVEL);
	*ret_id = st.st_ino;
	return TAKE_FD(fd);
}

void kho_probes_watch(struct kho_probes *probes, uint32_t workload, const char *cgroup)
{
	struct kho_probe_watch watch = { .workload = workload };
	struct kho_err err;
	uint64_t id = 0;

	if (workload >= KHO_WATCHED)
		return;
	watch.cgroup = open_cgroup(cgroup, &id, &err);
	set_why(probes->unwatched[workload], watch.cgroup < 0 ? err.msg : "");
	if (watch.cgroup < 0)
		return;
	for (unsigned int probe = 0; probe < _KHO_PROBE_MAX; probe++) {
		const struct kho_probe_ops *ops = ops_of(probe);
		struct kho_probe_object *o = &probes->objects[probe];

		if (!o->object || !ops->watches)
			continue;
		if (watch_one(ops, o, &watch, id, &err) < 0)
			give_up(probes, probe, &err);
		else
			remember(o, workload, id);
	}
	close(watch.cgroup);
}

void kho_probes_watch_address(struct kho_probes *probes, const struct kho_tcp_address *address)
{
	struct kho_probe_object *o = &probes->objects[KHO_PROBE_TCP];
	struct kho_err err;

	if (o->object && kho_probe_tcp_add(o, address, &err) < 0)
		give_up(probes, KHO_PROBE_TCP, &err);
}

void kho_probes_mark(struct kho_probes *probes, uint32_t workload, enum kho_watch_phase phase)
{
	const struct kho_bpf_cell cell = {
		.map = "phase", .key = &workload, .key_size = sizeof(workload),
	};
	struct kho_err err;

	for (unsigned int probe = 0; probe < _KHO_PROBE_MAX; probe++)
		if (probes->objects[probe].object && ops_of(probe)->watches &&
		    put_number(&probes->objects[probe], cell, phase, &err) < 0)
			give_up(probes, probe, &err);
}

/* ---- reading ---- */

int kho_probe_read_seen(const struct kho_probe_object *o, uint32_t workload, void *ret, size_t size,
			struct kho_err *err)
{
	const struct kho_bpf_cell cell = {
		.map = "seen",
		.key = &workload,
		.key_size = sizeof(workload),
		.value = ret,
		.value_size = size,
	};

	return o->bpf.ops->get(o->bpf.ctx, o->object, &cell, err);
}

void kho_probes_read(struct kho_probes *probes, uint32_t workload, struct kho_seen *ret)
{
	struct kho_err err;

	memset(ret, 0, sizeof(*ret));
	for (unsigned int probe = 0; probe < _KHO_PROBE_MAX; probe++) {
		const struct kho_probe_ops *ops = ops_of(probe);
		struct kho_probe_object *o = &probes->objects[probe];
		bool watched = workload < KHO_WATCHED && !*probes->unwatched[workload];

		if (o->object && ops->watches && !watched)
			set_why(ret->why[probe], workload < KHO_WATCHED ?
				probes->unwatched[workload] : "it's none of the workloads");
		else if (o->object && ops->read && ops->read(o, workload, ret, &err) < 0)
			give_up(probes, probe, &err);
		if (!o->object)
			set_why(ret->why[probe], probes->why[probe]);
	}
}

bool kho_probes_read_address(struct kho_probes *probes, const struct kho_tcp_address *address,
			     struct kho_tcp_seen *ret)
{
	struct kho_probe_object *o = &probes->objects[KHO_PROBE_TCP];
	struct kho_err err;

	if (!o->object)
		return false;
	if (kho_probe_tcp_read(o, address, ret, &err) >= 0)
		return true;
	give_up(probes, KHO_PROBE_TCP, &err);
	return false;
}

const char *kho_probes_why(const struct kho_probes *probes, enum kho_probe probe)
{
	return probes->objects[probe].object ? NULL : probes->why[probe];
}

struct kho_probes *kho_probes_free(struct kho_probes *probes)
{
	for (unsigned int probe = 0; probes && probe < _KHO_PROBE_MAX; probe++)
		drop(&probes->objects[probe]);
	free(probes);
	return NULL;
}
