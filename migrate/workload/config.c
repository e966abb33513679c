// SPDX-License-Identifier: GPL-2.0-only
/* The configuration's sections and keys; config.h has them all. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ini.h"
#include "base/listen.h"
#include "migrate/workload/config.h"
#include "migrate/workload/unit.h"

#define DEFAULT_BLACKOUT_MS	1000
#define DEFAULT_SOAK_MS		30000
#define DEFAULT_HOOK_MS		30000
#define DEFAULT_ROUNDS		8
#define DEFAULT_HEALTH_MS	5000
#define DEFAULT_FROZEN_MS	2000
#define DEFAULT_STAGE_OPTIONS	"--system"

/* ---- values ---- */

static int set_text(char *to, size_t size, const char *value, struct kho_err *err)
{
	if (strlen(value) >= size)
		return kho_fail(err, -EINVAL, "longer than %zu characters", size - 1);
	memcpy(to, value, strlen(value) + 1);
	return 0;
}

static int set_seconds(uint32_t *ret, const char *value, struct kho_err *err)
{
	char *end;
	double seconds = strtod(value, &end);

	/* strtod() takes hex digits, "inf" and the like, too */
	if (end == value || *end || value[strspn(value, "0123456789.")] || !(seconds <= 3600))
		return kho_fail(err, -EINVAL, "\"%.20s\" is no number of seconds up to 3600", value);
	*ret = (uint32_t)(seconds * 1000);
	return 0;
}

static int set_path(char *to, size_t size, const char *value, struct kho_err *err)
{
	const char *up = strstr(value, "/..");

	while (up && up[3] && up[3] != '/')
		up = strstr(up + 3, "/..");
	if (value[0] != '/' || up)
		return kho_fail(err, -EINVAL, "\"%.40s\" is no absolute path", value);
	return set_text(to, size, value, err);
}

/* Calls @fn for each word of @value. */
static int each_word(const char *value, int (*fn)(void *item, const char *word, struct kho_err *),
		     void *item, struct kho_err *err)
{
	char copy[1024];
	char *word, *rest;
	int r = set_text(copy, sizeof(copy), value, err);

	if (r < 0)
		return r;
	for (word = strtok_r(copy, " \t", &rest); word && r >= 0;
	     word = strtok_r(NULL, " \t", &rest))
		r = fn(item, word, err);
	return r;
}

/* ---- workloads ---- */

static int add_file(void *item, const char *word, struct kho_err *err)
{
	struct kho_config_workload *workload = item;

	if (workload->nr_files == KHO_CONFIG_LIST)
		return kho_fail(err, -EINVAL, "more than %d patterns; use wider ones",
				KHO_CONFIG_LIST);
	return set_path(workload->files[workload->nr_files++], KHO_CONFIG_TEXT, word, err);
}

static int set_convergence(struct kho_config_workload *workload, const char *value,
			   struct kho_err *err)
{
	workload->go_on = strcmp(value, "go-on") == 0;
	workload->throttle = strcmp(value, "throttle") == 0;
	if (!workload->go_on && !workload->throttle && strcmp(value, "abort") != 0)
		return kho_fail(err, -EINVAL, "abort, throttle or go-on, not \"%.20s\"", value);
	return 0;
}

static int set_word(bool *ret, const char *value, const char *const words[2], struct kho_err *err)
{
	*ret = strcmp(value, words[1]) == 0;
	if (!*ret && strcmp(value, words[0]) != 0)
		return kho_fail(err, -EINVAL, "%s or %s, not \"%.20s\"", words[0], words[1], value);
	return 0;
}

static int set_unit(struct kho_config_workload *workload, const char *value, struct kho_err *err)
{
	int r = kho_unit_check_name(value, err);

	return r < 0 ? r : set_text(workload->unit, sizeof(workload->unit), value, err);
}

