// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration files of arbitrary text. What is accepted has every text terminated,
 * every number in its bounds, and only references to what's there.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/ini.h"
#include "migrate/workload/config.h"

#define MAX_SIZE (1u << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void require_text(const char *text, size_t size)
{
	require(memchr(text, '\0', size) != NULL);
}

static void require_path(const char *text)
{
	require_text(text, KHO_CONFIG_TEXT);
	require(!*text || *text == '/');
}

static void check_workload(const struct kho_config *config, const struct kho_config_workload *w)
{
	require_text(w->name, sizeof(w->name));
	require(*w->name && *w->name != '.' && !strchr(w->name, '/'));
	require_text(w->unit, sizeof(w->unit));
	require(*w->unit && !strchr(w->unit, '/'));
	require((uint64_t)w->volumes >> config->nr_volumes == 0);
	require((uint64_t)w->addresses >> config->nr_addresses == 0);
	require(w->nr_files <= KHO_CONFIG_LIST);
	for (unsigned int i = 0; i < w->nr_files; i++)
		require_path(w->files[i]);
	require_path(w->health_command);
	require(w->max_blackout_ms <= 3600000 && w->health_timeout_ms <= 3600000);
}

static void check_all(const struct kho_config *config)
{
	require(config->nr_workloads <= KHO_CONFIG_ITEMS && config->nr_volumes <= KHO_CONFIG_ITEMS &&
		config->nr_addresses <= KHO_CONFIG_ITEMS);
	require(config->signatures <= KHO_SIGNATURES_ENFORCE && *config->keyring);
	require_path(config->keyring);
	for (unsigned int i = 0; i < config->nr_workloads; i++)
		check_workload(config, &config->workloads[i]);
	for (unsigned int i = 0; i < config->nr_addresses; i++) {
		const struct kho_config_address *a = &config->addresses[i];

		require(a->nr_addresses && a->nr_addresses <= KHO_CONFIG_LIST);
		require(a->nr_functions && a->nr_functions <= KHO_CONFIG_LIST);
		for (unsigned int n = 0; n < a->nr_addresses; n++)
			require_text(a->addresses[n], KHO_CONFIG_ADDRESS);
		require_text(a->gateway, sizeof(a->gateway));
	}
	for (unsigned int i = 0; i < config->nr_volumes; i++) {
		const struct kho_config_volume *v = &config->volumes[i];

		require(v->has_function && *v->file_system && *v->mount_point);
		require_path(v->mount_point);
		require_text(v->file_system, sizeof(v->file_system));
		require_text(v->options, sizeof(v->options));
	}
}

static int look_at_item(void *ctx, const struct kho_ini_item *item, struct kho_err *err)
{
	unsigned int *last = ctx;

	(void)err;
	require(item->line > *last);
	*last = item->line;
	require(*item->section && *item->key && item->value);
	require(!strchr(item->section, '\n') && !strchr(item->key, '\n') &&
		!strchr(item->value, '\n'));
	return 0;
}

static char *copy_of(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct kho_config config;
	struct kho_err err = {};
	unsigned int last = 0;
	char *text;
	int r;

	if (size > MAX_SIZE)
		return 0;
	text = copy_of(data, size);
	r = kho_ini_parse("fuzz", text, look_at_item, &last, &err);
	require(r == 0 || (r == err.code && err.msg[0]));
	free(text);

	memset(&config, 0, sizeof(config));
	text = copy_of(data, size);
	r = kho_config_parse("fuzz", text, &config, &err);
	if (r == 0)
		r = kho_config_finish(&config, &err);
	if (r == 0)
		check_all(&config);
	else
		require(r == err.code && err.msg[0]);
	free(text);
	return 0;
}
