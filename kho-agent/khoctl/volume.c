// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl volume: mounts and unmounts what moves with the workloads.
 *
 * A volume is mounted from a device-mapper device of its own, so that it can move
 * (migrate/volume/volume.h). It's done here, not by the agent: kho-volume@.service
 * runs it before the workload starts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/cleanup.h"
#include "khoctl/khoctl.h"
#include "migrate/volume/volume.h"
#include "migrate/workload/config.h"

static int find(const struct kho_config *config, const char *name, struct kho_volume *volume,
		const struct kho_config_volume **ret, struct kho_err *err)
{
	for (unsigned int i = 0; i < config->nr_volumes; i++) {
		const struct kho_config_volume *found = &config->volumes[i];

		if (strcmp(found->name, name) != 0)
			continue;
		snprintf(volume->name, sizeof(volume->name), "%s", found->name);
		snprintf(volume->mount_point, sizeof(volume->mount_point), "%s",
			 found->mount_point);
		snprintf(volume->file_system, sizeof(volume->file_system), "%s",
			 found->file_system);
		snprintf(volume->options, sizeof(volume->options), "%s", found->options);
		*ret = found;
		return 0;
	}
	return kho_fail(err, -ENOENT, "no [Volume %.32s] is configured; see kho-agent.conf", name);
}

/* This is the new kernel of two, and what is configured is still the old one's. */
static bool is_to_come(void)
{
	_cleanup_variant_ sd_json_variant *answer = NULL;
	struct kho_call call = { .method = KHO_API_METHOD("Status") };
	const char *role, *phase;
	bool json = arg_json;
	int r;

	/* that nobody answers isn't what the verb answers */
	arg_json = false;
	r = kho_call(&call, &answer);
	arg_json = json;
	if (r != KHO_EXIT_OK)
		return false;
	role = kho_field_text(answer, "role");
	phase = kho_field_text(answer, "phase");
	/* one that was spawned itself and is the old one now has lent CPUs */
	return role && strcmp(role, "spawned") == 0 && phase && strcmp(phase, "sync") == 0 &&
	       kho_field_number(answer, "lentCpus") == 0;
}

/*
 * A workload that comes brings its volume along. Its unit may require this one, so
 * that isn't an error where the volume isn't yet, nor where it is already.
 */
static int start(const char *name, const char **state, struct kho_err *err)
{
	_cleanup_free_ struct kho_config *config = NULL;
	const struct kho_config_volume *found = NULL;
	struct kho_volume volume = {};
	char disk[KHO_VOLUME_PATH];
	int r = kho_config_load(&config, err);

	if (r >= 0)
		r = find(config, name, &volume, &found, err);
	if (r < 0)
		return r;
	*state = "mounted";
	if (kho_volume_is_mounted(&volume))
		return 0;
	r = kho_volume_disk(&found->function, found->partition, disk, err);
	if (r == -ENODEV && is_to_come()) {
		*err = (struct kho_err){};
		*state = "expected";
		return 0;
	}
	return r < 0 ? r : kho_volume_start(&volume, disk, err);
}

/* Its disk may be gone; then it's to be unmounted all the more. */
static int stop(const char *name, const char **state, struct kho_err *err)
{
	_cleanup_free_ struct kho_config *config = NULL;
	const struct kho_config_volume *found = NULL;
	struct kho_volume volume = {};
	int r = kho_config_load(&config, err);

	*state = "unmounted";
	if (r >= 0)
		r = find(config, name, &volume, &found, err);
	return r < 0 ? r : kho_volume_stop(&volume, err);
}

static int tell(const char *name, const char *state)
{
	_cleanup_variant_ sd_json_variant *answer = NULL;

	if (!arg_json)
		printf("volume %s is %s\n", name, state);
	else if (sd_json_buildo(&answer, SD_JSON_BUILD_PAIR_STRING("volume", name),
				SD_JSON_BUILD_PAIR_STRING("state", state)) >= 0)
		kho_print_json(answer);
	return KHO_EXIT_OK;
}

int verb_volume(int argc, char **argv)
{
	struct kho_err err = {};
	const char *state;
	bool starts = argc > 1 && strcmp(argv[1], "start") == 0;

	if (argc != 3 || (!starts && strcmp(argv[1], "stop") != 0))
		return kho_usage_error("volume takes \"start\" or \"stop\", and a name");
	if ((starts ? start : stop)(argv[2], &state, &err) < 0)
		return kho_report(&err);
	return tell(argv[2], state);
}
