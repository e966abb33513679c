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

#include "base/cleanup.h"
#include "khoctl/khoctl.h"
#include "migrate/volume/volume.h"
#include "migrate/workload/config.h"

static int find(const struct kho_config *config, const char *name, struct kho_volume *volume,
		char disk[KHO_VOLUME_PATH], struct kho_err *err)
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
		return kho_volume_disk(&found->function, found->partition, disk, err);
	}
	return kho_fail(err, -ENOENT, "no [Volume %.32s] is configured; see kho-agent.conf", name);
}

static int start(const char *name, struct kho_err *err)
{
	_cleanup_free_ struct kho_config *config = NULL;
	struct kho_volume volume = {};
	char disk[KHO_VOLUME_PATH];
	int r = kho_config_load(&config, err);

	if (r >= 0)
		r = find(config, name, &volume, disk, err);
	return r < 0 ? r : kho_volume_start(&volume, disk, err);
}

static int stop(const char *name, struct kho_err *err)
{
	_cleanup_free_ struct kho_config *config = NULL;
	struct kho_volume volume = {};
	char disk[KHO_VOLUME_PATH];
	int r = kho_config_load(&config, err);

	if (r >= 0)
		r = find(config, name, &volume, disk, err);
	/* its disk may be gone; then it's to be unmounted all the more */
	if (r < 0 && r != -ENODEV)
		return r;
	return kho_volume_stop(&volume, err);
}

static int tell(const char *name, const char *state)
{
	__attribute__((cleanup(sd_json_variant_unrefp))) sd_json_variant *answer = NULL;

	if (!arg_json)
		printf("volume %s is %s\n", name, state);
	else if (sd_json_buildo(&answer, SD_JSON_BUILD_PAIR_STRING("volume", name),
				SD_JSON_BUILD_PAIR_STRING("state", state)) >= 0)
		kho_print_json(answer);
	return KHO_EXIT_OK;
}

static int exit_code(const struct kho_err *err)
{
	fprintf(stderr, "khoctl: %s\n", err->msg);
	switch (err->code) {
	case -ENOENT:
	case -EINVAL:
	case -EEXIST:
	case -EBUSY:
		return KHO_EXIT_REFUSED;
	default:
		return KHO_EXIT_FAILED;
	}
}

int verb_volume(int argc, char **argv)
{
	struct kho_err err = {};
	bool starts = argc > 1 && strcmp(argv[1], "start") == 0;

	if (argc != 3 || (!starts && strcmp(argv[1], "stop") != 0))
		return kho_usage_error("volume takes \"start\" or \"stop\", and a name");
	if ((starts ? start(argv[2], &err) : stop(argv[2], &err)) < 0)
		return exit_code(&err);
	return tell(argv[2], starts ? "mounted" : "unmounted");
}
