// SPDX-License-Identifier: GPL-2.0-only
/* [Fleet], and what follows from it. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "base/now.h"
#include "fleetd/fleetd.h"

#define PASSWORD_MAX	256u

uint64_t fleet_now_ms(void)
{
	return kho_now_ms(CLOCK_REALTIME);
}

uint64_t fleet_mono_ms(void)
{
	return kho_now_ms(CLOCK_BOOTTIME);
}

void settings_done(struct settings *settings)
{
	kho_etcd_client_free(settings->client);
	free(settings->config);
}

static void name_things(struct settings *settings)
{
	const struct kho_config_fleet *fleet = &settings->config->fleet;
	char host[KHO_FLEET_ID] = "";
	const struct passwd *user = getpwuid(getuid());

	gethostname(host, sizeof(host) - 1);
	snprintf(settings->name, sizeof(settings->name), "%s", *fleet->name ? fleet->name : host);
	snprintf(settings->group, sizeof(settings->group), "%s", *fleet->group ? fleet->group : "default");
	snprintf(settings->by, sizeof(settings->by), "%.20s@%.40s", user ? user->pw_name : "?", host);
}

int settings_load_config(struct settings *settings, struct kho_err *err)
{
	int r = kho_config_load(&settings->config, err);

	if (r < 0)
		return r;
	name_things(settings);
	r = kho_name_check("Name= of [Fleet]", settings->name, sizeof(settings->name), err);
	if (r >= 0)
		r = kho_name_check("Group= of [Fleet]", settings->group, sizeof(settings->group), err);
	return r;
}

static int connect_etcd(struct settings *settings, struct kho_err *err)
{
	const struct kho_config_fleet *fleet = &settings->config->fleet;
	_cleanup_free_ char *password = NULL;
	struct kho_etcd_spec spec = {
		.endpoints = fleet->endpoints,
		.tls = { fleet->ca, fleet->certificate, fleet->key },
		.user = fleet->user,
		/* all machines have the same list: they don't all ask its first */
		.first = kho_crc32c(settings->name, strlen(settings->name)),
	};
	int r = 0;

	if (*fleet->password_file)
		r = kho_file_read_string(fleet->password_file, PASSWORD_MAX, &password, err);
	spec.password = password;
	if (r >= 0)
		r = kho_etcd_client_new(&spec, &settings->client, err);
	if (r >= 0)
		settings->etcd = kho_etcd_client_ops(settings->client);
	if (password)
		explicit_bzero(password, strlen(password));
	return r;
}

int settings_load(struct settings *settings, struct kho_err *err)
{
	int r = settings_load_config(settings, err);

	if (r >= 0 && !*settings->config->fleet.endpoints)
		return kho_fail(err, -ENOTCONN, "no fleet is configured; set Endpoints= in [Fleet] of "
				"/etc/kho-agent/kho-agent.conf");
	return r < 0 ? r : connect_etcd(settings, err);
}
