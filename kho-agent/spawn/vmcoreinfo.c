// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMCOREINFO; vmcoreinfo.h has the contract.
 *
 * One table names the lines we need and where their numbers go; a second one says
 * which offset must fit into which structure. Lines we don't know are skipped:
 * there are some 80 of them.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "spawn/vmcoreinfo.h"

#define START		"OSRELEASE="
#define NOTE_NAME	"VMCOREINFO"
#define NOTE_HEADER	24u		/* bytes before the text */
#define MAX_STRUCT	1024u		/* no structure of printk's is as large */
#define NUMBER_SIZE	24u		/* 64 bits in decimal, a sign, a terminator */

enum form { DECIMAL, SIGNED, HEX };

struct line {
	const char *key;		/* up to the '=' */
	uint16_t offset;		/* in struct kho_vmcoreinfo */
	uint8_t size;			/* of the number there: 4 or 8 */
	uint8_t form;			/* enum form */
	bool optional;			/* 0 if it's missing */
};

#define WIDE(key_, member, form_) \
	{ .key = key_, .offset = offsetof(struct kho_vmcoreinfo, member), .size = 8, .form = form_ }
#define LAYOUT(key_, member) \
	{ .key = key_, .offset = offsetof(struct kho_vmcoreinfo, layout.member), .size = 4 }

static const struct line lines[] = {
	WIDE("SYMBOL(prb)", prb, HEX),
	WIDE("SYMBOL(init_top_pgt)", init_top_pgt, HEX),
	WIDE("NUMBER(phys_base)", phys_base, SIGNED),
	{ .key = "NUMBER(pgtable_l5_enabled)", .offset = offsetof(struct kho_vmcoreinfo, la57),
	  .size = 8, .form = DECIMAL, .optional = true },
	{ .key = "NUMBER(sme_mask)", .offset = offsetof(struct kho_vmcoreinfo, sme_mask),
	  .size = 8, .form = SIGNED, .optional = true },
	LAYOUT("SIZE(printk_ringbuffer)", ring_size),
	LAYOUT("OFFSET(printk_ringbuffer.desc_ring)", ring_desc_ring),
	LAYOUT("OFFSET(printk_ringbuffer.text_data_ring)", ring_text_ring),
	LAYOUT("SIZE(prb_desc_ring)", desc_ring_size),
	LAYOUT("OFFSET(prb_desc_ring.count_bits)", desc_ring_count_bits),
	LAYOUT("OFFSET(prb_desc_ring.descs)", desc_ring_descs),
	LAYOUT("OFFSET(prb_desc_ring.infos)", desc_ring_infos),
	LAYOUT("OFFSET(prb_desc_ring.head_id)", desc_ring_head_id),
	LAYOUT("OFFSET(prb_desc_ring.tail_id)", desc_ring_tail_id),
	LAYOUT("SIZE(prb_data_ring)", text_ring_size),
	LAYOUT("OFFSET(prb_data_ring.size_bits)", text_ring_size_bits),
	LAYOUT("OFFSET(prb_data_ring.data)", text_ring_data),
	LAYOUT("SIZE(prb_desc)", desc_size),
	LAYOUT("OFFSET(prb_desc.state_var)", desc_state),
	LAYOUT("OFFSET(prb_desc.text_blk_lpos)", desc_lpos),
	LAYOUT("SIZE(prb_data_blk_lpos)", lpos_size),
	LAYOUT("OFFSET(prb_data_blk_lpos.begin)", lpos_begin),
	LAYOUT("OFFSET(prb_data_blk_lpos.next)", lpos_next),
	LAYOUT("SIZE(printk_info)", info_size),
	LAYOUT("OFFSET(printk_info.seq)", info_seq),
	LAYOUT("OFFSET(printk_info.ts_nsec)", info_ts),
	LAYOUT("OFFSET(printk_info.text_len)", info_text_len),
	LAYOUT("OFFSET(printk_info.caller_id)", info_caller),
	LAYOUT("SIZE(atomic_long_t)", atomic_size),
	LAYOUT("OFFSET(atomic_long_t.counter)", atomic_counter),
};

_Static_assert(KHO_ARRAY_SIZE(lines) <= 32, "one bit of a word each");

/* ---- text ---- */