static int set_workload(void *item, const struct kho_ini_item *ini, struct kho_err *err)
{
	struct kho_config_workload *workload = item;
	const char *key = ini->key, *value = ini->value;

	if (strcmp(key, "Unit") == 0)
		return set_unit(workload, value, err);
	if (strcmp(key, "Volumes") == 0)
		return set_text(workload->volume_names, KHO_CONFIG_TEXT, value, err);
	if (strcmp(key, "Addresses") == 0)
		return set_text(workload->address_names, KHO_CONFIG_TEXT, value, err);
	if (strcmp(key, "Files") == 0) {
		workload->nr_files = 0;
		return each_word(value, add_file, workload, err);
	}
	if (strcmp(key, "MaxBlackoutSec") == 0) {
		workload->has_max_blackout = true;
		return set_seconds(&workload->max_blackout_ms, value, err);
	}
	if (strcmp(key, "MaxRounds") == 0)
		return kho_parse_u32(value, &workload->max_rounds, err);
	if (strcmp(key, "NoConvergence") == 0)
		return set_convergence(workload, value, err);
	if (strcmp(key, "HealthCommand") == 0)
		return *value ? set_path(workload->health_command, KHO_CONFIG_TEXT, value, err) :
				set_text(workload->health_command, KHO_CONFIG_TEXT, "", err);
	if (strcmp(key, "HealthTimeoutSec") == 0)
		return set_seconds(&workload->health_timeout_ms, value, err);
	if (strcmp(key, "CannotMove") == 0)
		return set_word(&workload->restart, value,
				(const char *const[]){ "refuse", "restart" }, err);
	if (strcmp(key, "Rehearsal") == 0)
		return set_word(&workload->unrehearsed, value,
				(const char *const[]){ "yes", "no" }, err);
	return -ENOKEY;
}

/* ---- addresses ---- */

static int add_address(void *item, const char *word, struct kho_err *err)
{
	struct kho_config_address *address = item;
	char host[KHO_CONFIG_ADDRESS];
	unsigned char bytes[16];
	const char *slash = strchr(word, '/');
	uint32_t prefix;
	bool v4, v6;

	if (address->nr_addresses == KHO_CONFIG_LIST)
		return kho_fail(err, -EINVAL, "more than %d addresses; make two items of them",
				KHO_CONFIG_LIST);
	if (!slash || strlen(word) >= sizeof(host))
		return kho_fail(err, -EINVAL, "\"%.50s\": write ADDRESS/PREFIX, as in 10.0.0.1/24",
				word);
	snprintf(host, sizeof(host), "%.*s", (int)(slash - word), word);
	v4 = inet_pton(AF_INET, host, bytes) == 1;
	v6 = inet_pton(AF_INET6, host, bytes) == 1;
	if ((!v4 && !v6) || kho_parse_u32(slash + 1, &prefix, NULL) < 0 || prefix > (v4 ? 32u : 128u))
		return kho_fail(err, -EINVAL, "\"%.50s\" is no address with its prefix", word);
	return set_text(address->addresses[address->nr_addresses++], KHO_CONFIG_ADDRESS, word, err);
}

static int add_function(void *item, const char *word, struct kho_err *err)
{
	struct kho_config_address *address = item;
	struct kho_pci_addr function;
	int r = kho_parse_pci(word, &function, err);

	if (r < 0)
		return r;
	if (address->nr_functions == KHO_CONFIG_LIST)
		return kho_fail(err, -EINVAL, "more than %d functions", KHO_CONFIG_LIST);
	address->functions[address->nr_functions++] = function;
	return 0;
}

static int set_address(void *item, const struct kho_ini_item *ini, struct kho_err *err)
{
	struct kho_config_address *address = item;
	unsigned char bytes[16];

	if (strcmp(ini->key, "Address") == 0) {
		address->nr_addresses = 0;
		return each_word(ini->value, add_address, address, err);
	}
	if (strcmp(ini->key, "Functions") == 0) {
		address->nr_functions = 0;
		return each_word(ini->value, add_function, address, err);
	}
	if (strcmp(ini->key, "Gateway") != 0)
		return -ENOKEY;
	if (*ini->value && inet_pton(AF_INET, ini->value, bytes) != 1 &&
	    inet_pton(AF_INET6, ini->value, bytes) != 1)
		return kho_fail(err, -EINVAL, "\"%.50s\" is no address", ini->value);
	return set_text(address->gateway, sizeof(address->gateway), ini->value, err);
}

