// SPDX-License-Identifier: GPL-2.0-only
/*
 * An address whose only NIC moves, on the side that it leaves.
 *
 * With one NIC there's nowhere to send packets on to: what waits when the NIC goes is
 * lost, and so is what comes until the other side has it. Their senders repeat them.
 *
 * What is configured on the NIC ends with its interface. It's kept in a file, so that
 * an agent that is started again can set it again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/move.h"
#include "agent/move_nic.h"
#include "agent/side.h"
#include "base/cleanup.h"
#include "base/file.h"

#define ALIAS_MAX	256

static const struct kho_config_address *config_of(const struct kho_mover *mover, uint32_t item)
{
	return &mover->config->addresses[item];
}

bool kho_mover_nic_moves(struct kho_mover *mover, uint32_t item)
{
	return config_of(mover, item)->nr_functions == 1 && !kho_mover_spare_nic(mover, item);
}

/* ---- what was configured ---- */

static void state_path(const struct kho_config_address *config, char path[128])
{
	snprintf(path, 128, KHO_RUN_DIR "/nic-%s", config->name);
}

static int write_state(const struct kho_mover *mover, uint32_t item,
		       const struct kho_nic_state *state, struct kho_err *err)
{
	const struct kho_file_content content = {
		.data = state,
		.size = offsetof(struct kho_nic_state, messages) + state->size,
		.mode = 0600,
	};
	char path[128];

	state_path(config_of(mover, item), path);
	return kho_file_write_atomic(path, &content, err);
}

/* -ENOENT: its NIC was never given up. */
static int read_state(const struct kho_config_address *config, struct kho_nic_state *ret,
		      struct kho_err *err)
{
	const size_t head = offsetof(struct kho_nic_state, messages);
	_cleanup_free_ char *data = NULL;
	char path[128];
	size_t size;
	int r;

	state_path(config, path);
	r = kho_file_read(path, sizeof(*ret), &data, &size, err);
	if (r < 0)
		return r;
	if (size < head || size > sizeof(*ret))
		return kho_fail(err, -EBADMSG, "%s is damaged; configure the NIC by hand", path);
	memcpy(ret, data, size);
	if (ret->size != size - head)
		return kho_fail(err, -EBADMSG, "%s is damaged; configure the NIC by hand", path);
	return 0;
}

/* ---- what the other side is told ---- */

int kho_mover_describe_alias(struct kho_mover *mover, uint32_t item, char ret[KHO_NIC_ALIAS],
			     struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[128], function[KHO_PCI_TEXT];
	int r;

	kho_pci_format(&config_of(mover, item)->functions[0], function);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/modalias", function);
	r = kho_file_read_string(path, KHO_NIC_ALIAS, &text, err);
	if (r >= 0)
		snprintf(ret, KHO_NIC_ALIAS, "%s", text);
	return r;
}

int kho_mover_describe_nic(struct kho_mover *mover, uint32_t item, struct kho_nic_state *ret,
			   struct kho_err *err)
{
	return read_state(config_of(mover, item), ret, err);
}

int kho_nic_set_again(const struct kho_config_address *config, unsigned int ifindex,
		      struct kho_err *err)
{
	_cleanup_free_ struct kho_nic_state *state = calloc(1, sizeof(*state));
	int r;

	if (!state)
		return kho_fail(err, -ENOMEM, "no memory for the state of a NIC");
	r = read_state(config, state, err);
	if (r >= 0)
		return kho_nic_state_apply(state, ifindex, err);
	if (r == -ENOENT)
		*err = (struct kho_err){};
	return r == -ENOENT ? 0 : r;
}

/* ---- steps ---- */

static int keep_state(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	_cleanup_free_ struct kho_nic_state *state = calloc(1, sizeof(*state));
	struct kho_nic nic;
	int r;

	if (!state)
		return kho_fail(err, -ENOMEM, "no memory for the state of a NIC");
	r = kho_nic_find("/sys", &config_of(mover, item)->functions[0], &nic, err);
	if (r >= 0)
		r = kho_nic_state_read(&nic, state, err);
	return r < 0 ? r : write_state(mover, item, state, err);
}

static int detach(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	int r;

	if (!kho_mover_nic_moves(mover, item))
		return 0;
	r = keep_state(mover, item, err);
	if (r >= 0)
		r = kho_side(mover->agent)->give(mover->agent, &config_of(mover, item)->functions[0],
						 err);
	return r < 0 ? r : 0;
}

static int set_again(const struct kho_mover *mover, uint32_t item,
		     const struct kho_nic_state *state, struct kho_err *err)
{
	struct kho_nic nic;
	/* its driver was there before, and has bound by now */
	int r = kho_nic_find("/sys", &config_of(mover, item)->functions[0], &nic, err);

	if (r >= 0)
		r = kho_nic_up(nic.ifindex, err);
	return r < 0 ? r : kho_nic_state_apply(state, nic.ifindex, err);
}

static void forget_state(const struct kho_mover *mover, uint32_t item)
{
	char path[128];

	state_path(config_of(mover, item), path);
	unlink(path);
}

static int undo_detach(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	_cleanup_free_ struct kho_nic_state *state = calloc(1, sizeof(*state));
	int r;

	if (!state)
		return kho_fail(err, -ENOMEM, "no memory for the state of a NIC");
	r = read_state(config_of(mover, item), state, err);
	if (r == -ENOENT) {
		*err = (struct kho_err){};
		return 0;
	}
	if (r >= 0)
		r = kho_side(mover->agent)->take(mover->agent, &config_of(mover, item)->functions[0],
						 err);
	if (r >= 0)
		r = set_again(mover, item, state, err);
	if (r < 0)
		return r;
	forget_state(mover, item);
	return 0;
}

const struct kho_step_ops kho_step_detach = { .begin = detach, .undo = undo_detach };
