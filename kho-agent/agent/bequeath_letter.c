// SPDX-License-Identifier: GPL-2.0-only
/* What the next kernel is told of what was kept for it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/bequeath_letter.h"
#include "agent/departure.h"
#include "agent/history.h"
#include "agent/move_nic.h"
#include "agent/pci.h"
#include "agent/upgrade_run.h"
#include "base/cleanup.h"
#include "base/file.h"

#define SAMPLES	64u		/* of the clock */

struct address_room {
	Kho__MoveAddress message;
	char *addresses[KHO_CONFIG_LIST];
	struct kho_pci_message grant;
	char alias[KHO_NIC_ALIAS];
	struct kho_nic_state state;
};

/* The message, and all that it points to. */
struct letter {
	Kho__Bequest bequest;
	Kho__MoveStep steps[2 * KHO_MOVE_ITEMS];
	Kho__MoveStep *workloads[KHO_MOVE_ITEMS], *addresses[KHO_MOVE_ITEMS];
	Kho__MoveWorkload workload_rooms[KHO_MOVE_ITEMS];
	struct address_room address_rooms[KHO_MOVE_ITEMS];
	Kho__BequestFile file_rooms[KHO_BEQUEATH_FILES];
	Kho__BequestFile *files[KHO_BEQUEATH_FILES];
	char *history[KHO_HISTORY_TEXTS];
	char *journal;
};

static void letter_free(struct letter **letter)
{
	if (!*letter)
		return;
	for (size_t i = 0; i < (*letter)->bequest.n_history; i++)
		free((*letter)->history[i]);
	free((*letter)->journal);
	free(*letter);
}

static void begin_step(const struct kho_mover *mover, Kho__MoveStep *step, uint32_t item,
		       const char *name)
{
	kho__move_step__init(step);
	step->has_item = step->has_move = true;
	step->item = item;
	step->move = mover->id;
	step->name = (char *)name;
}

static void add_workloads(const struct kho_mover *mover, struct letter *letter)
{
	for (uint32_t i = 0; i < mover->config->nr_workloads; i++) {
		Kho__MoveStep *step = &letter->steps[i];

		begin_step(mover, step, i, mover->config->workloads[i].name);
		kho__move_workload__init(&letter->workload_rooms[i]);
		kho_departure_describe(mover->departures[i], &letter->workload_rooms[i]);
		step->workload = &letter->workload_rooms[i];
		letter->workloads[i] = step;
	}
	letter->bequest.workloads = letter->workloads;
	letter->bequest.n_workloads = mover->config->nr_workloads;
}

/* ---- addresses ---- */

/* The one of its functions that has the NIC which the address is on. */
static int find_nic(const struct kho_config_address *config, const struct kho_pci_addr **ret,
		    struct kho_nic *ret_nic, struct kho_err *err)
{
	struct kho_service service;
	struct kho_address address;
	int r = kho_address_parse(config->addresses[0], &address, err);

	if (r >= 0)
		r = kho_address_find(&address, &service, err);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < config->nr_functions; i++)
		if (kho_nic_find("/sys", &config->functions[i], ret_nic, NULL) >= 0 &&
		    ret_nic->ifindex == service.ifindex) {
			*ret = &config->functions[i];
			return 0;
		}
	return kho_fail(err, -ENODEV, "address %s is on a NIC that Functions= doesn't name; name it",
			config->name);
}

static int read_alias(const struct kho_pci_addr *function, char ret[KHO_NIC_ALIAS],
		      struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[128], name[KHO_PCI_TEXT];
	int r;

	kho_pci_format(function, name);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/modalias", name);
	r = kho_file_read_string(path, KHO_NIC_ALIAS, &text, err);
	if (r >= 0)
		snprintf(ret, KHO_NIC_ALIAS, "%s", text);
	return r;
}

/* As for a NIC that comes in the switch: it's there, but its driver and addresses aren't yet. */
static int describe_address(struct kho_config_address *config, struct address_room *room,
			    struct kho_err *err)
{
	Kho__MoveAddress *message = &room->message;
	const struct kho_pci_addr *function = NULL;
	struct kho_nic nic;
	int r = find_nic(config, &function, &nic, err);