/* ---- volumes ---- */

static int set_volume(void *item, const struct kho_ini_item *ini, struct kho_err *err)
{
	struct kho_config_volume *volume = item;
	const char *key = ini->key, *value = ini->value;
	int r;

	if (strcmp(key, "Function") == 0) {
		r = kho_parse_pci(value, &volume->function, err);
		volume->has_function = r >= 0;
		return r;
	}
	if (strcmp(key, "Partition") == 0)
		return kho_parse_u32(value, &volume->partition, err);
	if (strcmp(key, "MountPoint") == 0)
		return set_path(volume->mount_point, KHO_CONFIG_TEXT, value, err);
	if (strcmp(key, "FileSystem") == 0)
		return set_text(volume->file_system, sizeof(volume->file_system), value, err);
	if (strcmp(key, "Options") == 0)
		return set_text(volume->options, sizeof(volume->options), value, err);
	return -ENOKEY;
}

/* ---- the upgrade as a whole ---- */

static int set_windows(struct kho_config *config, const char *value, struct kho_err *err)
{
	int r = set_text(config->windows_text, sizeof(config->windows_text), value, err);

	return r < 0 ? r : kho_windows_parse(value, &config->windows, err);
}

static int set_upgrade(void *item, const struct kho_ini_item *ini, struct kho_err *err)
{
	struct kho_config *config = item;

	if (strcmp(ini->key, "MaxFrozenSec") == 0) {
		config->has_max_frozen = true;
		return set_seconds(&config->max_frozen_ms, ini->value, err);
	}
	if (strcmp(ini->key, "MaxBlackoutSec") == 0) {
		config->has_max_blackout = true;
		return set_seconds(&config->max_blackout_ms, ini->value, err);
	}
	if (strcmp(ini->key, "SoakSec") == 0) {
		config->has_soak = true;
		return set_seconds(&config->soak_ms, ini->value, err);
	}
	if (strcmp(ini->key, "Windows") == 0)
		return set_windows(config, ini->value, err);
	if (strcmp(ini->key, "HookTimeoutSec") == 0) {
		config->has_hook_timeout = true;
		return set_seconds(&config->hook_timeout_ms, ini->value, err);
	}
	if (strcmp(ini->key, "NewKernelFailure") != 0)
		return -ENOKEY;
	config->stay = strcmp(ini->value, "stay") == 0;
	if (!config->stay && strcmp(ini->value, "restart") != 0)
		return kho_fail(err, -EINVAL, "restart or stay, not \"%.20s\"", ini->value);
	return 0;
}

/* ---- target images ---- */

static int set_image(void *item, const struct kho_ini_item *ini, struct kho_err *err)
{
	struct kho_config *config = item;

	if (strcmp(ini->key, "Keyring") == 0)
		return set_path(config->keyring, sizeof(config->keyring), ini->value, err);
	if (strcmp(ini->key, "Stage") == 0)
		return set_word(&config->stage, ini->value, (const char *const[]){ "no", "yes" }, err);
	if (strcmp(ini->key, "StageOptions") == 0)
		return set_text(config->stage_options, KHO_CONFIG_TEXT, ini->value, err);
	if (strcmp(ini->key, "Signatures") != 0)
		return -ENOKEY;
	if (kho_signatures_parse(ini->value, &config->signatures) < 0)
		return kho_fail(err, -EINVAL, "off, warn or enforce, not \"%.20s\"", ini->value);
	return 0;
}

/* ---- the API ---- */

