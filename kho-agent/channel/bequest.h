/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A bequest: what a kernel leaves to the one that a kexec starts in its place, where there's
 * no channel because the two never run at the same time. It says what the files are that LUO
 * has kept, and what is to be done with them.
 *
 *	offset  size  field     all little endian
 *	0       4     magic     "KHOB"
 *	4       2     version   1
 *	6       2     flags     0
 *	8       4     length    of the payload, at most KHO_BEQUEST_MAX
 *	12      4     crc       CRC32C of the header with crc = 0, then the payload
 *	16            payload   a Bequest (proto/channel.proto)
 *
 * Old and new kernel may have different agents: fields are only added. Whatever is in it is
 * hostile until unpack() has looked at it. Pure.
 */
#ifndef KHO_CHANNEL_BEQUEST_H
#define KHO_CHANNEL_BEQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "channel.pb-c.h"

#define KHO_BEQUEST_MAGIC	0x424f484bu	/* "KHOB" */
#define KHO_BEQUEST_VERSION	1u
#define KHO_BEQUEST_HEADER_SIZE	16u
#define KHO_BEQUEST_MAX		(4u << 20)	/* bytes of a payload */
#define KHO_BEQUEST_ITEMS	32u		/* workloads, and addresses, at most */

enum kho_bequest_sort {
	KHO_BEQUEST_PAGES = 0,		/* data of a page store (migrate/pages/store.h) */
	KHO_BEQUEST_INDEX,		/* its index */
	KHO_BEQUEST_IMAGES,		/* an archive of CRIU's images */
	KHO_BEQUEST_FILES,		/* one of files that go with the workload */
	_KHO_BEQUEST_SORT_MAX,
};

const char *kho_bequest_sort_name(enum kho_bequest_sort sort);

/* *@ret is to be freed by free(). -ENOMEM; -EFBIG. */
int kho_bequest_pack(const Kho__Bequest *bequest, char **ret, size_t *ret_size,
		     struct kho_err *err);

/*
 * *@ret is to be freed by kho__bequest__free_unpacked(), and consistent: each workload has a
 * number below KHO_BEQUEST_ITEMS, a name and one file of each sort, and no two things have the
 * same number.
 *   -EBADMSG          not whole, or it contradicts itself
 *   -EPROTONOSUPPORT  of a later version
 */
int kho_bequest_unpack(const void *data, size_t size, Kho__Bequest **ret, struct kho_err *err);

/* The file of that sort of workload @item, of a bequest that was unpacked. Never NULL then. */
const Kho__BequestFile *kho_bequest_file(const Kho__Bequest *bequest, enum kho_bequest_sort sort,
					 uint32_t item);

#endif