	if (r >= 0)
		r = read_alias(function, room->alias, err);
	if (r >= 0)
		r = kho_nic_state_read(&nic, &room->state, err);
	if (r < 0)
		return r;
	kho__move_address__init(message);
	for (unsigned int i = 0; i < config->nr_addresses; i++)
		room->addresses[i] = config->addresses[i];
	message->addresses = room->addresses;
	message->n_addresses = config->nr_addresses;
	message->gateway = *config->gateway ? config->gateway : NULL;
	message->has_later = message->later = true;
	message->modalias = room->alias;
	kho_pci_message_init(&room->grant, function, 0);
	message->nic = &room->grant.grant;
	message->has_mtu = message->has_nic_state = true;
	message->mtu = room->state.mtu;
	message->nic_state.data = room->state.messages;
	message->nic_state.len = room->state.size;
	return 0;
}

static int add_addresses(const struct kho_mover *mover, struct letter *letter, struct kho_err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < mover->config->nr_addresses && r >= 0; i++) {
		Kho__MoveStep *step = &letter->steps[KHO_MOVE_ITEMS + i];
		struct kho_config_address *config = &mover->config->addresses[i];

		begin_step(mover, step, i, config->name);
		r = describe_address(config, &letter->address_rooms[i], err);
		step->address = &letter->address_rooms[i].message;
		letter->addresses[i] = step;
	}
	letter->bequest.addresses = letter->addresses;
	letter->bequest.n_addresses = mover->config->nr_addresses;
	return r;
}

/* ---- the rest ---- */

static void add_files(const struct kho_bequeathal *b, struct letter *letter)
{
	for (unsigned int i = 0; i < b->nr; i++) {
		Kho__BequestFile *file = &letter->file_rooms[i];

		kho__bequest_file__init(file);
		file->sort = (char *)kho_bequest_sort_name(b->kept[i].sort);
		file->has_item = file->has_token = file->has_size = true;
		file->item = b->kept[i].item;
		file->token = b->kept[i].token;
		file->size = b->kept[i].size;
		letter->files[i] = file;
	}
	letter->bequest.files = letter->files;
	letter->bequest.n_files = b->nr;
}

static uint64_t first_frozen(const struct kho_mover *mover)
{
	uint64_t first = UINT64_MAX;

	for (uint32_t i = 0; i < mover->config->nr_workloads; i++)
		if (mover->departures[i]->frozen_ns < first)
			first = mover->departures[i]->frozen_ns;
	return first;
}

static int add_times(const struct kho_mover *mover, Kho__Bequest *bequest, struct kho_err *err)
{
	struct kho_clock_sample sample;
	int r = kho_clock_sample(&mover->agent->clock, SAMPLES, &sample, err);

	if (r < 0)
		return r;
	bequest->has_tsc = bequest->has_realtime_ns = bequest->has_monotonic_ns = true;
	bequest->has_tsc_khz = bequest->has_frozen_ns = bequest->has_began_ns = true;
	bequest->has_predicted_ms = true;
	bequest->tsc = sample.tsc;
	bequest->realtime_ns = sample.realtime_ns;
	bequest->monotonic_ns = sample.monotonic_ns;
	bequest->tsc_khz = mover->agent->info.tsc_khz;
	bequest->frozen_ns = first_frozen(mover);
	bequest->began_ns = mover->began_ns;
	bequest->predicted_ms = mover->bequeathal->predicted_ms;
	return 0;
}

static int add_journal(const struct kho_mover *mover, struct letter *letter, struct kho_err *err)
{
	const struct kho_journal *journal = kho_upgrade_journal(mover->agent);

	if (!journal)
		return kho_fail(err, -EINVAL, "a move by kexec is a part of an upgrade; khoctl upgrade "
				"--method=kexec");
	letter->bequest.n_history = kho_history_hand_over(NULL, letter->history);
	letter->bequest.history = letter->history;
	return kho_journal_format(journal, &letter->journal, err);
}

int kho_bequeath_write_letter(struct kho_mover *mover, char **ret, size_t *ret_size,
			      struct kho_err *err)
{
	_cleanup_(letter_free) struct letter *letter = calloc(1, sizeof(*letter));
	int r;

	if (!letter)
		return kho_fail(err, -ENOMEM, "no memory to describe what's kept");
	kho__bequest__init(&letter->bequest);
	letter->bequest.config = mover->config_text;
	add_workloads(mover, letter);
	add_files(mover->bequeathal, letter);
	r = add_addresses(mover, letter, err);
	if (r >= 0)
		r = add_times(mover, &letter->bequest, err);
	if (r >= 0)
		r = add_journal(mover, letter, err);
	letter->bequest.journal = letter->journal;
	return r < 0 ? r : kho_bequest_pack(&letter->bequest, ret, ret_size, err);
}
