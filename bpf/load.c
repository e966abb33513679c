// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs in the running kernel, by libbpf; load.h has the contract.
 *
 * libbpf finds where members stand in this kernel by its BTF, which takes some MiB while
 * it's at it; they're freed with the end of the load.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf/load.h"

#define BTF_PATH	"/sys/kernel/btf/vmlinux"
#define CGROUPS		32u

/* How every generated skeleton begins. */
struct skeleton {
	struct bpf_object_skeleton *skeleton;
	struct bpf_object *obj;
};

struct object {
	struct skeleton *skeleton;
	struct bpf_link *links[CGROUPS];
	unsigned int nr;
};

/* It would write to stderr. */
static int say_nothing(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

static int explain(struct kho_err *err, int r, const char *what, const char *name)
{
	if (access(BTF_PATH, R_OK) < 0)
		return kho_fail(err, -ENOENT, "this kernel has no " BTF_PATH "; take one with "
				"CONFIG_DEBUG_INFO_BTF");
	if (r == -EPERM)
		return kho_fail(err, r, "the kernel lets nobody %s %s: it's locked down, or CAP_BPF and "
				"CAP_PERFMON are missing", what, name);
	return kho_fail_errno(err, r, "the kernel doesn't %s %s; it may have changed what that "
			      "looks at", what, name);
}

static void host_drop(void *ctx, void *object)
{
	struct object *o = object;

	(void)ctx;
	if (!o)
		return;
	for (unsigned int i = 0; i < o->nr; i++)
		bpf_link__destroy(o->links[i]);
	if (o->skeleton) {
		bpf_object__destroy_skeleton(o->skeleton->skeleton);
		free(o->skeleton);
	}
	free(o);
}

static int leave_out_program(const struct skeleton *skeleton, const char *name,
			     struct kho_err *err)
{
	struct bpf_program *program = bpf_object__find_program_by_name(skeleton->obj, name);

	if (!program)
		return kho_fail(err, -ENOENT, "there's no program %s; build the agent anew", name);
	bpf_program__set_autoload(program, false);
	return 0;
}

static int host_load(void *ctx, const struct kho_bpf_image *image, const char *leave_out,
		     void **ret, struct kho_err *err)
{
	struct object *o = calloc(1, sizeof(*o));
	int r = 0;

	if (!o)
		return kho_fail(err, -ENOMEM, "no memory for a probe");
	libbpf_set_print(say_nothing);
	o->skeleton = image->open();
	if (!o->skeleton)
		r = explain(err, -errno, "open", image->name);
	if (r >= 0 && leave_out)
		r = leave_out_program(o->skeleton, leave_out, err);
	if (r >= 0) {
		r = bpf_object__load_skeleton(o->skeleton->skeleton);
		if (r < 0)
			explain(err, r, "load", image->name);
	}
	if (r < 0) {
		host_drop(ctx, o);
		return r;
	}
	*ret = o;
	return 0;
}

static int host_attach(void *ctx, void *object, struct kho_err *err)
{
	struct object *o = object;
	int r = bpf_object__attach_skeleton(o->skeleton->skeleton);

	(void)ctx;
	return r < 0 ? explain(err, r, "attach", bpf_object__name(o->skeleton->obj)) : 0;
}

static int host_attach_cgroup(void *ctx, void *object, const char *name, int cgroup,
			      struct kho_err *err)
{
	struct object *o = object;
	struct bpf_program *program = bpf_object__find_program_by_name(o->skeleton->obj, name);
	struct bpf_link *link;

	(void)ctx;
	if (!program || o->nr == CGROUPS)
		return kho_fail(err, -ENOENT, "there's no room for, or no program %s; build the agent "
				"anew", name);
	link = bpf_program__attach_cgroup(program, cgroup);
	if (!link)
		return explain(err, -errno, "attach", name);
	o->links[o->nr++] = link;
	return 0;
}

static int find_map(const struct object *o, const char *name, struct bpf_map **ret,
		    struct kho_err *err)
{
	*ret = bpf_object__find_map_by_name(o->skeleton->obj, name);
	return *ret ? 0 : kho_fail(err, -ENOENT, "there's no map %s; build the agent anew", name);
}

static int host_put(void *ctx, void *object, const struct kho_bpf_cell *cell, struct kho_err *err)
{
	struct bpf_map *map;
	int r = find_map(object, cell->map, &map, err);

	(void)ctx;
	if (r < 0)
		return r;
	r = bpf_map__update_elem(map, cell->key, cell->key_size, cell->value, cell->value_size,
				 BPF_ANY);
	return r < 0 ? kho_fail_errno(err, r, "map %s", cell->map) : 0;
}

static int host_get(void *ctx, void *object, const struct kho_bpf_cell *cell, struct kho_err *err)
{
	struct bpf_map *map;
	int r = find_map(object, cell->map, &map, err);

	(void)ctx;
	if (r < 0)
		return r;
	r = bpf_map__lookup_elem(map, cell->key, cell->key_size, cell->value, cell->value_size, 0);
	return r < 0 ? kho_fail_errno(err, r, "map %s", cell->map) : 0;
}

static int host_erase(void *ctx, void *object, const struct kho_bpf_cell *cell,
		      struct kho_err *err)
{
	struct bpf_map *map;
	int r = find_map(object, cell->map, &map, err);

	(void)ctx;
	if (r < 0)
		return r;
	r = bpf_map__delete_elem(map, cell->key, cell->key_size, 0);
	return r < 0 ? kho_fail_errno(err, r, "map %s", cell->map) : 0;
}

static const struct kho_bpf_ops host_ops = {
	.load = host_load,
	.attach = host_attach,
	.attach_cgroup = host_attach_cgroup,
	.put = host_put,
	.get = host_get,
	.erase = host_erase,
	.drop = host_drop,
};

struct kho_bpf kho_bpf_host(void)
{
	return (struct kho_bpf){ .ops = &host_ops };
}
