// SPDX-License-Identifier: GPL-2.0-only
/* Archives on their way; parcel.h has the contract. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/bequeath.h"
#include "agent/parcel.h"

struct parcel {
	struct kho_agent *agent;
	uint64_t move;
	uint32_t item;
	kho_parcel_fn arrived;
};

static void on_done(void *ctx, uint64_t bytes, const struct kho_err *err)
{
	struct parcel *parcel = ctx;
	struct kho_mover *mover = parcel->agent->mover;

	(void)bytes;
	if (mover && mover->id == parcel->move)
		parcel->arrived(mover, parcel->item, err);
	free(parcel);
}

int kho_parcel_send(struct kho_mover *mover, uint32_t item, const char *sort,
		    struct kho_archive *archive, kho_parcel_fn arrived, struct kho_err *err)
{
	struct parcel *parcel;
	struct kho_block block = {
		.data = archive->data, .size = archive->size, .done = on_done,
	};
	char kind[KHO_STREAM_KIND];
	int r;

	if (mover->bequeathal)
		return kho_bequeath_archive(mover, item, sort, archive, arrived, err);
	parcel = calloc(1, sizeof(*parcel));
	if (!parcel) {
		kho_archive_done(archive);
		return kho_fail(err, -ENOMEM, "no memory to send files");
	}
	block.ctx = parcel;
	*archive = (struct kho_archive){};
	*parcel = (struct parcel){ mover->agent, mover->id, item, arrived };
	snprintf(kind, sizeof(kind), "%s:%s", sort, mover->config->workloads[item].name);
	r = kho_transfer_send_block(mover->agent->session, kind, &block, err);
	if (r < 0)
		free(parcel);
	return r;
}
