// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads the handover tree; tree.h has the layout.
 *
 * What lies in shared memory can change while it is read, so each of the two FDTs
 * is copied and the copy is checked as a whole (fdt_check_full) before anything
 * is looked up in it. The content is parsed into a structure of our own, and only
 * what passes kho_handover_check() leaves this file.
 */
#include <errno.h>
#include <libfdt.h>
#include <stdbool.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/crc32c.h"
#include "spawn/tree_format.h"

#define MAX_ROOT_FDT	(64u << 10)	/* bytes; kernels use one page */

/* ---- FDTs ---- */

/* Text out of an FDT, for a message. */
static const char *printable(const char *text)
{
	const char *c;

	if (!text || !*text)
		return "(none)";
	for (c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			return "(garbage)";
	return text;
}

/*
 * 0 or an error of libfdt. Before version 17 the header doesn't say how long the
 * structure is, and libfdt then reads on beyond the end.
 */
static int check_structure(const void *fdt, size_t size)
{
	if (size < sizeof(struct fdt_header) || fdt_version(fdt) < 17)
		return -FDT_ERR_BADVERSION;
	return fdt_check_full(fdt, size);
}

/* Whether the FDT is sound and says that it is @compatible. */
static int check_fdt(const void *fdt, size_t size, const char *compatible, struct kho_err *err)
{
	const char *found;
	int r;

	r = check_structure(fdt, size);
	if (r < 0)
		return kho_fail(err, -EBADMSG, "%s: not a sound FDT (%s); build the tree anew",
				compatible, fdt_strerror(r));
	if (fdt_node_check_compatible(fdt, 0, compatible) == 0)
		return 0;
	/* fdt_check_full() leaves values unchecked, but stringlists end in a NUL */
	found = fdt_stringlist_get(fdt, 0, "compatible", 0, NULL);
	return kho_fail(err, -EPROTONOSUPPORT,
			"the tree is \"%.64s\" and this reader knows \"%s\"; "
			"use agents of the same major version", printable(found), compatible);
}

/* The root FDT's copy, to be freed by the caller. */
static int copy_root(const void *fdt, size_t size, void **ret, struct kho_err *err)
{
	_cleanup_free_ void *copy = NULL;
	int r;

	if (size < sizeof(struct fdt_header))
		return kho_fail(err, -EBADMSG, "%zu bytes are no FDT; give the whole tree", size);
	if (size > MAX_ROOT_FDT)
		size = MAX_ROOT_FDT;
	copy = malloc(size);
	if (!copy)
		return kho_fail(err, -ENOMEM, "no memory for the tree; free some");
	memcpy(copy, fdt, size);
	r = check_fdt(copy, size, KHO_TREE_COMPATIBLE, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(copy);
	return 0;
}

static int get_u64(const void *fdt, int node, const char *name, uint64_t *ret,
		   struct kho_err *err)
{
	const void *value;
	int size;

	value = fdt_getprop(fdt, node, name, &size);
	if (!value || size != sizeof(*ret))
		return kho_fail(err, -EBADMSG, "property %s is missing or not 8 bytes; "
				"build the tree anew", name);
	memcpy(ret, value, sizeof(*ret));
	return 0;
}

/* ---- blob ---- */

struct blob {
	uint64_t phys;
	uint64_t size;
};

static int find_blob(const void *fdt, struct blob *ret, struct kho_err *err)
{
	struct blob blob;
	int node, r;

	node = fdt_subnode_offset(fdt, 0, KHO_TREE_NODE);
	if (node < 0)
		return kho_fail(err, -ENOENT,
				"the tree has no node \"%s\": no agent of ours made it; "
				"spawn this kernel by kho-agent", KHO_TREE_NODE);
	r = get_u64(fdt, node, "preserved-data", &blob.phys, err);
	if (r < 0)
		return r;
	r = get_u64(fdt, node, "blob-size", &blob.size, err);
	if (r < 0)
		return r;
	if (blob.size < sizeof(struct kho_tree_header) || blob.size > KHO_TREE_MAX_BLOB ||
	    !kho_is_aligned(blob.phys, 8))
		return kho_fail(err, -EBADMSG, "blob 0x%llx+0x%llx can't be; build the tree anew",
				(unsigned long long)blob.phys, (unsigned long long)blob.size);
	*ret = blob;
	return 0;
}

static int check_header(const struct kho_tree_header *header, uint64_t blob_size,
			struct kho_err *err)
{
	if (memcmp(header->magic, KHO_TREE_MAGIC, sizeof(header->magic)))
		return kho_fail(err, -EBADMSG, "blob has no magic; build the tree anew");
	if (header->version != KHO_TREE_HEADER_VERSION)
		return kho_fail(err, -EPROTONOSUPPORT,
				"blob header version %u, and this reader knows %u; "
				"use agents of the same major version", header->version,
				KHO_TREE_HEADER_VERSION);
	if (header->header_size != sizeof(*header) ||
	    header->payload_size != blob_size - sizeof(*header))
		return kho_fail(err, -EBADMSG, "blob sizes don't agree; build the tree anew");
	return 0;
}

/* @blob is the caller's copy; its CRC field is cleared. */
static int check_blob(void *blob, uint64_t size, struct kho_err *err)
{
	struct kho_tree_header *header = blob;
	uint32_t crc = header->crc;
	int r;

	r = check_header(header, size, err);
	if (r < 0)
		return r;
	header->crc = 0;
	if (kho_crc32c(blob, size) != crc)
		return kho_fail(err, -EBADMSG, "blob has a wrong CRC; build the tree anew");
	return check_fdt(header + 1, header->payload_size, KHO_TREE_BLOB_COMPATIBLE, err);
}

/* A checked copy of the blob, to be freed by the caller. */
static int copy_blob(const struct kho_mem *mem, const struct blob *blob, void **ret,
		     struct kho_err *err)
{
	_cleanup_free_ void *copy = malloc(blob->size);
	int r;

	if (!copy)
		return kho_fail(err, -ENOMEM, "no memory for the tree's blob; free some");
	if (kho_mem_read(mem, blob->phys, copy, blob->size) < 0)
		return kho_fail(err, -EBADMSG,
				"blob 0x%llx+0x%llx is not in the region; build the tree anew",
				(unsigned long long)blob->phys, (unsigned long long)blob->size);
	r = check_blob(copy, blob->size, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(copy);
	return 0;
}

/* ---- payload ---- */

static bool value_fits(const struct kho_tree_field *field, const char *value, int size)
{
	switch (field->kind) {
	case KHO_TREE_TEXT:
		return size > 0 && size <= field->size && value[size - 1] == '\0';
	case KHO_TREE_ARRAY:
		return size % field->size == 0 && size / field->size <= field->max;
	default:
		return size == field->size;
	}
}

static int read_field(const void *fdt, int node, const struct kho_tree_field *field,
		      struct kho_handover *h, struct kho_err *err)
{
	const char *value;
	uint32_t nr;
	int size;

	value = fdt_getprop(fdt, node, field->name, &size);
	if (!value || !value_fits(field, value, size))
		return kho_fail(err, -EBADMSG,
				"%s/%s is missing or has a wrong size; build the tree anew",
				kho_tree_node_names[field->node], field->name);
	memcpy((char *)h + field->offset, value, (size_t)size);
	if (field->kind == KHO_TREE_ARRAY) {
		nr = (uint32_t)(size / field->size);
		memcpy((char *)h + field->nr_offset, &nr, sizeof(nr));
	}
	return 0;
}

static int read_node(const void *fdt, unsigned int node, struct kho_handover *h,
		     struct kho_err *err)
{
	const char *name = kho_tree_node_names[node];
	int offset = 0, r;
	size_t i;

	if (node != KHO_TREE_ROOT)
		offset = fdt_subnode_offset(fdt, 0, name);
	if (offset < 0)
		return kho_fail(err, -EBADMSG, "node %s is missing; build the tree anew", name);
	for (i = 0; i < kho_tree_nr_fields; i++) {
		if (kho_tree_fields[i].node != node)
			continue;
		r = read_field(fdt, offset, &kho_tree_fields[i], h, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_arena(const void *fdt, int node, struct kho_handover_arena *arena,
		      struct kho_err *err)
{
	const char *name;
	int size, r;

	name = fdt_get_name(fdt, node, &size);
	if (!name || size >= KHO_HANDOVER_NAME_SIZE)
		return kho_fail(err, -EBADMSG, "an arena's name is too long; build the tree anew");
	memcpy(arena->name, name, (size_t)size + 1);
	r = get_u64(fdt, node, "offset", &arena->offset, err);
	if (r < 0)
		return r;
	return get_u64(fdt, node, "size", &arena->size, err);
}

static int read_arenas(const void *fdt, struct kho_handover *h, struct kho_err *err)
{
	int parent, node, r;

	parent = fdt_subnode_offset(fdt, 0, "arenas");
	if (parent < 0)
		return kho_fail(err, -EBADMSG, "node arenas is missing; build the tree anew");
	fdt_for_each_subnode(node, fdt, parent) {
		if (h->nr_arenas == KHO_HANDOVER_MAX_ARENAS)
			return kho_fail(err, -EBADMSG, "more than %u arenas; build the tree anew",
					KHO_HANDOVER_MAX_ARENAS);
		r = read_arena(fdt, node, &h->arenas[h->nr_arenas], err);
		if (r < 0)
			return r;
		h->nr_arenas++;
	}
	return 0;
}

static int read_payload(const void *fdt, struct kho_handover *h, struct kho_err *err)
{
	unsigned int node;
	int r;

	r = read_node(fdt, KHO_TREE_ROOT, h, err);
	if (r < 0)
		return r;
	if (h->major != KHO_HANDOVER_MAJOR)
		return kho_fail(err, -EPROTONOSUPPORT,
				"the tree has protocol %u.%u, and this reader knows %u.%u; "
				"use agents of the same major version", h->major, h->minor,
				KHO_HANDOVER_MAJOR, KHO_HANDOVER_MINOR);
	for (node = KHO_TREE_ROOT + 1; node < KHO_TREE_NODES; node++) {
		r = read_node(fdt, node, h, err);
		if (r < 0)
			return r;
	}
	return read_arenas(fdt, h, err);
}

/* ---- all of it ---- */

static int read_blob(const struct kho_mem *mem, const struct blob *blob,
		     struct kho_handover *h, struct kho_err *err)
{
	_cleanup_free_ void *copy = NULL;
	int r;

	r = copy_blob(mem, blob, &copy, err);
	if (r < 0)
		return r;
	r = read_payload((const struct kho_tree_header *)copy + 1, h, err);
	if (r < 0)
		return r;
	r = kho_handover_check(h, err);
	if (r < 0)
		return kho_wrap(err, -EBADMSG, "its content makes no sense");
	if (!kho_ranges_contain(h->ranges, h->nr_ranges, blob->phys, blob->size))
		return kho_fail(err, -EBADMSG, "it lies outside the region it describes; "
				"build the tree anew");
	return 0;
}

int kho_tree_read(const void *fdt, size_t size, const struct kho_mem *mem,
		  struct kho_handover *ret, struct kho_err *err)
{
	_cleanup_free_ struct kho_handover *handover = calloc(1, sizeof(*handover));
	_cleanup_free_ void *root = NULL;
	struct blob blob = { 0 };
	int r;

	if (!handover)
		return kho_fail(err, -ENOMEM, "no memory for the handover; free some");
	r = copy_root(fdt, size, &root, err);
	if (r < 0)
		return kho_wrap(err, r, "handover tree");
	r = find_blob(root, &blob, err);
	if (r < 0)
		return kho_wrap(err, r, "handover tree");
	r = read_blob(mem, &blob, handover, err);
	if (r < 0)
		return kho_wrap(err, r, "handover tree");
	*ret = *handover;
	return 0;
}

int kho_tree_preserved(const void *fdt, size_t size, const struct kho_mem *mem,
		       const struct kho_radix_visitor *visitor, struct kho_err *err)
{
	_cleanup_free_ void *root = NULL;
	uint64_t phys;
	int r;

	r = copy_root(fdt, size, &root, err);
	if (r < 0)
		return kho_wrap(err, r, "preserved memory");
	r = get_u64(root, 0, "preserved-memory-map", &phys, err);
	if (r < 0)
		return kho_wrap(err, r, "preserved memory");
	return kho_radix_walk(mem, phys, visitor, err);
}
