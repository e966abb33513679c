/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loading programs into the kernel, behind an ops table: the real one is libbpf, a test
 * plays the kernel.
 *
 * An object is what one *.bpf.c came to: programs and maps. It's the caller's until drop(),
 * which takes its programs off; so does the end of the process.
 *
 * All return 0 or a negative errno, the kernel's or
 *   -ENOENT      this kernel has no BTF; the object has no such map or program
 *   -EPERM       BPF is locked down, or the caller may not
 */
#ifndef KHO_BPF_LOAD_H
#define KHO_BPF_LOAD_H

#include <stddef.h>

#include "base/err.h"

/* Of the generated *.skel.h. */
struct kho_bpf_image {
	const char *name;
	void *(*open)(void);		/* a skeleton; NULL with errno */
};

/* An element of a map. */
struct kho_bpf_cell {
	const char *map;
	const void *key;
	size_t key_size;
	void *value;
	size_t value_size;
};

struct kho_bpf_ops {
	/* Without the program @leave_out, if it isn't NULL. Nothing runs yet. */
	int (*load)(void *ctx, const struct kho_bpf_image *image, const char *leave_out,
		    void **ret, struct kho_err *err);
	/* All programs but those of cgroups. */
	int (*attach)(void *ctx, void *object, struct kho_err *err);
	int (*attach_cgroup)(void *ctx, void *object, const char *program, int cgroup,
			     struct kho_err *err);
	int (*put)(void *ctx, void *object, const struct kho_bpf_cell *cell, struct kho_err *err);
	int (*get)(void *ctx, void *object, const struct kho_bpf_cell *cell, struct kho_err *err);
	/* -ENOENT: it isn't there. A value needn't be given. */
	int (*erase)(void *ctx, void *object, const struct kho_bpf_cell *cell, struct kho_err *err);
	void (*drop)(void *ctx, void *object);
};

struct kho_bpf {
	const struct kho_bpf_ops *ops;
	void *ctx;
};

/* The kernel. */
struct kho_bpf kho_bpf_host(void);

#endif
