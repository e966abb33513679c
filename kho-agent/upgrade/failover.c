// SPDX-License-Identifier: GPL-2.0-only
/* What to do about a lost new kernel; failover.h has the idea. */
#include "upgrade/failover.h"

enum kho_answer kho_failover_decide(const struct kho_owner *owner, enum kho_loss loss, bool stay)
{
	if (owner && !owner->is_new)
		return KHO_ANSWER_RECLAIM;
	if (!stay || loss == KHO_LOSS_GONE)
		return KHO_ANSWER_RESTART;
	return loss == KHO_LOSS_SILENT ? KHO_ANSWER_LISTEN : KHO_ANSWER_STAY;
}
