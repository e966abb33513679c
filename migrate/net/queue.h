/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One NFQUEUE: packets that the kernel keeps until it's told what becomes of
 * them. Packets themselves stay in the kernel; we only know their numbers, which
 * ascend. Without a reader (closed, or the process died) the kernel drops what
 * is in the queue and what would come into it.
 */
#ifndef KHO_MIGRATE_NET_QUEUE_H
#define KHO_MIGRATE_NET_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "migrate/net/nl.h"

struct kho_queue {
	struct kho_nl nl;
	uint16_t number;
	uint32_t last;		/* number of the last packet that we heard of */
	uint32_t decided;	/* up to this one it's decided */
	uint64_t seen, released;
};

/* What becomes of packets: NF_ACCEPT goes on, NF_REPEAT runs the chain again. */
struct kho_queue_verdict {
	uint32_t verdict;
	uint32_t mark;		/* that packets get, 0: leave it */
};

/* @length: packets that it takes; more are dropped. -EBUSY: taken by another. */
int kho_queue_open(uint16_t number, uint32_t length, struct kho_queue *ret,
		   struct kho_err *err);
void kho_queue_close(struct kho_queue *queue);

/* Reads what came, without blocking. Returns whether there was anything. */
int kho_queue_read(struct kho_queue *queue, struct kho_err *err);

/* Reads and decides, until the queue is empty. */
int kho_queue_drain(struct kho_queue *queue, const struct kho_queue_verdict *verdict,
		    struct kho_err *err);

/* Packets that the kernel had to drop. */
int kho_queue_dropped(const struct kho_queue *queue, uint64_t *ret, struct kho_err *err);

#endif
