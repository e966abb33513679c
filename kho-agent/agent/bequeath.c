// SPDX-License-Identifier: GPL-2.0-only
/* What's left to the next kernel; bequeath.h has the idea. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/bequeath.h"
#include "agent/bequeath_letter.h"
#include "agent/departure.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "system/kexec.h"
#include "system/luo.h"

int kho_bequeathal_new(uint64_t predicted_ms, struct kho_bequeathal **ret, struct kho_err *err)
{
	struct kho_bequeathal *b = calloc(1, sizeof(*b));

	if (!b)
		return kho_fail(err, -ENOMEM, "no memory for a move by kexec");
	b->predicted_ms = predicted_ms;
	b->session = -EBADF;
	b->device = kho_luo_open(err);
	if (b->device >= 0)
		b->session = kho_luo_create(b->device, KHO_BEQUEST_SESSION, err);
	if (b->session < 0) {
		kho_bequeathal_free(b);
		return err->code;
	}
	*ret = b;
	return 0;
}

void kho_bequeathal_free(struct kho_bequeathal *b)
{
	if (!b)
		return;
	if (b->session >= 0)
		close(b->session);
	if (b->device >= 0)
		close(b->device);
	for (unsigned int i = 0; i < b->nr; i++)
		if (b->kept[i].ours)
			close(b->kept[i].fd);
	free(b);
}

/* Nobody is there to do or to see it, nor is anything moved from driver to driver. */
void kho_bequeath_narrow(struct kho_mover *mover)
{
	for (unsigned int step = KHO_STEP_INSPECT + 1; step < _KHO_STEP_MAX; step++) {
		if (!kho_step_info(step)->remote && step != KHO_STEP_SAMPLE && step != KHO_STEP_DETACH)
			continue;
		for (uint32_t item = 0; item < KHO_MOVE_ITEMS; item++)
			kho_move_leave_out(&mover->move, step, item);
	}
	kho_mover_no_rehearsal(mover);
}

/* ---- what is kept ---- */

static int keep(struct kho_bequeathal *b, enum kho_bequest_sort sort, uint32_t item, int fd,
		bool ours, struct kho_err *err)
{
	struct stat st;

	if (b->nr == KHO_BEQUEATH_FILES || fstat(fd, &st) < 0) {
		if (ours)
			close(fd);
		return kho_fail(err, -E2BIG, "there's more to keep than for %u workloads",
				KHO_MOVE_ITEMS);
	}
	b->kept[b->nr] = (struct kho_kept){
		.sort = sort, .item = item, .fd = fd, .ours = ours,
		.token = KHO_BEQUEST_TOKEN + 1 + b->nr,
		.size = (uint64_t)st.st_size,
	};
	b->nr++;
	return 0;
}

int kho_bequeath_archive(struct kho_mover *mover, uint32_t item, const char *sort,
			 struct kho_archive *archive, kho_parcel_fn arrived, struct kho_err *err)
{
	bool images = strcmp(sort, kho_bequest_sort_name(KHO_BEQUEST_IMAGES)) == 0;
	const struct kho_err none = {};
	int fd = kho_file_in_memory(sort, archive->data, archive->size, err), r;

	kho_archive_done(archive);
	if (fd < 0)
		return fd;
	r = keep(mover->bequeathal, images ? KHO_BEQUEST_IMAGES : KHO_BEQUEST_FILES, item, fd, true,
		 err);
	if (r >= 0)
		arrived(mover, item, &none);
	return r;
}

static int keep_memory(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_page_keep *pages = kho_page_stream_keep(mover->departures[item]->memory);
	int data, index, r = kho_page_keep_close(pages, &data, &index, err);

	if (r >= 0)
		r = keep(mover->bequeathal, KHO_BEQUEST_INDEX, item, index, true, err);
	if (r >= 0)
		r = keep(mover->bequeathal, KHO_BEQUEST_PAGES, item, data, false, err);
	return r < 0 ? kho_wrap(err, r, "memory of %s", mover->config->workloads[item].name) : 0;
}

/* ---- the commit ---- */

static int preserve_letter(struct kho_mover *mover, struct kho_err *err)
{
	_cleanup_free_ char *data = NULL;
	_cleanup_close_ int fd = -EBADF;
	size_t size;
	int r = kho_bequeath_write_letter(mover, &data, &size, err);

	if (r < 0)
		return r;
	fd = kho_file_in_memory("bequest", data, size, err);
	return fd < 0 ? fd : kho_luo_preserve(mover->bequeathal->session, fd, KHO_BEQUEST_TOKEN,
					      err);
}

static int preserve_all(struct kho_mover *mover, struct kho_err *err)
{
	struct kho_bequeathal *b = mover->bequeathal;
	int r = 0;

	for (uint32_t item = 0; item < mover->config->nr_workloads && r >= 0; item++)
		r = keep_memory(mover, item, err);
	for (unsigned int i = 0; i < b->nr && r >= 0; i++)
		r = kho_luo_preserve(b->session, b->kept[i].fd, b->kept[i].token, err);
	return r < 0 ? r : preserve_letter(mover, err);
}

int kho_bequeath(struct kho_mover *mover, struct kho_err *err)
{
	int r = preserve_all(mover, err);

	if (r < 0)
		return r;
	kho_agent_progress(mover->agent, "this kernel ends; the workloads go on in the next one");
	kho_agent_is_alive();
	sync();
	return kho_kexec_jump(err);
}
