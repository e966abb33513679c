/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes CRIU's images of memory out of a page store, so that stock CRIU restores
 * a workload lazily and in a time that doesn't depend on how much memory it has.
 *
 * Theory of operation
 *
 * A dump with a page server leaves a directory of images without the memory:
 * no pagemap-*.img, no pages-*.img. These are made here, in the same directory:
 *
 *	pagemap-PID.img, pagemap-shmem-ID.img	which pages exist, and how they
 *						are restored
 *	pages-N.img				the data of those that aren't lazy
 *
 * A page is lazy if CRIU can restore it after its task runs: in a mapping that is
 * private, anonymous, not locked, not of huge pages and none of the kernel's own
 * (vDSO, vvar, vsyscall), for CRIU registers just these with userfaultfd; and not
 * in one that a fork wipes. Its entry says LAZY and nothing else, and there's no
 * data in pages-N.img: the page server (serve.h) has it in the store. All other
 * pages (private file mappings, locked memory, shared memory) say PRESENT and are
 * copied; CRIU reads them before the tasks run. Which mappings there are comes from
 * mm-PID.img (images.h). Pages in the store that no mapping has are left out.
 */
#ifndef KHO_PAGES_COMPOSE_H
#define KHO_PAGES_COMPOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "migrate/pages/store.h"

struct kho_compose_stats {
	uint32_t tasks;
	uint32_t shmems;
	uint64_t entries;		/* of all pagemaps */
	uint64_t lazy_pages;
	uint64_t eager_pages;		/* copied into pages-N.img */
};

struct kho_compose {
	const struct kho_page_store *store;
	int dir_fd;			/* the images; files are created in it */
	bool eager;			/* nothing is lazy: for tests and comparison */
};

/*
 *   -ENOENT    an image that has to be there isn't: named
 *   -EBADMSG   not an image, or one of a CRIU that's too new: named
 *   -EFBIG     an image is beyond all reason
 *   or the errno of a system call. What was written by then stays.
 */
int kho_compose(const struct kho_compose *compose, struct kho_compose_stats *ret,
		struct kho_err *err);

#endif
