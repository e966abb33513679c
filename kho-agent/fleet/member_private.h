/* SPDX-License-Identifier: GPL-2.0-only */
/* A member's transactions, for member.c. */
#ifndef KHO_FLEET_MEMBER_PRIVATE_H
#define KHO_FLEET_MEMBER_PRIVATE_H

#include "fleet/member.h"

static inline uint64_t kho_member_now(const struct kho_member *member)
{
	return member->machine->now_ms(member->ctx);
}

static inline uint64_t kho_member_mono(const struct kho_member *member)
{
	return member->machine->mono_ms(member->ctx);
}

/* All return 1: made; 0: something has changed, decide anew; or an error of etcd's. */
int kho_member_register(struct kho_member *member, struct kho_err *err);
int kho_member_take(struct kho_member *member, const struct kho_decision *decision,
		    struct kho_err *err);
int kho_member_report(struct kho_member *member, const struct kho_decision *decision,
		      struct kho_err *err);
/* RELEASE and FREE */
int kho_member_release(struct kho_member *member, const struct kho_decision *decision,
		       struct kho_err *err);
/* HALT and FINISH */
int kho_member_close(struct kho_member *member, const struct kho_decision *decision,
		     struct kho_err *err);

/* Into member->semaphore. */
int kho_member_read_semaphore(struct kho_member *member, struct kho_err *err);

#endif
