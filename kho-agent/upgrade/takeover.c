// SPDX-License-Identifier: GPL-2.0-only
/* Taking over from a retired kernel; takeover.h has the idea. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "upgrade/takeover.h"

#define LEFT_MAX	(256u << 10)	/* a frame of the channel holds no more */

/* ---- CPUs ---- */

static bool is_asleep(const struct kho_take_cpus *cpus, uint32_t apic_id)
{
	for (size_t i = 0; i < cpus->nr_asleep; i++)
		if (cpus->asleep[i] == apic_id)
			return true;
	return false;
}

static int keep_first(int first, int r, struct kho_err *err, const struct kho_err *one)
{
	if (first < 0 || r >= 0)
		return first;
	if (err)
		*err = *one;
	return r;
}

int kho_take_cpus(const struct kho_take_cpus *cpus, const struct kho_take_cpu_ops *ops, void *ctx,
		  size_t *ret_stuck, struct kho_err *err)
{
	_cleanup_free_ bool *stuck = calloc(cpus->nr + 1, sizeof(*stuck));
	struct kho_err one;
	int first = 0, r;

	*ret_stuck = cpus->nr;
	if (!stuck)
		return kho_fail(err, -ENOMEM, "no memory to take CPUs");
	*ret_stuck = 0;
	for (size_t i = 0; i < cpus->nr; i++) {
		r = ops->fetch(ctx, cpus->apic_ids[i], &one);
		stuck[i] = r < 0;
		*ret_stuck += stuck[i];
		first = keep_first(first, r, err, &one);
	}
	for (size_t i = 0; i < cpus->nr; i++) {
		if (stuck[i] || is_asleep(cpus, cpus->apic_ids[i]))
			continue;
		r = ops->online(ctx, cpus->apic_ids[i], &one);
		first = keep_first(first, r, err, &one);
	}
	return first;
}

/* ---- the list ---- */

int kho_left_write(const char *path, const Kho__RetireReady *left, struct kho_err *err)
{
	size_t size = kho__retire_ready__get_packed_size(left);
	_cleanup_free_ uint8_t *bytes = malloc(size + 1);
	const struct kho_file_content content = { .data = bytes, .size = size, .mode = 0600 };

	if (!bytes)
		return kho_fail(err, -ENOMEM, "no memory for the list of what is left");
	kho__retire_ready__pack(left, bytes);
	return kho_file_write_atomic(path, &content, err);
}

int kho_left_read(const char *path, Kho__RetireReady **ret, struct kho_err *err)
{
	_cleanup_free_ char *bytes = NULL;
	Kho__RetireReady *left;
	size_t size;
	int r = kho_file_read(path, LEFT_MAX, &bytes, &size, err);

	if (r < 0)
		return r;
	left = kho__retire_ready__unpack(NULL, size, (const uint8_t *)bytes);
	if (!left)
		return kho_fail(err, -EBADMSG, "%s isn't a list of what is left; functions of the "
				"retired kernel stay unused until the next boot", path);
	*ret = left;
	return 0;
}
