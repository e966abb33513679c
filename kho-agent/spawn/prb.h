/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * printk's ring buffer, seen from outside. Private to dmesg*.c.
 *
 *	descriptor ring			text ring
 *	count = 2^count_bits		size = 2^size_bits bytes
 *	+-------------------+		+----------------------------------+
 *	| state | begin next|---------->| id, 8 bytes | text | pad to 8 |...
 *	+-------------------+		+----------------------------------+
 *	  and an info each: seq, time, length, facility, level
 *
 * state: bits 63:62 say whether the record is being written (0), committed (1),
 * final (2) or its descriptor free for reuse (3); the others are its id. A record
 * with id n has descriptor n modulo count. begin and next are positions that grow
 * for ever, modulo size. A block that doesn't fit before the end of the text ring
 * lies at its start. Odd positions mean that there's no block: 1 because there
 * was no room for the text, 3 because it's empty.
 */
#ifndef KHO_SPAWN_PRB_H
#define KHO_SPAWN_PRB_H

#include "spawn/dmesg.h"
#include "spawn/kvirt.h"

#define KHO_PRB_MAX_COUNT_BITS	20	/* a log buffer of 32 MiB */
#define KHO_PRB_MAX_SIZE_BITS	26
#define KHO_PRB_TEXT_MAX	65535u

struct kho_prb {
	struct kho_kvirt kvirt;
	struct kho_prb_layout layout;
	uint64_t descs;			/* virtual addresses of the arrays */
	uint64_t infos;
	uint64_t data;
	uint32_t count_bits;
	uint32_t size_bits;
	uint64_t head_id;		/* newest */
	uint64_t tail_id;		/* oldest */
};

/* -EBADMSG: there's no ring where @info says, or none that can be. */
int kho_prb_open(const struct kho_phys_reader *reader, const struct kho_vmcoreinfo *info,
		 struct kho_prb *ret);

/*
 * Gives the records to @sink (NULL: only counts them), oldest first, and adds to
 * @result. @text is room for KHO_PRB_TEXT_MAX bytes. 0, or what the sink returned.
 */
int kho_prb_walk(struct kho_prb *prb, const struct kho_dmesg_sink *sink, char *text,
		 struct kho_dmesg_result *result);

/*
 * The early log buffer, found by a search. Arguments and result as above.
 * -ENOENT: there's none.
 */
int kho_prb_early(const struct kho_dmesg_source *source, const struct kho_dmesg_sink *sink,
		  struct kho_dmesg_result *result);

#endif
