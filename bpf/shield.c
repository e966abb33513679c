// SPDX-License-Identifier: GPL-2.0-only
/* The shield, in user space; shield.h has the idea. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf/shield.h"
#include "shield.skel.h"

struct kho_shield {
	struct kho_bpf bpf;
	void *object;
};

static void *open_skeleton(void)
{
	return kho_shield_bpf__open();
}

static const struct kho_bpf_image image = { .name = "shield", .open = open_skeleton };

int kho_shield_new(const struct kho_bpf *bpf, struct kho_shield **ret, struct kho_err *err)
{
	struct kho_shield *shield = calloc(1, sizeof(*shield));
	int r;

	if (!shield)
		return kho_fail(err, -ENOMEM, "no memory for a shield");
	shield->bpf = *bpf;
	r = bpf->ops->load(bpf->ctx, &image, NULL, &shield->object, err);
	if (r >= 0)
		r = bpf->ops->attach(bpf->ctx, shield->object, err);
	if (r < 0)
		kho_shield_free(shield);
	else
		*ret = shield;
	return r;
}

int kho_shield_cover(struct kho_shield *shield, pid_t pid, struct kho_err *err)
{
	uint32_t process = (uint32_t)pid, keeper = (uint32_t)getpid();
	const struct kho_bpf_cell cell = {
		.map = "shielded",
		.key = &process,
		.key_size = sizeof(process),
		.value = &keeper,
		.value_size = sizeof(keeper),
	};

	return shield ? shield->bpf.ops->put(shield->bpf.ctx, shield->object, &cell, err) : 0;
}

void kho_shield_uncover(struct kho_shield *shield, pid_t pid)
{
	uint32_t process = (uint32_t)pid;
	const struct kho_bpf_cell cell = {
		.map = "shielded", .key = &process, .key_size = sizeof(process),
	};

	/* one that isn't there is none the less gone */
	if (shield)
		(void)shield->bpf.ops->erase(shield->bpf.ctx, shield->object, &cell, NULL);
}

struct kho_shield *kho_shield_free(struct kho_shield *shield)
{
	if (shield && shield->object)
		shield->bpf.ops->drop(shield->bpf.ctx, shield->object);
	free(shield);
	return NULL;
}
