// SPDX-License-Identifier: GPL-2.0-only
/* Bequests; bequest.h has the layout. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "channel/bequest.h"

struct wire {
	uint32_t magic;
	uint16_t version;
	uint16_t flags;
	uint32_t length;
	uint32_t crc;
};

_Static_assert(sizeof(struct wire) == KHO_BEQUEST_HEADER_SIZE, "header of a bequest");

const char *kho_bequest_sort_name(enum kho_bequest_sort sort)
{
	static const char *const names[_KHO_BEQUEST_SORT_MAX] = {
		[KHO_BEQUEST_PAGES] = "pages",
		[KHO_BEQUEST_INDEX] = "index",
		[KHO_BEQUEST_IMAGES] = "images",
		[KHO_BEQUEST_FILES] = "files",
	};

	return sort < _KHO_BEQUEST_SORT_MAX ? names[sort] : "?";
}

static uint32_t sum(const struct wire *head, const void *payload)
{
	struct wire blank = *head;

	blank.crc = 0;
	return kho_crc32c_add(kho_crc32c(&blank, sizeof(blank)), payload, head->length);
}

int kho_bequest_pack(const Kho__Bequest *bequest, char **ret, size_t *ret_size,
		     struct kho_err *err)
{
	size_t size = kho__bequest__get_packed_size(bequest);
	struct wire head = {
		.magic = KHO_BEQUEST_MAGIC,
		.version = KHO_BEQUEST_VERSION,
		.length = (uint32_t)size,
	};
	char *data;

	if (size > KHO_BEQUEST_MAX)
		return kho_fail(err, -EFBIG, "what's to be left to the next kernel is described by more "
				"than %u bytes; configure fewer workloads", KHO_BEQUEST_MAX);
	data = malloc(sizeof(head) + size);
	if (!data)
		return kho_fail(err, -ENOMEM, "no memory for a bequest");
	kho__bequest__pack(bequest, (uint8_t *)data + sizeof(head));
	head.crc = sum(&head, data + sizeof(head));
	memcpy(data, &head, sizeof(head));
	*ret = data;
	*ret_size = sizeof(head) + size;
	return 0;
}

/* ---- reading ---- */

static int bad(struct kho_err *err, const char *why)
{
	return kho_fail(err, -EBADMSG, "what the kernel before has left can't be used: %s; start the "
			"workloads anew", why);
}

static int check_head(const struct wire *head, const char *data, size_t size, struct kho_err *err)
{
	if (head->magic != KHO_BEQUEST_MAGIC)
		return bad(err, "it's no bequest");
	if (head->version != KHO_BEQUEST_VERSION || head->flags)
		return kho_fail(err, -EPROTONOSUPPORT, "what the kernel before has left is of version "
				"%u, and this agent knows %u; start the workloads anew, and take a "
				"newer agent", head->version, KHO_BEQUEST_VERSION);
	if (head->length > KHO_BEQUEST_MAX || head->length != size - sizeof(*head))
		return bad(err, "it isn't whole");
	if (sum(head, data + sizeof(*head)) != head->crc)
		return bad(err, "its sum is wrong");
	return 0;
}

/* Of workloads or addresses; *@ret has a bit for each number. */
static bool check_steps(Kho__MoveStep *const *steps, size_t nr, bool workloads, uint32_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < nr; i++) {
		const Kho__MoveStep *step = steps[i];

		if (!step->has_item || step->item >= KHO_BEQUEST_ITEMS || !step->name ||
		    *ret & 1u << step->item)
			return false;
		if (workloads ? !step->workload || !step->workload->unit : !step->address)
			return false;
		*ret |= 1u << step->item;
	}
	return true;
}

static enum kho_bequest_sort sort_of(const Kho__BequestFile *file)
{
	unsigned int sort = 0;

	while (sort < _KHO_BEQUEST_SORT_MAX &&
	       (!file->sort || strcmp(file->sort, kho_bequest_sort_name(sort)) != 0))
		sort++;
	return sort;
}

static bool has_token(const Kho__Bequest *bequest, size_t nr, uint64_t token)
{
	for (size_t i = 0; i < nr; i++)
		if (bequest->files[i]->token == token)
			return true;
	return false;
}

static bool check_files(const Kho__Bequest *bequest, uint32_t items)
{
	uint32_t seen[_KHO_BEQUEST_SORT_MAX] = {};

	if (bequest->n_files > KHO_BEQUEST_ITEMS * _KHO_BEQUEST_SORT_MAX)
		return false;
	for (size_t i = 0; i < bequest->n_files; i++) {
		const Kho__BequestFile *file = bequest->files[i];
		enum kho_bequest_sort sort = sort_of(file);

		if (sort == _KHO_BEQUEST_SORT_MAX || !file->has_item ||
		    file->item >= KHO_BEQUEST_ITEMS || !file->has_token || !file->token ||
		    !file->has_size || seen[sort] & 1u << file->item ||
		    has_token(bequest, i, file->token))
			return false;
		seen[sort] |= 1u << file->item;
	}
	for (unsigned int sort = 0; sort < _KHO_BEQUEST_SORT_MAX; sort++)
		if (seen[sort] != items)
			return false;
	return true;
}

static int check_content(const Kho__Bequest *bequest, struct kho_err *err)
{
	uint32_t workloads, addresses;

	if (!bequest->journal || !bequest->config || !bequest->has_tsc || !bequest->has_tsc_khz ||
	    !bequest->has_realtime_ns || !bequest->has_monotonic_ns || !bequest->has_frozen_ns)
		return bad(err, "it lacks something");
	if (!bequest->n_workloads ||
	    !check_steps(bequest->workloads, bequest->n_workloads, true, &workloads))
		return bad(err, "its workloads make no sense");
	if (!check_steps(bequest->addresses, bequest->n_addresses, false, &addresses))
		return bad(err, "its addresses make no sense");
	if (!check_files(bequest, workloads))
		return bad(err, "its files make no sense");
	return 0;
}

int kho_bequest_unpack(const void *data, size_t size, Kho__Bequest **ret, struct kho_err *err)
{
	Kho__Bequest *bequest;
	struct wire head;
	int r;

	if (size < sizeof(head))
		return bad(err, "it isn't whole");
	memcpy(&head, data, sizeof(head));
	r = check_head(&head, data, size, err);
	if (r < 0)
		return r;
	bequest = kho__bequest__unpack(NULL, head.length, (const uint8_t *)data + sizeof(head));
	if (!bequest)
		return bad(err, "its message can't be read");
	r = check_content(bequest, err);
	if (r < 0)
		kho__bequest__free_unpacked(bequest, NULL);
	else
		*ret = bequest;
	return r;
}

const Kho__BequestFile *kho_bequest_file(const Kho__Bequest *bequest, enum kho_bequest_sort sort,
					 uint32_t item)
{
	for (size_t i = 0; i < bequest->n_files; i++)
		if (bequest->files[i]->item == item && sort_of(bequest->files[i]) == sort)
			return bequest->files[i];
	return NULL;
}
