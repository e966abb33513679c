// SPDX-License-Identifier: GPL-2.0-only
/*
 * Builds the handover tree; tree.h has the layout.
 *
 * The blob comes first, since everything behind it moves with its size; the root
 * FDT, which names the others, comes last. libfdt reports errors call by call:
 * struct writer keeps the first one and skips what follows, so that the writing
 * reads like the tree it makes.
 */
#include <errno.h>
#include <libfdt.h>
#include <stdbool.h>
#include <string.h>

#include "base/bits.h"
#include "base/crc32c.h"
#include "spawn/tree_format.h"

#define FDT_OFFSET	0
#define SCRATCH_OFFSET	KHO_PAGE_SIZE
#define BLOB_OFFSET	(2 * KHO_PAGE_SIZE)
#define SCRATCH_ALIGN	(4 * KHO_MIB)	/* MAX_ORDER_NR_PAGES of a kernel with KHO */

_Static_assert(KHO_TREE_MAX_SCRATCH * sizeof(struct mk_range) <= KHO_PAGE_SIZE,
	       "scratch array fits its page");

/* ---- FDT ---- */

struct writer {
	void *fdt;
	size_t size;		/* of the buffer */
	int error;		/* of libfdt; 0 or negative */
};

static void writer_start(struct writer *w, void *fdt, size_t size)
{
	w->fdt = fdt;
	w->size = size;
	w->error = fdt_create(fdt, (int)size);
	if (!w->error)
		w->error = fdt_finish_reservemap(fdt);
}

static void begin_node(struct writer *w, const char *name)
{
	if (!w->error)
		w->error = fdt_begin_node(w->fdt, name);
}

static void end_node(struct writer *w)
{
	if (!w->error)
		w->error = fdt_end_node(w->fdt);
}

static void put(struct writer *w, const char *name, const void *value, size_t size)
{
	if (!w->error)
		w->error = fdt_property(w->fdt, name, value, (int)size);
}

static void put_text(struct writer *w, const char *name, const char *text)
{
	put(w, name, text, strlen(text) + 1);
}

static void put_u64(struct writer *w, const char *name, uint64_t value)
{
	put(w, name, &value, sizeof(value));
}

/* The FDT's size in bytes, or an error of libfdt. */
static int writer_finish(struct writer *w)
{
	size_t used;

	if (!w->error)
		w->error = fdt_finish(w->fdt);
	if (w->error)
		return w->error;
	/* libfdt collects strings at the buffer's end, then leaves a copy there */
	used = fdt_totalsize(w->fdt);
	memset((char *)w->fdt + used, 0, w->size - used);
	return (int)used;
}

/* ---- payload ---- */

static void put_field(struct writer *w, const struct kho_handover *h,
		      const struct kho_tree_field *field)
{
	const char *member = (const char *)h + field->offset;
	uint32_t nr = 1;

	if (field->kind == KHO_TREE_TEXT) {
		put_text(w, field->name, member);
		return;
	}
	if (field->kind == KHO_TREE_ARRAY)
		memcpy(&nr, (const char *)h + field->nr_offset, sizeof(nr));
	put(w, field->name, member, (size_t)nr * field->size);
}

static void put_fields(struct writer *w, const struct kho_handover *h, unsigned int node)
{
	size_t i;

	for (i = 0; i < kho_tree_nr_fields; i++)
		if (kho_tree_fields[i].node == node)
			put_field(w, h, &kho_tree_fields[i]);
}

static void put_root_fields(struct writer *w, const struct kho_handover *h)
{
	struct kho_handover versioned = *h;
	char uuid[KHO_UUID_TEXT];

	versioned.major = KHO_HANDOVER_MAJOR;
	versioned.minor = KHO_HANDOVER_MINOR;
	kho_uuid_format(h->upgrade_id, uuid);
	put_text(w, "compatible", KHO_TREE_BLOB_COMPATIBLE);
	put_text(w, "upgrade", uuid);
	put_fields(w, &versioned, KHO_TREE_ROOT);
}

static void put_arenas(struct writer *w, const struct kho_handover *h)
{
	uint32_t i;

	begin_node(w, "arenas");
	for (i = 0; i < h->nr_arenas; i++) {
		begin_node(w, h->arenas[i].name);
		put_u64(w, "offset", h->arenas[i].offset);
		put_u64(w, "size", h->arenas[i].size);
		end_node(w);
	}
	end_node(w);
}

static int write_payload(void *fdt, size_t size, const struct kho_handover *h)
{
	struct writer w;
	unsigned int node;

	writer_start(&w, fdt, size);
	begin_node(&w, "");
	put_root_fields(&w, h);
	for (node = KHO_TREE_ROOT + 1; node < KHO_TREE_NODES; node++) {
		begin_node(&w, kho_tree_node_names[node]);
		put_fields(&w, h, node);
		end_node(&w);
	}
	put_arenas(&w, h);
	end_node(&w);
	return writer_finish(&w);
}