static int set_api(void *item, const struct kho_ini_item *ini, struct kho_err *err)
{
	struct kho_config *config = item;

	if (strcmp(ini->key, "ReadGroup") != 0)
		return -ENOKEY;
	for (const char *c = ini->value; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
			return kho_fail(err, -EINVAL, "\"%.32s\" is no name of a group", ini->value);
	return set_text(config->read_group, sizeof(config->read_group), ini->value, err);
}

/* ---- metrics ---- */

static int set_metrics(void *item, const struct kho_ini_item *ini, struct kho_err *err)
{
	struct kho_config *config = item;
	struct kho_listen listen;
	int r;

	if (strcmp(ini->key, "Listen") == 0) {
		r = kho_listen_parse(ini->value, &listen, err);
		return r < 0 ? r : set_text(config->metrics_listen, KHO_CONFIG_TEXT, ini->value, err);
	}
	if (strcmp(ini->key, "TextFile") != 0)
		return -ENOKEY;
	return *ini->value ? set_path(config->metrics_file, KHO_CONFIG_TEXT, ini->value, err) :
	       set_text(config->metrics_file, KHO_CONFIG_TEXT, "", err);
}

/* ---- sections ---- */

/* @items: an array of @size bytes each, beginning with the name. NULL: no room. */
static void *find_item(void *items, unsigned int *nr, size_t size, const char *name)
{
	char *item = items;

	for (unsigned int i = 0; i < *nr; i++, item += size)
		if (strcmp(item, name) == 0)
			return item;
	if (*nr == KHO_CONFIG_ITEMS)
		return NULL;
	(*nr)++;
	snprintf(item, KHO_CONFIG_NAME, "%s", name);
	return item;
}

static struct kho_config_workload *find_workload(struct kho_config *config, const char *name)
{
	unsigned int before = config->nr_workloads;
	struct kho_config_workload *workload =
		find_item(config->workloads, &config->nr_workloads, sizeof(*workload), name);

	if (workload && config->nr_workloads > before) {
		workload->max_rounds = DEFAULT_ROUNDS;
		workload->health_timeout_ms = DEFAULT_HEALTH_MS;
	}
	return workload;
}

static int check_name(const char *name, struct kho_err *err)
{
	size_t size = name[0] == '.' ? 0 : strlen(name);

	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i]))
			size = 0;
	if (size == 0 || size >= KHO_CONFIG_NAME)
		return kho_fail(err, -EINVAL, "\"%.40s\" is no name: up to %d letters, digits, "
				"'-', '_' and '.', which isn't the first", name, KHO_CONFIG_NAME - 1);
	return 0;
}

static int take_item(void *ctx, const struct kho_ini_item *ini, struct kho_err *err)
{
	struct kho_config *config = ctx;
	const char *name = strchr(ini->section, ' ');
	size_t kind = name ? (size_t)(name - ini->section) : 0;
	int (*set)(void *, const struct kho_ini_item *, struct kho_err *) = NULL;
	void *item = NULL;
	int r;

	name = name ? name + 1 : "";
	r = kind ? check_name(name, err) : 0;
	if (r < 0)
		return r;
	if (kind == 8 && strncmp(ini->section, "Workload", kind) == 0) {
		item = find_workload(config, name);
		set = set_workload;
	} else if (kind == 7 && strncmp(ini->section, "Address", kind) == 0) {
		item = find_item(config->addresses, &config->nr_addresses,
				 sizeof(config->addresses[0]), name);
		set = set_address;
	} else if (kind == 6 && strncmp(ini->section, "Volume", kind) == 0) {
		item = find_item(config->volumes, &config->nr_volumes,
				 sizeof(config->volumes[0]), name);
		set = set_volume;
	} else if (strcmp(ini->section, "Upgrade") == 0) {
		item = config;
		set = set_upgrade;
	} else if (strcmp(ini->section, "Image") == 0) {
		item = config;
		set = set_image;
	} else if (strcmp(ini->section, "API") == 0) {
		item = config;
		set = set_api;
	} else if (strcmp(ini->section, "Fleet") == 0) {
		item = &config->fleet;
		set = kho_config_fleet_set;
	} else if (strcmp(ini->section, "Metrics") == 0) {
		item = config;
		set = set_metrics;
	}
	if (!set)
		return kho_fail(err, -EINVAL, "[%.40s] is no section; there are [Workload NAME], "
				"[Address NAME], [Volume NAME], [Upgrade], [Image], [API], "
				"[Metrics] and [Fleet]", ini->section);
	if (!item)
		return kho_fail(err, -EINVAL, "more than %d of one kind", KHO_CONFIG_ITEMS);
	r = set(item, ini, err);
	if (r == -ENOKEY)
		return kho_fail(err, -EINVAL, "[%.40s] has no key %.40s=", ini->section, ini->key);
	return r < 0 ? kho_wrap(err, r, "%s=", ini->key) : 0;
}

