// SPDX-License-Identifier: GPL-2.0-only
/* The two sides of a session; side.h has the idea. */
#include <errno.h>

#include "agent/pci.h"
#include "agent/side.h"
#include "agent/spawn.h"

/* The old kernel runs on CPUs that can't be taken from here: only itself can say it's gone. */
static int fence_old(struct kho_agent *agent, struct kho_err *err)
{
	const struct kho_session *session = agent->session;
	uint32_t state = session && session->peer->magic == MK_STATUS_MAGIC ?
		session->peer->state : MK_STATE_NONE;

	if (state == MK_STATE_PANICKED || state == MK_STATE_STOPPED || state == MK_STATE_RETIRED)
		return 0;
	return kho_fail(err, -EBUSY, "the old kernel can't be stopped from here; its agent has to "
			"come back");
}

/*
 * CPUs first, so that whatever fails after them, the new kernel has ended. Nothing of what
 * it owned may be used if they aren't taken.
 */
static int fence_new(struct kho_agent *agent, struct kho_err *err)
{
	struct mk_info info;
	struct kho_err rest;

	if (kho_reclaim(agent, &rest) >= 0)
		return 0;
	if (kho_device_info(&agent->device, &info, NULL) < 0 || info.nr_lent_cpus) {
		*err = rest;
		return kho_wrap(err, -EBUSY, "the new kernel can't be stopped, so nothing that it "
				"owns is used");
	}
	kho_agent_progress(agent, "not all could be taken back: %s", rest.msg);
	return 0;
}

static const struct kho_side old_side = {
	.is_new = false,
	.self = "old kernel",
	.peer = "new kernel",
	.give = kho_pci_hold_still,
	.take = kho_pci_let_go,
	.commit = kho_owner_commit,
	.fence = fence_new,
};

static const struct kho_side new_side = {
	.is_new = true,
	.self = "new kernel",
	.peer = "old kernel",
	.give = kho_pci_drop_grant,
	.take = kho_pci_take_grant,
	.commit = kho_owner_return,
	.fence = fence_old,
};

const struct kho_side *kho_side(const struct kho_agent *agent)
{
	const struct kho_session *session = agent->session;

	return session && session->role->role == KHO_ROLE_NEW ? &new_side : &old_side;
}

/* ---- the record ---- */

static void *find_record(struct kho_agent *agent, uint64_t *ret_size, struct kho_err *err)
{
	void *arena = agent->session ? kho_session_arena(agent->session, "owners", ret_size) : NULL;

	if (!arena)
		kho_fail(err, -EBADMSG, "there's no record of ownership");
	return arena;
}

int kho_side_owner(struct kho_agent *agent, struct kho_owner *ret, struct kho_err *err)
{
	uint64_t size;
	const void *arena = find_record(agent, &size, err);

	return arena ? kho_owner_read(arena, size, ret, err) : -EBADMSG;
}

static bool owner_is(struct kho_agent *agent, bool is_new)
{
	struct kho_owner owner;

	return kho_side_owner(agent, &owner, NULL) >= 0 && owner.is_new == is_new;
}

bool kho_side_owns(struct kho_agent *agent)
{
	return owner_is(agent, kho_side(agent)->is_new);
}

bool kho_side_peer_owns(struct kho_agent *agent)
{
	return owner_is(agent, !kho_side(agent)->is_new);
}

int kho_side_commit(struct kho_agent *agent, uint64_t move, struct kho_err *err)
{
	struct kho_owner owner;
	uint64_t size;
	void *arena = find_record(agent, &size, err);

	return arena ? kho_side(agent)->commit(arena, size, move, &owner, err) : -EBADMSG;
}