/* ---- the parts of the area ---- */

static int too_small(const struct kho_tree_area *area, struct kho_err *err)
{
	return kho_fail(err, -ENOSPC,
			"handover tree doesn't fit into %zu bytes; preserve fewer ranges or list "
			"fewer CPUs and memory pieces", area->size);
}

static int build_blob(const struct kho_tree_spec *spec, const struct kho_tree_area *area,
		      struct kho_tree *tree, struct kho_err *err)
{
	struct kho_tree_header *header = (void *)((char *)area->data + BLOB_OFFSET);
	size_t room = area->size - BLOB_OFFSET;
	int size;

	if (room > KHO_TREE_MAX_BLOB)
		room = KHO_TREE_MAX_BLOB;
	size = write_payload(header + 1, room - sizeof(*header), spec->handover);
	if (size == -FDT_ERR_NOSPACE)
		return too_small(area, err);
	if (size < 0)
		return kho_fail(err, -EINVAL, "handover tree's payload: %s; report this as a bug",
				fdt_strerror(size));
	*header = (struct kho_tree_header) {
		.magic = KHO_TREE_MAGIC,
		.version = KHO_TREE_HEADER_VERSION,
		.header_size = sizeof(*header),
		.payload_size = (uint64_t)size,
	};
	tree->blob_phys = area->phys + BLOB_OFFSET;
	tree->blob_size = sizeof(*header) + (uint64_t)size;
	header->crc = kho_crc32c(header, tree->blob_size);
	return 0;
}

/* The part of @range that lies before (after) the area; size 0: none. */
static struct mk_range part_before(const struct mk_range *range, const struct mk_range *area)
{
	uint64_t end = range->start + range->size;

	if (end > area->start)
		end = area->start;
	return (struct mk_range) { range->start, end > range->start ? end - range->start : 0 };
}

static struct mk_range part_after(const struct mk_range *range, const struct mk_range *area)
{
	uint64_t start = area->start + area->size, end = range->start + range->size;

	if (start < range->start)
		start = range->start;
	return (struct mk_range) { start, end > start ? end - start : 0 };
}

/*
 * A kernel's own FDT and blobs are folios of their own. Page by page is what
 * fits wherever the area starts.
 */
static int preserve_area(struct kho_radix *radix, const struct mk_range *area)
{
	uint64_t offset;
	int r = 0;

	for (offset = 0; r == 0 && offset < area->size; offset += KHO_PAGE_SIZE)
		r = kho_radix_add(radix, area->start + offset, 0);
	return r;
}

static int build_radix(const struct kho_tree_spec *spec, const struct kho_tree_area *area,
		       struct kho_tree *tree, struct kho_err *err)
{
	int (*add)(struct kho_radix *, const struct mk_range *) =
		spec->by_page ? preserve_area : kho_radix_add_range;
	struct mk_range own = { area->phys, area->size }, before, after;
	size_t offset = kho_align_up(BLOB_OFFSET + tree->blob_size, KHO_PAGE_SIZE);
	struct kho_radix radix;
	size_t i;
	int r;

	if (offset >= area->size)
		return too_small(area, err);
	r = kho_radix_init(&radix, (char *)area->data + offset, area->phys + offset,
			   (area->size - offset) / KHO_PAGE_SIZE);
	if (r == 0)
		r = preserve_area(&radix, &own);
	for (i = 0; r == 0 && i < spec->nr_preserve; i++) {
		before = part_before(&spec->preserve[i], &own);
		after = part_after(&spec->preserve[i], &own);
		r = add(&radix, &before);
		if (r == 0)
			r = add(&radix, &after);
	}
	if (r < 0)
		return too_small(area, err);
	tree->radix_phys = radix.phys;
	tree->used = offset + radix.used * KHO_PAGE_SIZE;
	return 0;
}

static void build_scratch(const struct kho_tree_spec *spec, const struct kho_tree_area *area,
			  struct kho_tree *tree)
{
	size_t size = spec->nr_scratch * sizeof(*spec->scratch);

	if (!size)
		return;
	memcpy((char *)area->data + SCRATCH_OFFSET, spec->scratch, size);
	tree->scratch_phys = area->phys + SCRATCH_OFFSET;
	tree->scratch_size = size;
}

static int build_root(const struct kho_tree_area *area, struct kho_tree *tree,
		      struct kho_err *err)
{
	struct writer w;
	int size;

