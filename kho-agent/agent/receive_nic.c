// SPDX-License-Identifier: GPL-2.0-only
/*
 * An address whose only NIC moves, on the side that it goes to: its driver is loaded
 * before anything stands still, and the NIC taken in the switch.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/anchor.h"
#include "agent/pci.h"
#include "agent/side.h"

#define MODULES_MS	30000
#define LOOK_MS		5

/* ---- before the switch ---- */

/* As the kernel makes them: "pci:v00001AF4d00001041sv..." */
static bool is_alias(const char *alias)
{
	if (strncmp(alias, "pci:", 4) != 0 || strlen(alias) > 128)
		return false;
	for (; *alias; alias++)
		if (!isalnum((unsigned char)*alias) && *alias != ':')
			return false;
	return true;
}

/* What's missing shows when the NIC is there and no driver takes it. */
static void on_modules(void *ctx, const struct kho_err *ignored)
{
	const struct kho_err none = {};
	struct kho_anchor *a = ctx;

	(void)ignored;
	a->modules = kho_command_free(a->modules);
	kho_receive_answer(a->receiver, KHO_STEP_ADDRESS, false, a->item, &none);
}

int kho_anchor_expect(struct kho_anchor *a, const Kho__MoveAddress *address, struct kho_err *err)
{
	char line[256];
	int r;

	if (!address->modalias || !is_alias(address->modalias))
		return kho_fail(err, -EBADMSG, "the step doesn't say what kind of NIC will come; "
				"update the older agent");
	/* a virtio NIC has a device of its own below the function */
	snprintf(line, sizeof(line), "/usr/sbin/modprobe -a -q %s virtio_net", address->modalias);
	r = kho_command_run(a->receiver->agent->event, line, MODULES_MS, on_modules, a,
			    &a->modules, err);
	return r < 0 ? r : 1;
}

/* ---- in the switch ---- */

static int read_state(struct kho_anchor *a, const Kho__MoveAddress *address, struct kho_err *err)
{
	if (!address || !address->nic || !address->has_nic_state ||
	    address->nic_state.len > KHO_NIC_STATE_MAX)
		return kho_fail(err, -EBADMSG, "the step names no NIC; update the older agent");
	if (!a->state)
		a->state = calloc(1, sizeof(*a->state));
	if (!a->state)
		return kho_fail(err, -ENOMEM, "no memory for the state of a NIC");
	a->state->mtu = address->has_mtu ? address->mtu : 0;
	a->state->size = address->nic_state.len;
	memcpy(a->state->messages, address->nic_state.data, address->nic_state.len);
	return kho_pci_read_grant(address->nic, &a->function, err);
}

static int attach(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_anchor *a = anchor(receiver, step);
	int r;

	if (!a)
		return kho_fail(err, -EPROTO, "this address isn't expected");
	if (!a->later)
		return 0;
	r = read_state(a, step->address, err);
	if (r >= 0)
		r = kho_side(receiver->agent)->take(receiver->agent, &a->function, err);
	if (r < 0)
		return r;
	a->granted = r > 0;
	return kho_anchor_await(a, KHO_STEP_ATTACH, LOOK_MS, err);
}

static int undo_attach(struct kho_receiver *receiver, const Kho__MoveStep *step,
		       struct kho_err *err)
{
	struct kho_anchor *a = anchor(receiver, step) ?: kho_anchor_adopt(receiver, step, err);

	if (!a)
		return err->code;
	return a->later ? kho_anchor_lift(a, err) : 0;
}

const struct kho_receive_ops kho_receive_attach = { .begin = attach, .undo = undo_attach };
