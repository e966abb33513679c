// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-fleet run: this machine's part, for as long as the service runs. A signal ends the
 * registration, so that the next kernel's can follow at once.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <systemd/sd-daemon.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "fleetd/fleetd.h"

#define DEFAULT_LEASE_SEC	60u

static volatile sig_atomic_t ended;

static void on_end(int signal)
{
	(void)signal;
	ended = 1;
}

static int add_labels(struct kho_labels *labels, const char *text, struct kho_err *err)
{
	_cleanup_free_ char *words = strdup(text);
	char *word, *rest;
	int r = words ? 0 : kho_fail(err, -ENOMEM, "no memory for labels");

	for (word = words ? strtok_r(words, " \t", &rest) : NULL; word && r >= 0;
	     word = strtok_r(NULL, " \t", &rest))
		r = kho_labels_add(labels, word, err);
	return r;
}

static int describe(const struct settings *settings, struct kho_member_spec *spec,
		    struct kho_err *err)
{
	const struct kho_config_fleet *fleet = &settings->config->fleet;
	_cleanup_free_ char *boot = NULL;
	struct utsname name;
	int r = kho_file_read_string("/proc/sys/kernel/random/boot_id", KHO_FLEET_ID, &boot, err);

	if (r < 0)
		return r;
	uname(&name);
	*spec = (struct kho_member_spec){ .ttl_sec = fleet->lease_sec ?: DEFAULT_LEASE_SEC };
	snprintf(spec->id, sizeof(spec->id), "%s", settings->name);
	snprintf(spec->group, sizeof(spec->group), "%s", settings->group);
	snprintf(spec->boot, sizeof(spec->boot), "%.60s", boot);
	snprintf(spec->release, sizeof(spec->release), "%.60s", name.release);
	return add_labels(&spec->labels, fleet->labels, err);
}

/* What has changed is said once. */
static void tell(const struct kho_member *member, const struct kho_err *err, char said[600])
{
	char line[600];

	if (err->code < 0)
		snprintf(line, sizeof(line), "%s", err->msg);
	else
		snprintf(line, sizeof(line), "%s%s%s", member->last.reason,
			 *member->last.message ? ": " : "", member->last.message);
	sd_notifyf(0, "STATUS=%s", line);
	if (strcmp(line, said) == 0)
		return;
	fprintf(stderr, "%s%s\n", err->code < 0 ? SD_WARNING : SD_INFO, line);
	memcpy(said, line, sizeof(line));
}

static void loop(struct kho_member *member)
{
	char said[600] = "";
	uint32_t wait_ms;

	while (!ended) {
		struct kho_err err = {};
		int r = kho_member_step(member, &wait_ms, &err);

		err.code = r;
		tell(member, &err, said);
		sd_notify(0, "WATCHDOG=1");
		if (ended)
			break;
		if (r < 0 || !member->loaded)
			poll(NULL, 0, (int)wait_ms);
		else
			kho_member_wait(member, wait_ms);
	}
}

static void on_signals(void)
{
	struct sigaction action = { .sa_handler = on_end };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

int fleet_run(int argc, char **argv)
{
	_cleanup_settings_ struct settings settings = {};
	_cleanup_free_ struct kho_member *member = calloc(1, sizeof(*member));
	struct kho_member_spec spec;
	struct kho_err err;
	int r;

	if (argc != 1)
		return kho_usage_error("%s takes no argument", argv[0]);
	r = member ? settings_load(&settings, &err) : kho_fail(&err, -ENOMEM, "no memory");
	if (r == -ENOTCONN) {
		sd_notifyf(0, "READY=1\nSTATUS=%s", err.msg);
		fprintf(stderr, "%s\n", err.msg);
		return KHO_EXIT_OK;
	}
	if (r >= 0)
		r = describe(&settings, &spec, &err);
	if (r >= 0)
		r = kho_member_init(member, &spec, settings.etcd, &err);
	if (r < 0)
		return fleet_report(&err);
	member->machine = &fleet_machine_ops;
	member->ctx = settings.config;
	on_signals();
	sd_notify(0, "READY=1");
	loop(member);
	kho_member_leave(member);
	kho_member_done(member);
	return KHO_EXIT_OK;
}