	writer_start(&w, (char *)area->data + FDT_OFFSET, KHO_PAGE_SIZE);
	begin_node(&w, "");
	put_text(&w, "compatible", KHO_TREE_COMPATIBLE);
	put_u64(&w, "preserved-memory-map", tree->radix_phys);
	begin_node(&w, KHO_TREE_NODE);
	put_u64(&w, "preserved-data", tree->blob_phys);
	put_u64(&w, "blob-size", tree->blob_size);
	end_node(&w);
	end_node(&w);
	size = writer_finish(&w);
	if (size < 0)
		return kho_fail(err, -EINVAL, "handover tree's root: %s; report this as a bug",
				fdt_strerror(size));
	tree->fdt_phys = area->phys + FDT_OFFSET;
	tree->fdt_size = KHO_PAGE_SIZE;
	return 0;
}

/* ---- what the caller gives ---- */

static int check_area(const struct kho_tree_spec *spec, const struct kho_tree_area *area,
		      struct kho_err *err)
{
	const struct kho_handover *h = spec->handover;

	if (!kho_is_aligned(area->phys | area->size, KHO_PAGE_SIZE) ||
	    !kho_ranges_contain(h->ranges, h->nr_ranges, area->phys, area->size))
		return kho_fail(err, -EINVAL,
				"tree area 0x%llx+0x%zx is not page aligned or not in one range of "
				"the region; move it inside", (unsigned long long)area->phys,
				area->size);
	if (area->size <= BLOB_OFFSET + sizeof(struct kho_tree_header))
		return too_small(area, err);
	return 0;
}

/* Whether @range is aligned, in the region, and apart from the @nr before it. */
static bool range_is_good(const struct kho_handover *h, const struct mk_range *ranges,
			  size_t nr, uint64_t align)
{
	const struct mk_range *range = &ranges[nr];
	size_t i;

	if (!kho_is_aligned(range->start | range->size, align) ||
	    !kho_ranges_contain(h->ranges, h->nr_ranges, range->start, range->size))
		return false;
	for (i = 0; i < nr; i++)
		if (kho_ranges_overlap(&ranges[i], range))
			return false;
	return true;
}

static int check_preserve(const struct kho_tree_spec *spec, struct kho_err *err)
{
	size_t i;

	for (i = 0; i < spec->nr_preserve; i++)
		if (!range_is_good(spec->handover, spec->preserve, i, KHO_PAGE_SIZE))
			return kho_fail(err, -EINVAL,
					"preserved range %zu is not page aligned, not in one range "
					"of the region, or overlaps another; fix it", i);
	return 0;
}

static bool holds_nothing(const struct kho_tree_spec *spec, const struct kho_tree_area *area,
			  const struct mk_range *scratch)
{
	struct mk_range own = { area->phys, area->size };
	size_t i;

	for (i = 0; i < spec->nr_preserve; i++)
		if (kho_ranges_overlap(&spec->preserve[i], scratch))
			return false;
	return !kho_ranges_overlap(&own, scratch);
}

static int check_scratch(const struct kho_tree_spec *spec, const struct kho_tree_area *area,
			 struct kho_err *err)
{
	size_t i;

	if (spec->nr_scratch > KHO_TREE_MAX_SCRATCH)
		return kho_fail(err, -EINVAL, "%zu scratch ranges are too many; give at most %u",
				spec->nr_scratch, KHO_TREE_MAX_SCRATCH);
	for (i = 0; i < spec->nr_scratch; i++)
		if (!range_is_good(spec->handover, spec->scratch, i, SCRATCH_ALIGN) ||
		    !holds_nothing(spec, area, &spec->scratch[i]))
			return kho_fail(err, -EINVAL,
					"scratch range %zu is not aligned to 4 MiB, not in one "
					"range of the region, or not free; give empty memory", i);
	return 0;
}

static int check_spec(const struct kho_tree_spec *spec, const struct kho_tree_area *area,
		      struct kho_err *err)
{
	int r;

	r = kho_handover_check(spec->handover, err);
	if (r < 0)
		return r;
	r = check_area(spec, area, err);
	if (r < 0)
		return r;
	r = check_preserve(spec, err);
	if (r < 0)
		return r;
	return check_scratch(spec, area, err);
}

int kho_tree_build(const struct kho_tree_spec *spec, const struct kho_tree_area *area,
		   struct kho_tree *ret, struct kho_err *err)
{
	struct kho_tree tree = { 0 };
	int r;

	r = check_spec(spec, area, err);
	if (r < 0)
		return kho_wrap(err, r, "handover tree");
	memset(area->data, 0, area->size);
	r = build_blob(spec, area, &tree, err);
	if (r < 0)
		return r;
	r = build_radix(spec, area, &tree, err);
	if (r < 0)
		return r;
	build_scratch(spec, area, &tree);
	r = build_root(area, &tree, err);
	if (r < 0)
		return r;
	*ret = tree;
	return 0;
}