int kho_config_parse(const char *name, char *text, struct kho_config *config,
		     struct kho_err *err)
{
	return kho_ini_parse(name, text, take_item, config, err);
}

/* ---- the whole ---- */

struct reference {
	const char *items;
	unsigned int nr;
	size_t size;
	uint32_t found;
};

static int find_reference(void *item, const char *word, struct kho_err *err)
{
	struct reference *reference = item;

	for (unsigned int i = 0; i < reference->nr; i++)
		if (strcmp(reference->items + i * reference->size, word) == 0) {
			reference->found |= 1u << i;
			return 0;
		}
	return kho_fail(err, -EINVAL, "there's no section for \"%.32s\"", word);
}

static int finish_workload(struct kho_config *config, struct kho_config_workload *workload,
			   struct kho_err *err)
{
	struct reference volumes = { (char *)config->volumes, config->nr_volumes,
				     sizeof(config->volumes[0]), 0 };
	struct reference addresses = { (char *)config->addresses, config->nr_addresses,
				       sizeof(config->addresses[0]), 0 };
	int r;

	if (!*workload->unit)
		return kho_fail(err, -EINVAL, "Unit= is missing");
	if (!workload->has_max_blackout)
		workload->max_blackout_ms = config->max_blackout_ms;
	for (const struct kho_config_workload *other = config->workloads; other < workload; other++)
		if (strcmp(other->unit, workload->unit) == 0)
			return kho_fail(err, -EINVAL, "%.64s is the unit of [Workload %s], too",
					workload->unit, other->name);
	r = each_word(workload->volume_names, find_reference, &volumes, err);
	if (r >= 0)
		r = each_word(workload->address_names, find_reference, &addresses, err);
	workload->volumes = volumes.found;
	workload->addresses = addresses.found;
	return r;
}

int kho_config_finish(struct kho_config *config, struct kho_err *err)
{
	int r = 0;

	if (!config->has_max_frozen)
		config->max_frozen_ms = DEFAULT_FROZEN_MS;
	if (!config->has_soak)
		config->soak_ms = DEFAULT_SOAK_MS;
	if (!config->has_hook_timeout)
		config->hook_timeout_ms = DEFAULT_HOOK_MS;
	if (!config->has_max_blackout)
		config->max_blackout_ms = DEFAULT_BLACKOUT_MS;
	if (!*config->keyring)
		snprintf(config->keyring, sizeof(config->keyring), "%s", KHO_KEYRING);
	if (!*config->stage_options)
		snprintf(config->stage_options, sizeof(config->stage_options), DEFAULT_STAGE_OPTIONS);
	for (unsigned int i = 0; i < config->nr_workloads && r >= 0; i++) {
		r = finish_workload(config, &config->workloads[i], err);
		if (r < 0)
			return kho_wrap(err, r, "[Workload %s]", config->workloads[i].name);
	}
	for (unsigned int i = 0; i < config->nr_addresses; i++)
		if (!config->addresses[i].nr_addresses || !config->addresses[i].nr_functions)
			return kho_fail(err, -EINVAL, "[Address %s]: Address= and Functions= are "
					"both needed", config->addresses[i].name);
	for (unsigned int i = 0; i < config->nr_volumes; i++)
		if (!config->volumes[i].has_function || !*config->volumes[i].mount_point ||
		    !*config->volumes[i].file_system)
			return kho_fail(err, -EINVAL, "[Volume %s]: Function=, MountPoint= and "
					"FileSystem= are needed", config->volumes[i].name);
	return 0;
}
