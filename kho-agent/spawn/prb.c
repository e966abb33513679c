// SPDX-License-Identifier: GPL-2.0-only
/* printk's ring buffer, seen from outside; prb.h has the format. */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "spawn/prb.h"

#define ID_BITS		62
#define ID_MASK		((1ULL << ID_BITS) - 1)
#define STATE_COMMITTED	1
#define STATE_FINAL	2
#define STATE_REUSABLE	3
#define EMPTY_TEXT	3	/* begin and next of a record without text */

#define MAX_STRUCT	1024u	/* kho_vmcoreinfo_parse() allows no more */

/* A descriptor and its info, as numbers. */
struct desc {
	uint64_t state;
	uint64_t begin;
	uint64_t next;
};

static uint64_t u64_at(const uint8_t *bytes, uint32_t offset)
{
	uint64_t value;

	memcpy(&value, bytes + offset, sizeof(value));
	return value;
}

static uint32_t u32_at(const uint8_t *bytes, uint32_t offset)
{
	uint32_t value;

	memcpy(&value, bytes + offset, sizeof(value));
	return value;
}

static uint16_t u16_at(const uint8_t *bytes, uint32_t offset)
{
	uint16_t value;

	memcpy(&value, bytes + offset, sizeof(value));
	return value;
}

/* ---- opening ---- */

static void take_desc_ring(struct kho_prb *prb, const uint8_t *ring)
{
	const struct kho_prb_layout *l = &prb->layout;

	prb->count_bits = u32_at(ring, l->desc_ring_count_bits);
	prb->descs = u64_at(ring, l->desc_ring_descs);
	prb->infos = u64_at(ring, l->desc_ring_infos);
	prb->head_id = u64_at(ring, l->desc_ring_head_id + l->atomic_counter) & ID_MASK;
	prb->tail_id = u64_at(ring, l->desc_ring_tail_id + l->atomic_counter) & ID_MASK;
}

static void take_text_ring(struct kho_prb *prb, const uint8_t *ring)
{
	prb->size_bits = u32_at(ring, prb->layout.text_ring_size_bits);
	prb->data = u64_at(ring, prb->layout.text_ring_data);
}

int kho_prb_open(const struct kho_phys_reader *reader, const struct kho_vmcoreinfo *info,
		 struct kho_prb *ret)
{
	struct kho_prb prb = { .layout = info->layout };
	uint8_t ring[MAX_STRUCT];
	uint64_t address;

	prb.kvirt = kho_kvirt_init(reader, info);
	if (kho_kvirt_read(&prb.kvirt, info->prb, &address, sizeof(address)) < 0 ||
	    kho_kvirt_read(&prb.kvirt, address, ring, prb.layout.ring_size) < 0)
		return -EBADMSG;
	take_desc_ring(&prb, ring + prb.layout.ring_desc_ring);
	take_text_ring(&prb, ring + prb.layout.ring_text_ring);
	if (!prb.count_bits || prb.count_bits > KHO_PRB_MAX_COUNT_BITS ||
	    prb.size_bits < 4 || prb.size_bits > KHO_PRB_MAX_SIZE_BITS)
		return -EBADMSG;
	*ret = prb;
	return 0;
}

/* ---- records ---- */

static uint64_t index_of(const struct kho_prb *prb, uint64_t id)
{
	return id & ((1ULL << prb->count_bits) - 1);
}

static int read_desc(struct kho_prb *prb, uint64_t id, struct desc *ret)
{
	const struct kho_prb_layout *l = &prb->layout;
	uint8_t bytes[MAX_STRUCT];
	int r;

	r = kho_kvirt_read(&prb->kvirt, prb->descs + index_of(prb, id) * l->desc_size, bytes,
			   l->desc_size);
	if (r < 0)
		return r;
	*ret = (struct desc) {
		.state = u64_at(bytes, l->desc_state + l->atomic_counter),
		.begin = u64_at(bytes, l->desc_lpos + l->lpos_begin),
		.next = u64_at(bytes, l->desc_lpos + l->lpos_next),
	};
	return 0;
}

