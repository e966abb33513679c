/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The log of a kernel that can't be asked any more, out of its memory.
 *
 * printk keeps records in a ring of descriptors and a ring of texts. VMCOREINFO
 * says where they are and how they look, so this works for any kernel since 5.10.
 * It's found at a given address (the status page has one once our module runs)
 * or by a search through the kernel's memory.
 *
 * A kernel that died before it wrote VMCOREINFO has its first log buffer still,
 * which starts with "Linux version ": its texts are taken from there, without
 * times and levels, for as long as they look like texts.
 *
 * The kernel may still run, or hang, or have written anything: every address is
 * translated and checked, every loop is bounded, records that make no sense are
 * counted and skipped. What comes out is bytes; only kho_dmesg_text() makes them
 * fit to be shown.
 *
 * Memory isn't cleared between two kernels: the log of the one before is found as
 * well, if the new one hasn't overwritten it. Clear the region before it starts.
 */
#ifndef KHO_SPAWN_DMESG_H
#define KHO_SPAWN_DMESG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "spawn/phys.h"
#include "spawn/vmcoreinfo.h"

struct kho_dmesg_source {
	struct kho_phys_reader reader;	/* of the kernel's memory */
	struct mk_range vmcoreinfo;	/* where it says it is; start 0: unknown */
	const struct mk_range *ranges;	/* the kernel's RAM, for the searches */
	size_t nr_ranges;
};

struct kho_dmesg_record {
	bool has_meta;			/* seq to level are known */
	uint64_t seq;
	uint64_t ts_nsec;		/* the kernel's own clock */
	uint32_t caller_id;
	uint8_t facility;		/* as in syslog(3) */
	uint8_t level;			/* 0 (emergency) to 7 (debug) */
	const char *text;		/* any bytes, not terminated; valid during the call */
	size_t text_len;		/* at most 65535 */
};

struct kho_dmesg_sink {
	/* Anything but 0 ends the reading and is its result. */
	int (*record)(void *ctx, const struct kho_dmesg_record *record);
	void *ctx;
};

struct kho_dmesg_result {
	bool early;			/* it was the early log buffer */
	char release[KHO_RELEASE_SIZE];	/* empty if it isn't known */
	uint32_t records;		/* given to the sink */
	uint32_t lost;			/* there, but not readable */
};

/*
 * Gives the records to @sink, oldest first. @ret may be NULL.
 * -ENOENT: no log was found; the message says what was tried.
 */
int kho_dmesg_read(const struct kho_dmesg_source *source, const struct kho_dmesg_sink *sink,
		   struct kho_dmesg_result *ret, struct kho_err *err);

struct kho_dmesg_text {
	char *text;			/* NUL-terminated; free() it */
	size_t size;			/* without the NUL */
	struct kho_dmesg_result result;
};

/*
 * The same as lines of printable ASCII and tabs: "[    1.234567] text". Other
 * bytes become \xNN. If there's more than @max bytes (64 to 16 MiB), the newest
 * whole lines are kept.
 */
int kho_dmesg_text(const struct kho_dmesg_source *source, size_t max, struct kho_dmesg_text *ret,
		   struct kho_err *err);

#endif