/* -1 if the line is none we need. @line isn't terminated. */
static int find_key(const char *line, size_t size)
{
	size_t i, key;

	for (i = 0; i < KHO_ARRAY_SIZE(lines); i++) {
		key = strlen(lines[i].key);
		if (size > key && line[key] == '=' && !memcmp(line, lines[i].key, key))
			return (int)i;
	}
	return -1;
}

static int parse_number(const char *text, enum form form, uint64_t *ret)
{
	uint64_t value;
	int r;

	if (form == HEX)
		return kho_parse_hex64(text, ret, NULL);
	if (form != SIGNED || *text != '-')
		return kho_parse_u64(text, ret, NULL);
	r = kho_parse_u64(text + 1, &value, NULL);
	if (r < 0)
		return r;
	*ret = -value;
	return 0;
}

static int store_number(const struct line *line, const char *text, size_t size,
			struct kho_vmcoreinfo *info)
{
	char number[NUMBER_SIZE];
	uint64_t value;
	uint32_t narrow;

	if (size >= sizeof(number))
		return -EBADMSG;
	memcpy(number, text, size);
	number[size] = '\0';
	if (strlen(number) != size || parse_number(number, line->form, &value) < 0)
		return -EBADMSG;
	if (line->size == 8) {
		memcpy((char *)info + line->offset, &value, 8);
		return 0;
	}
	if (value > MAX_STRUCT)
		return -EBADMSG;
	narrow = (uint32_t)value;
	memcpy((char *)info + line->offset, &narrow, 4);
	return 0;
}

/* Takes in one line. @seen has a bit for each of lines[]. */
static int take_line(const char *line, size_t size, uint32_t *seen, struct kho_vmcoreinfo *info,
		     struct kho_err *err)
{
	int i = find_key(line, size);
	size_t key;
	int r;

	if (i < 0)
		return 0;
	key = strlen(lines[i].key) + 1;
	r = store_number(&lines[i], line + key, size - key, info);
	if (r < 0)
		return kho_fail(err, r, "VMCOREINFO: the value of %s can't be; give other memory",
				lines[i].key);
	*seen |= 1u << i;
	return 0;
}

static int check_seen(uint32_t seen, struct kho_err *err)
{
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(lines); i++)
		if (!(seen >> i & 1) && !lines[i].optional)
			return kho_fail(err, -ENOENT, "VMCOREINFO has no %s; this kernel's log "
					"can't be read from its memory", lines[i].key);
	return 0;
}

/* ---- sanity ---- */

struct fit {
	uint16_t offset;		/* where the offset is in struct kho_prb_layout */
	uint16_t width;			/* bytes of the member */
	uint16_t size;			/* where the structure's size is */
};

#define FIT(member, width_, size_member) \
	{ offsetof(struct kho_prb_layout, member), width_, \
	  offsetof(struct kho_prb_layout, size_member) }

/* Nested structures come last: check_nested() has them. */
static const struct fit fits[] = {
	FIT(desc_ring_count_bits, 4, desc_ring_size),
	FIT(desc_ring_descs, 8, desc_ring_size),
	FIT(desc_ring_infos, 8, desc_ring_size),
	FIT(text_ring_size_bits, 4, text_ring_size),
	FIT(text_ring_data, 8, text_ring_size),
	FIT(lpos_begin, 8, lpos_size),
	FIT(lpos_next, 8, lpos_size),
	FIT(info_seq, 8, info_size),
	FIT(info_ts, 8, info_size),
	FIT(info_text_len, 4, info_size),	/* with facility, flags and level */
	FIT(info_caller, 4, info_size),
	FIT(atomic_counter, 8, atomic_size),
};

static uint32_t layout_at(const struct kho_prb_layout *layout, uint16_t offset)
{
	uint32_t value;

	memcpy(&value, (const char *)layout + offset, sizeof(value));
	return value;
}

/* Structures within structures: their sizes are the kernel's own. */
static bool check_nested(const struct kho_prb_layout *l)
{
	return kho_within(l->ring_desc_ring, l->desc_ring_size, l->ring_size) &&
	       kho_within(l->ring_text_ring, l->text_ring_size, l->ring_size) &&
	       kho_within(l->desc_ring_head_id, l->atomic_size, l->desc_ring_size) &&
	       kho_within(l->desc_ring_tail_id, l->atomic_size, l->desc_ring_size) &&
	       kho_within(l->desc_state, l->atomic_size, l->desc_size) &&
	       kho_within(l->desc_lpos, l->lpos_size, l->desc_size);
}

