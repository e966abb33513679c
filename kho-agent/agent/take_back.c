// SPDX-License-Identifier: GPL-2.0-only
/* Taking back what had moved; take_back.h has the contract. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/command.h"
#include "agent/move_nic.h"
#include "agent/receive.h"
#include "agent/take_back.h"
#include "migrate/net/announce.h"
#include "migrate/net/clean.h"
#include "migrate/volume/volume.h"
#include "migrate/workload/config.h"
#include "migrate/workload/unit.h"

#define START_MS	180000

struct take_back {
	struct kho_agent *agent;
	kho_taken_back_fn fn;
	struct kho_config *config;
	struct kho_err trouble;		/* the first */
	struct kho_service services[KHO_NET_ADDRESSES_MAX];
	size_t nr_services;
	struct kho_command *start;
	unsigned int next;		/* workload to be started */
};

static void note(struct take_back *t, int r, const struct kho_err *err)
{
	if (r >= 0)
		return;
	kho_agent_progress(t->agent, "%s", err->msg);
	if (!t->trouble.code)
		t->trouble = *err;
}

/* ---- what a move may have left here ---- */

/* Nothing of them runs: stubs of a move back are killed, drop-ins go. */
static void drop_units(struct take_back *t)
{
	struct kho_err err;

	for (unsigned int i = 0; i < t->config->nr_workloads; i++)
		note(t, kho_unit_drop(t->config->workloads[i].unit, &err), &err);
}

/* ---- volumes ---- */

static void take_volume(struct take_back *t, const struct kho_config_volume *config)
{
	struct kho_volume volume = {};
	char disk[KHO_VOLUME_PATH];
	struct kho_err err;
	int r;

	snprintf(volume.name, sizeof(volume.name), "%s", config->name);
	snprintf(volume.mount_point, sizeof(volume.mount_point), "%s", config->mount_point);
	snprintf(volume.file_system, sizeof(volume.file_system), "%s", config->file_system);
	snprintf(volume.options, sizeof(volume.options), "%s", config->options);
	/* of a move back that didn't get to its end */
	r = kho_volume_drop(&volume, &err);
	if (r >= 0)
		r = kho_volume_disk(&config->function, config->partition, disk, &err);
	if (r >= 0)
		r = kho_volume_start(&volume, disk, &err);
	if (r < 0)
		kho_wrap(&err, r, "volume %s", config->name);
	note(t, r, &err);
}

/* ---- addresses ---- */

/* One that's up is the one that had them; of the others the first. */
static int find_nic(const struct kho_config_address *config, struct kho_nic *ret,
		    struct kho_err *err)
{
	struct kho_nic nic = {};
	int r = -ENODEV;

	for (unsigned int i = 0; i < config->nr_functions; i++) {
		if (kho_nic_find("/sys", &config->functions[i], &nic, NULL) < 0)
			continue;
		if (r < 0 || (nic.up && !ret->up))
			*ret = nic;
		r = 0;
	}
	return r < 0 ? kho_fail(err, r, "none of its Functions= has a NIC here") : 0;
}

static int add_address(struct take_back *t, const char *text, const struct kho_nic *nic,
		       struct kho_err *err)
{
	struct kho_service *service = &t->services[t->nr_services];
	int r;

	if (t->nr_services == KHO_NET_ADDRESSES_MAX)
		return kho_fail(err, -E2BIG, "more than %d addresses", KHO_NET_ADDRESSES_MAX);
	r = kho_address_parse(text, &service->address, err);
	service->ifindex = nic->ifindex;
	if (r >= 0)
		r = kho_address_add(service, err);
	if (r >= 0)
		t->nr_services++;
	return r;
}

static void take_address(struct take_back *t, const struct kho_config_address *config)
{
	struct kho_address gateway;
	struct kho_nic nic = {};
	struct kho_err err;
	int r = find_nic(config, &nic, &err);

	if (r >= 0)
		r = kho_nic_up(nic.ifindex, &err);
	for (unsigned int i = 0; i < config->nr_addresses && r >= 0; i++)
		r = add_address(t, config->addresses[i], &nic, &err);
	/* if it's the only one, all that was on it is gone */
	if (r >= 0 && config->nr_functions == 1)
		r = kho_nic_set_again(config, nic.ifindex, &err);
	if (r >= 0 && *config->gateway) {
		r = kho_address_parse(config->gateway, &gateway, &err);
		if (r >= 0)
			r = kho_gateway_add(&gateway, nic.ifindex, &err);
	}
	if (r < 0)
		kho_wrap(&err, r, "address %s", config->name);
	note(t, r, &err);
}

static void announce(struct take_back *t)
{
	struct kho_err err;

	if (t->nr_services)
		note(t, kho_announce(t->services, t->nr_services, &err), &err);
}

/* ---- services ---- */

static void start_next(struct take_back *t);

static void on_started(void *ctx, const struct kho_err *failed)
{
	struct take_back *t = ctx;
	const char *unit = t->config->workloads[t->next].unit;
	struct kho_err err = *failed;

	t->start = kho_command_free(t->start);
	if (err.code < 0)
		kho_wrap(&err, err.code, "%s did not start; see systemctl status", unit);
	note(t, err.code, &err);
	t->next++;
	start_next(t);
}

static void finish(struct take_back *t)
{
	struct kho_agent *agent = t->agent;
	kho_taken_back_fn fn = t->fn;
	struct kho_err trouble;

	/* once more: the first frames may have gone before the carrier was there */
	announce(t);
	trouble = t->trouble;
	free(t->config);
	free(t);
	agent->taking_back = false;
	fn(agent, &trouble);
}

static void start_next(struct take_back *t)
{
	char line[KHO_UNIT_NAME + 32];
	struct kho_err err;

	while (t->next < t->config->nr_workloads) {
		const char *unit = t->config->workloads[t->next].unit;

		kho_agent_progress(t->agent, "starting %s anew", unit);
		snprintf(line, sizeof(line), "/usr/bin/systemctl start -- %s", unit);
		if (kho_command_run(t->agent->event, line, START_MS, on_started, t, &t->start,
				    &err) >= 0)
			return;
		note(t, err.code, &err);
		t->next++;
	}
	finish(t);
}

int kho_take_back(struct kho_agent *agent, kho_taken_back_fn fn, struct kho_err *err)
{
	struct take_back *t = calloc(1, sizeof(*t));
	struct kho_err one;
	int r;

	if (!t)
		return kho_fail(err, -ENOMEM, "no memory to take workloads back");
	t->agent = agent;
	t->fn = fn;
	r = kho_config_load(&t->config, err);
	if (r < 0) {
		free(t);
		return r;
	}
	agent->taking_back = true;
	kho_receive_drop(agent);
	drop_units(t);
	note(t, kho_net_clean(KHO_CLEAN_HOLD | KHO_CLEAN_SILENCE, &one), &one);
	for (unsigned int i = 0; i < t->config->nr_volumes; i++)
		take_volume(t, &t->config->volumes[i]);
	for (unsigned int i = 0; i < t->config->nr_addresses; i++)
		take_address(t, &t->config->addresses[i]);
	announce(t);
	start_next(t);
	return 0;
}