/* Facility, flags and level follow the length, of which VMCOREINFO tells. */
static int read_info(struct kho_prb *prb, uint64_t id, struct kho_dmesg_record *record)
{
	const struct kho_prb_layout *l = &prb->layout;
	uint8_t bytes[MAX_STRUCT];
	int r;

	r = kho_kvirt_read(&prb->kvirt, prb->infos + index_of(prb, id) * l->info_size, bytes,
			   l->info_size);
	if (r < 0)
		return r;
	*record = (struct kho_dmesg_record) {
		.has_meta = true,
		.seq = u64_at(bytes, l->info_seq),
		.ts_nsec = u64_at(bytes, l->info_ts),
		.caller_id = u32_at(bytes, l->info_caller),
		.facility = bytes[l->info_text_len + 2],
		.level = bytes[l->info_text_len + 3] >> 5,
		.text_len = u16_at(bytes, l->info_text_len),
	};
	return 0;
}

/*
 * Where the block of a record lies in the text ring, and how long it is, id
 * included. A block that would end exactly at the end of the ring lies there in
 * newer kernels (next is then the next round's start), in older ones at the start.
 */
static int locate_block(const struct kho_prb *prb, const struct desc *desc, uint64_t *ret_index,
			uint64_t *ret_size)
{
	uint64_t ring = 1ULL << prb->size_bits, index = desc->begin & (ring - 1);
	uint64_t size = desc->next - desc->begin;

	if (size > ring)
		return -EBADMSG;
	if (size > ring - index) {
		index = 0;
		size = desc->next & (ring - 1);
	}
	if (size < 8 || !kho_is_aligned(index | size, 8))
		return -EBADMSG;
	*ret_index = index;
	*ret_size = size;
	return 0;
}

static int read_text(struct kho_prb *prb, uint64_t id, const struct desc *desc,
		     struct kho_dmesg_record *record, char *text)
{
	uint64_t index, size, owner;

	if (desc->begin == EMPTY_TEXT && desc->next == EMPTY_TEXT) {
		record->text_len = 0;
		return 0;
	}
	if (locate_block(prb, desc, &index, &size) < 0)
		return -EBADMSG;
	if (record->text_len > size - sizeof(owner))
		record->text_len = size - sizeof(owner);
	if (kho_kvirt_read(&prb->kvirt, prb->data + index + sizeof(owner), text,
			   record->text_len) < 0 ||
	    kho_kvirt_read(&prb->kvirt, prb->data + index, &owner, sizeof(owner)) < 0)
		return -EFAULT;
	/* read last: a writer that took the block while we copied shows here */
	return owner == id ? 0 : -EBADMSG;
}

/* 1: a record, 0: none, negative: one that can't be read. */
static int read_record(struct kho_prb *prb, uint64_t id, struct kho_dmesg_record *record,
		       char *text)
{
	struct desc desc;
	int r;

	r = read_desc(prb, id, &desc);
	if (r < 0)
		return r;
	if (desc.state >> ID_BITS == STATE_REUSABLE)
		return 0;
	if ((desc.state & ID_MASK) != id ||
	    (desc.state >> ID_BITS != STATE_COMMITTED && desc.state >> ID_BITS != STATE_FINAL))
		return -EBADMSG;
	r = read_info(prb, id, record);
	if (r < 0)
		return r;
	r = read_text(prb, id, &desc, record, text);
	if (r < 0)
		return r;
	record->text = text;
	return 1;
}

int kho_prb_walk(struct kho_prb *prb, const struct kho_dmesg_sink *sink, char *text,
		 struct kho_dmesg_result *result)
{
	struct kho_dmesg_record record;
	uint64_t id = prb->tail_id, left = 1ULL << prb->count_bits;
	int r;

	for (; left; left--, id = (id + 1) & ID_MASK) {
		r = read_record(prb, id, &record, text);
		if (r < 0)
			result->lost++;
		if (r > 0) {
			result->records++;
			r = sink ? sink->record(sink->ctx, &record) : 0;
			if (r)
				return r;
		}
		if (id == prb->head_id)
			break;
	}
	return 0;
}
