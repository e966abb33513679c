/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kho-fleet: a machine's part in a fleet (run, by kho-fleet.service), and the operator's
 * commands on rollouts (by way of khoctl fleet).
 *
 * It's a program of its own, so that what speaks TLS with the network is not in the process
 * that holds the machine, waits for nobody while workloads stand still, and isn't in target
 * images. It asks kho-agent what khoctl would ask, over the same API.
 */
#ifndef KHO_FLEETD_FLEETD_H
#define KHO_FLEETD_FLEETD_H

#include "fleet/control.h"
#include "fleet/etcd_client.h"
#include "fleet/member.h"
#include "khoctl/khoctl.h"
#include "migrate/workload/config.h"

/* What the configuration says, and etcd by it. */
struct settings {
	struct kho_config *config;
	struct kho_etcd_client *client;
	struct kho_etcd etcd;
	char group[KHO_FLEET_ID];
	char name[KHO_FLEET_ID];
	char by[KHO_FLEET_ID];		/* who gives commands: "root@host" */
};

/* -ENOTCONN: no fleet is configured. */
int settings_load(struct settings *settings, struct kho_err *err);
/* The same without etcd. */
int settings_load_config(struct settings *settings, struct kho_err *err);
void settings_done(struct settings *settings);
#define _cleanup_settings_ __attribute__((cleanup(settings_done)))

/* The time in ms: since 1970; of a clock that isn't set. */
uint64_t fleet_now_ms(void);
uint64_t fleet_mono_ms(void);

/* Says what's wrong; an exit code. */
int fleet_report(const struct kho_err *err);

/* This machine: kho-agent's API, images, gates. @ctx is a struct kho_config. */
extern const struct kho_machine_ops fleet_machine_ops;

/* One gate of a rollout. 0: passes; else it doesn't, and why. */
int fleet_ask_gate(const struct kho_gate *gate, struct kho_err *err);

/* Verbs; argv[0] is the verb. Exit codes. */
int fleet_run(int argc, char **argv);
int fleet_start(int argc, char **argv);
int fleet_change(int argc, char **argv);	/* pause, resume, abort, forget */
int fleet_status(int argc, char **argv);
int fleet_watch(int argc, char **argv);
int fleet_history(int argc, char **argv);
int fleet_lock(int argc, char **argv);		/* lock, unlock */

#endif