static int check_layout(const struct kho_vmcoreinfo *info, struct kho_err *err)
{
	const struct kho_prb_layout *l = &info->layout;
	bool good = check_nested(l) && info->la57 <= 1;
	size_t i;

	for (i = 0; good && i < KHO_ARRAY_SIZE(fits); i++)
		good = kho_within(layout_at(l, fits[i].offset), fits[i].width,
				  layout_at(l, fits[i].size));
	if (good)
		return 0;
	return kho_fail(err, -EBADMSG,
			"VMCOREINFO gives offsets outside of their structures; give other memory");
}

static int take_release(const char *line, size_t size, struct kho_vmcoreinfo *info,
			struct kho_err *err)
{
	size_t i, key = strlen(START);

	if (size <= key || size - key >= sizeof(info->release))
		return kho_fail(err, -EBADMSG,
				"VMCOREINFO has no kernel release; give other memory");
	for (i = key; i < size; i++)
		if (line[i] <= ' ' || line[i] > '~')
			return kho_fail(err, -EBADMSG,
					"VMCOREINFO's release is garbage; give other memory");
	memcpy(info->release, line + key, size - key);
	return 0;
}

int kho_vmcoreinfo_parse(const char *text, size_t size, struct kho_vmcoreinfo *ret,
			 struct kho_err *err)
{
	struct kho_vmcoreinfo info = { .release = "" };
	const char *end = text + strnlen(text, size), *line_end;
	uint32_t seen = 0;
	int r;

	if ((size_t)(end - text) < strlen(START) || memcmp(text, START, strlen(START)))
		return kho_fail(err, -EBADMSG, "this is no VMCOREINFO; give other memory");
	for (; text < end; text = line_end < end ? line_end + 1 : end) {
		line_end = memchr(text, '\n', (size_t)(end - text));
		if (!line_end)
			line_end = end;
		if (!info.release[0])
			r = take_release(text, (size_t)(line_end - text), &info, err);
		else
			r = take_line(text, (size_t)(line_end - text), &seen, &info, err);
		if (r < 0)
			return r;
	}
	r = check_seen(seen, err);
	if (r < 0)
		return r;
	r = check_layout(&info, err);
	if (r < 0)
		return r;
	*ret = info;
	return 0;
}

/* ---- memory ---- */

/* Where the text starts in what was read: behind a note's header, or at once. */
static size_t text_start(const char *data, size_t size)
{
	uint32_t name_size;

	if (size < NOTE_HEADER)
		return 0;
	memcpy(&name_size, data, sizeof(name_size));
	if (name_size != sizeof(NOTE_NAME) || memcmp(data + 12, NOTE_NAME, sizeof(NOTE_NAME)))
		return 0;
	return NOTE_HEADER;
}

int kho_vmcoreinfo_load(const struct kho_phys_reader *reader, const struct mk_range *where,
			struct kho_vmcoreinfo *ret, struct kho_err *err)
{
	_cleanup_free_ char *data = NULL;
	size_t size = where->size ? where->size : KHO_PAGE_SIZE, start;

	if (size > KHO_VMCOREINFO_MAX)
		size = KHO_VMCOREINFO_MAX;
	data = malloc(size);
	if (!data)
		return kho_fail(err, -ENOMEM, "no memory for VMCOREINFO; free some");
	if (reader->read(reader->ctx, where->start, data, size) < 0)
		return kho_fail(err, -EFAULT,
				"VMCOREINFO at 0x%llx can't be read; search for it instead",
				(unsigned long long)where->start);
	start = text_start(data, size);
	return kho_vmcoreinfo_parse(data + start, size - start, ret, err);
}

static int search_range(const struct kho_phys_reader *reader, const struct mk_range *range,
			const struct kho_vmcoreinfo_search *search)
{
	char head[sizeof(START) - 1];
	uint64_t offset;
	int r;

	for (offset = 0; kho_within(offset, KHO_PAGE_SIZE, range->size); offset += KHO_PAGE_SIZE) {
		if (reader->read(reader->ctx, range->start + offset, head, sizeof(head)) < 0)
			continue;
		if (memcmp(head, START, sizeof(head)))
			continue;
		r = search->found(search->ctx, range->start + offset);
		if (r)
			return r;
	}
	return 0;
}

int kho_vmcoreinfo_search(const struct kho_phys_reader *reader,
			  const struct kho_vmcoreinfo_search *search)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < search->nr_ranges; i++)
		r = search_range(reader, &search->ranges[i], search);
	return r;
}
