// SPDX-License-Identifier: GPL-2.0-only
/* Verbs that change a rollout, and those of FleetLock. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "fleet/fleetlock.h"
#include "fleetd/fleetd.h"

#define LOCK_MS		10000u

struct words {
	const char *reason, *argument;	/* NULL: not given */
	bool steal;
};

static int parse(int argc, char **argv, struct words *ret)
{
	static const struct option options[] = {
		{ "reason", required_argument, NULL, 'r' }, { "steal", no_argument, NULL, 's' }, {}
	};
	int option;

	*ret = (struct words){};
	optind = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			return KHO_EXIT_USAGE;
		if (option == 'r')
			ret->reason = optarg;
		ret->steal |= option == 's';
	}
	if (optind + 1 < argc)
		return kho_usage_error("%s has too many arguments", argv[0]);
	ret->argument = argv[optind];
	return KHO_EXIT_OK;
}

static struct kho_control control_of(const struct settings *settings, const struct words *words)
{
	return (struct kho_control){ settings->etcd, settings->group, settings->by, words->reason,
				     fleet_now_ms() };
}

int fleet_start(int argc, char **argv)
{
	_cleanup_settings_ struct settings settings = {};
	_cleanup_free_ char *document = NULL;
	struct kho_control control;
	struct words words;
	struct kho_err err;
	bool begun = false;
	int r = parse(argc, argv, &words);

	if (r != KHO_EXIT_OK)
		return r;
	if (!words.argument)
		return kho_usage_error("start takes a file");
	r = settings_load(&settings, &err);
	if (r >= 0)
		r = kho_file_read_string(words.argument, KHO_FLEET_MAX, &document, &err);
	if (r < 0)
		return fleet_report(&err);
	control = control_of(&settings, &words);
	r = kho_control_start(&control, document, words.steal, &begun, &err);
	if (r < 0)
		return fleet_report(&err);
	return kho_say(begun ? "the rollout has begun; khoctl fleet watch follows it" :
		       "that rollout is there already");
}

int fleet_change(int argc, char **argv)
{
	_cleanup_settings_ struct settings settings = {};
	struct kho_control control;
	struct words words;
	struct kho_err err;
	bool forget = strcmp(argv[0], "forget") == 0;
	int r = parse(argc, argv, &words);

	if (r != KHO_EXIT_OK)
		return r;
	if (forget != !!words.argument || words.steal)
		return kho_usage_error(forget ? "%s takes a machine" : "%s takes no argument", argv[0]);
	r = settings_load(&settings, &err);
	if (r < 0)
		return fleet_report(&err);
	control = control_of(&settings, &words);
	r = forget ? kho_control_forget(&control, words.argument, &err) :
	    kho_control_set(&control, strcmp(argv[0], "pause") == 0 ? KHO_ROLLOUT_PAUSED :
			    strcmp(argv[0], "abort") == 0 ? KHO_ROLLOUT_ABORTED : KHO_ROLLOUT_RUNNING,
			    &err);
	if (r == -EALREADY)
		return kho_say(err.msg);
	return r < 0 ? fleet_report(&err) : kho_say("done");
}

int fleet_lock(int argc, char **argv)
{
	_cleanup_settings_ struct settings settings = {};
	struct kho_web *http = NULL;
	struct kho_fleetlock lock;
	struct kho_err err;
	int r;

	if (argc != 1)
		return kho_usage_error("%s takes no argument", argv[0]);
	r = settings_load_config(&settings, &err);
	if (r >= 0 && !*settings.config->fleet.fleet_lock)
		r = kho_fail(&err, -ENOTCONN, "no FleetLock server is configured; set FleetLock= in [Fleet]");
	if (r >= 0)
		r = kho_web_new(&(struct kho_web_tls){ settings.config->fleet.ca,
				 settings.config->fleet.certificate, settings.config->fleet.key },
				 &http, &err);
	if (r < 0)
		return fleet_report(&err);
	lock = (struct kho_fleetlock){ settings.config->fleet.fleet_lock, settings.name, settings.group,
				       LOCK_MS };
	r = strcmp(argv[0], "lock") == 0 ? kho_fleetlock_lock(http, &lock, &err) :
	    kho_fleetlock_unlock(http, &lock, &err);
	kho_web_free(http);
	return r < 0 ? fleet_report(&err) : kho_say("done");
}
