// SPDX-License-Identifier: GPL-2.0-only
/* Steps that the new side does: asked for by a message, over when it answers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/move.h"
#include "agent/move_nic.h"
#include "agent/pci.h"
#include "agent/side.h"
#include "base/cleanup.h"

struct step_message {
	Kho__MoveStep step;
	Kho__MoveWorkload workload;
	Kho__MoveAddress address;
	Kho__MoveVolume volume;
	struct kho_pci_message grant;
	char *addresses[KHO_CONFIG_LIST];
	char alias[KHO_NIC_ALIAS];
	struct kho_nic_state state;
};

static void describe_address(struct kho_mover *mover, uint32_t item, struct step_message *message)
{
	struct kho_config_address *config = &mover->config->addresses[item];

	kho__move_address__init(&message->address);
	for (unsigned int i = 0; i < config->nr_addresses; i++)
		message->addresses[i] = config->addresses[i];
	message->address.n_addresses = config->nr_addresses;
	message->address.addresses = message->addresses;
	if (*config->gateway)
		message->address.gateway = config->gateway;
	message->step.address = &message->address;
}

/* The function that goes with the step, as a grant; in place of a message of its own. */
static int add_grant(struct kho_mover *mover, const struct kho_pci_addr *addr,
		     struct step_message *message, struct kho_err *err)
{
	uint64_t config;
	int r = kho_pci_config(mover->agent, addr, &config, err);

	if (r >= 0)
		kho_pci_message_init(&message->grant, addr, config);
	return r;
}

/* Its only NIC moves: before the switch, and in it. */
static int describe_nic(struct kho_mover *mover, enum kho_step step, uint32_t item,
			struct step_message *message, struct kho_err *err)
{
	Kho__MoveAddress *address = &message->address;
	int r;

	address->has_later = address->later = true;
	if (step == KHO_STEP_ADDRESS) {
		address->modalias = message->alias;
		return kho_mover_describe_alias(mover, item, message->alias, err);
	}
	/* the other side's agent may have been started again since */
	r = add_grant(mover, &mover->config->addresses[item].functions[0], message, err);
	address->nic = &message->grant.grant;
	if (r < 0 || step != KHO_STEP_ATTACH || message->step.undo)
		return r;
	r = kho_mover_describe_nic(mover, item, &message->state, err);
	address->has_mtu = address->has_nic_state = true;
	address->mtu = message->state.mtu;
	address->nic_state.data = message->state.messages;
	address->nic_state.len = message->state.size;
	return r;
}

static void describe_volume(struct kho_mover *mover, uint32_t item, struct step_message *message)
{
	struct kho_config_volume *config = &mover->config->volumes[item];

	kho__move_volume__init(&message->volume);
	message->volume.has_partition = true;
	message->volume.partition = config->partition;
	message->volume.mount_point = config->mount_point;
	message->volume.file_system = config->file_system;
	message->volume.options = config->options;
	message->step.volume = &message->volume;
}

static int describe(struct kho_mover *mover, enum kho_step step, uint32_t item,
		    struct step_message *message, struct kho_err *err)
{
	const struct kho_pci_addr *nic;
	int r = 0;

	switch (kho_step_info(step)->scope) {
	case KHO_SCOPE_WORKLOAD:
		kho__move_workload__init(&message->workload);
		if (mover->departures[item])
			kho_departure_describe(mover->departures[item], &message->workload);
		else
			message->workload.unit = mover->config->workloads[item].unit;
		message->step.workload = &message->workload;
		break;
	case KHO_SCOPE_ADDRESS:
		describe_address(mover, item, message);
		if (kho_mover_nic_moves(mover, item))
			return describe_nic(mover, step, item, message, err);
		nic = kho_mover_spare_nic(mover, item);
		r = nic ? add_grant(mover, nic, message, err) : 0;
		message->address.nic = nic ? &message->grant.grant : NULL;
		break;
	case KHO_SCOPE_VOLUME:
		describe_volume(mover, item, message);
		r = add_grant(mover, &mover->config->volumes[item].function, message, err);
		message->volume.disk = &message->grant.grant;
		break;
	default:
		break;
	}
	return r;
}

static int fill(struct kho_mover *mover, uint32_t item, struct step_message *message,
		struct kho_err *err)
{
	Kho__MoveStep *step = &message->step;

	step->has_step = step->has_undo = step->has_item = step->has_move = true;
	step->item = item;
	step->move = mover->id;
	step->name = (char *)kho_mover_item_name(mover, step->step, item);
	/* the new side has it from here */
	if (step->step == KHO_STEP_PREPARE && !step->undo && item == 0 &&
	    !kho_side(mover->agent)->is_new)
		step->config = mover->config_text;
	return describe(mover, step->step, item, message, err);
}

int kho_mover_ask(struct kho_mover *mover, enum kho_step step, bool undo, uint32_t item,
		  struct kho_err *err)
{
	_cleanup_free_ struct step_message *message = calloc(1, sizeof(*message));
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	int r;

	if (!message)
		return kho_fail(err, -ENOMEM, "no memory to ask the other kernel");
	kho__move_step__init(&message->step);
	message->step.step = step;
	message->step.undo = undo;
	r = step == KHO_STEP_ADDRESS && !undo ? kho_mover_give_nic(mover, item, err) : 0;
	if (r >= 0)
		r = fill(mover, item, message, err);
	if (r < 0)
		return r;
	envelope.body_case = KHO__ENVELOPE__BODY_MOVE_STEP;
	envelope.move_step = &message->step;
	r = kho_session_send(mover->agent->session, &envelope, err);
	return r < 0 ? r : 1;
}

void kho_mover_on_result(struct kho_session *session, const Kho__MoveResult *result)
{
	struct kho_mover *mover = session->agent->mover;
	struct kho_err err = {};
	char text[320];

	if (!mover || !result->has_step || !result->has_item || !result->has_move ||
	    result->move != mover->id || result->step >= _KHO_STEP_MAX ||
	    result->item >= KHO_MOVE_ITEMS)
		return;
	if (result->has_code && result->code < 0) {
		kho_text_clean(text, sizeof(text), result->text ?: "no reason given");
		kho_fail(&err, result->code, "%s: %s", kho_side(session->agent)->peer, text);
	}
	if (result->has_mac && result->mac.len == 6 && result->step == KHO_STEP_ADDRESS)
		memcpy(mover->macs[result->item], result->mac.data, 6);
	if (kho_step_info(result->step)->scope == KHO_SCOPE_WORKLOAD &&
	    mover->departures[result->item])
		kho_departure_on_result(mover->departures[result->item], result);
	if (result->has_undo && result->undo && result->step == KHO_STEP_ADDRESS && !err.code)
		kho_mover_take_nic_back(mover, result->item, &err);
	if (result->has_undo && result->undo)
		kho_mover_undone(mover, result->step, result->item, &err);
	else
		kho_mover_done(mover, result->step, result->item, &err);
}
