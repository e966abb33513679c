// SPDX-License-Identifier: GPL-2.0-only
/* Keys of [Fleet]; config_fleet.h has them. */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/parse.h"
#include "migrate/workload/config_fleet.h"

#define MIN_LEASE_SEC	5u
#define MAX_LEASE_SEC	600u

static int set_lease(struct kho_config_fleet *fleet, const char *value, struct kho_err *err)
{
	uint32_t seconds;
	int r = kho_parse_u32(value, &seconds, err);

	if (r >= 0 && (seconds < MIN_LEASE_SEC || seconds > MAX_LEASE_SEC))
		return kho_fail(err, -EINVAL, "%u to %u seconds, not %u", MIN_LEASE_SEC, MAX_LEASE_SEC,
				seconds);
	if (r >= 0)
		fleet->lease_sec = seconds;
	return r;
}

int kho_config_fleet_set(void *item, const struct kho_ini_item *ini, struct kho_err *err)
{
	struct kho_config_fleet *fleet = item;
	const struct {
		const char *key;
		char *to;
		size_t size;
		bool path;
	} texts[] = {
		{ "Endpoints", fleet->endpoints, sizeof(fleet->endpoints), false },
		{ "CA", fleet->ca, sizeof(fleet->ca), true },
		{ "Certificate", fleet->certificate, sizeof(fleet->certificate), true },
		{ "Key", fleet->key, sizeof(fleet->key), true },
		{ "User", fleet->user, sizeof(fleet->user), false },
		{ "PasswordFile", fleet->password_file, sizeof(fleet->password_file), true },
		{ "Name", fleet->name, sizeof(fleet->name), false },
		{ "Group", fleet->group, sizeof(fleet->group), false },
		{ "Labels", fleet->labels, sizeof(fleet->labels), false },
		{ "FleetLock", fleet->fleet_lock, sizeof(fleet->fleet_lock), false },
	};

	if (strcmp(ini->key, "LeaseSec") == 0)
		return set_lease(fleet, ini->value, err);
	for (size_t i = 0; i < KHO_ARRAY_SIZE(texts); i++) {
		if (strcmp(ini->key, texts[i].key) != 0)
			continue;
		if (texts[i].path && *ini->value && *ini->value != '/')
			return kho_fail(err, -EINVAL, "\"%.40s\" is no absolute path", ini->value);
		if (strlen(ini->value) >= texts[i].size)
			return kho_fail(err, -EINVAL, "longer than %zu characters", texts[i].size - 1);
		memcpy(texts[i].to, ini->value, strlen(ini->value) + 1);
		return 0;
	}
	return -ENOKEY;
}
