// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl workload list: what's configured to move, and whether it runs here. It needs no
 * agent: the files say what, and systemd says how it is. khoctl workload test: a rehearsal
 * without a move, which the agent does.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/cleanup.h"
#include "khoctl/khoctl.h"
#include "migrate/workload/config.h"
#include "migrate/workload/unit.h"

/* "active", "inactive", ...; "missing": systemd doesn't know it; "unknown": nor is it there. */
static void unit_state(const char *name, char *ret, size_t size)
{
	struct kho_unit unit;
	struct kho_err err;
	int r = kho_unit_show(name, &unit, &err);

	snprintf(ret, size, "%s", r >= 0 ? unit.active : r == -ENOENT ? "missing" : "unknown");
}

static int add_text(sd_json_variant **list, const char *text)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	int r = sd_json_variant_new_string(&v, text);

	return r < 0 ? r : sd_json_variant_append_array(list, v);
}

/* With prefix lengths, of all that it serves. */
static int list_addresses(const struct kho_config *config, uint32_t which, sd_json_variant **ret)
{
	int r = sd_json_variant_new_array(ret, NULL, 0);

	for (unsigned int i = 0; i < config->nr_addresses; i++)
		for (unsigned int n = 0; n < config->addresses[i].nr_addresses; n++)
			if (r >= 0 && which & 1u << i)
				r = add_text(ret, config->addresses[i].addresses[n]);
	return r;
}

static int list_volumes(const struct kho_config *config, uint32_t which, sd_json_variant **ret)
{
	int r = sd_json_variant_new_array(ret, NULL, 0);

	for (unsigned int i = 0; i < config->nr_volumes && r >= 0; i++)
		if (which & 1u << i)
			r = add_text(ret, config->volumes[i].mount_point);
	return r;
}

static const char *convergence(const struct kho_config_workload *w)
{
	return w->go_on ? "go-on" : w->throttle ? "throttle" : "abort";
}

static int add_workload(const struct kho_config *config, const struct kho_config_workload *w,
			sd_json_variant **list)
{
	_cleanup_variant_ sd_json_variant *v = NULL, *addresses = NULL, *volumes = NULL;
	char state[32];
	int r = list_addresses(config, w->addresses, &addresses);

	if (r >= 0)
		r = list_volumes(config, w->volumes, &volumes);
	unit_state(w->unit, state, sizeof(state));
	if (r >= 0)
		r = sd_json_buildo(
			&v, SD_JSON_BUILD_PAIR_STRING("name", w->name),
			SD_JSON_BUILD_PAIR_STRING("unit", w->unit),
			SD_JSON_BUILD_PAIR_STRING("state", state),
			SD_JSON_BUILD_PAIR_VARIANT("addresses", addresses),
			SD_JSON_BUILD_PAIR_VARIANT("volumes", volumes),
			SD_JSON_BUILD_PAIR_UNSIGNED("maxBlackoutMs", w->max_blackout_ms),
			SD_JSON_BUILD_PAIR_UNSIGNED("maxRounds", w->max_rounds),
			SD_JSON_BUILD_PAIR_STRING("noConvergence", convergence(w)),
			SD_JSON_BUILD_PAIR_STRING("cannotMove", w->restart ? "restart" : "refuse"),
			SD_JSON_BUILD_PAIR_BOOLEAN("rehearsal", !w->unrehearsed));
	return r < 0 ? r : sd_json_variant_append_array(list, v);
}

/* ---- for people ---- */

static void print_texts(sd_json_variant *workload, const char *name)
{
	sd_json_variant *list = sd_json_variant_by_key(workload, name);
	size_t nr = sd_json_variant_elements(list);

	for (size_t i = 0; i < nr; i++)
		printf("%s %s", i ? "," : "",
		       sd_json_variant_string(sd_json_variant_by_index(list, i)));
	if (!nr)
		printf(" -");
}

static void print_workload(sd_json_variant *w)
{
	printf("%s: %s, %s\n", kho_field_text(w, "name"), kho_field_text(w, "unit"),
	       kho_field_text(w, "state"));
	printf("  addresses:");
	print_texts(w, "addresses");
	printf("\n  volumes:");
	print_texts(w, "volumes");
	printf("\n  budget: blackout %llu ms after %llu rounds at most (else %s); if it can't move: %s\n",
	       (unsigned long long)kho_field_number(w, "maxBlackoutMs"),
	       (unsigned long long)kho_field_number(w, "maxRounds"),
	       kho_field_text(w, "noConvergence"), kho_field_text(w, "cannotMove"));
}

/* ---- the verb ---- */

static int build(const struct kho_config *config, sd_json_variant **ret)
{
	_cleanup_variant_ sd_json_variant *list = NULL;
	int r = sd_json_variant_new_array(&list, NULL, 0);

	for (unsigned int i = 0; i < config->nr_workloads && r >= 0; i++)
		r = add_workload(config, &config->workloads[i], &list);
	return r < 0 ? r : sd_json_buildo(ret, SD_JSON_BUILD_PAIR_VARIANT("workloads", list));
}

static int list_all(void)
{
	_cleanup_variant_ sd_json_variant *answer = NULL;
	_cleanup_free_ struct kho_config *config = NULL;
	struct kho_err err;

	if (kho_config_load(&config, &err) < 0)
		return kho_report(&err);
	if (build(config, &answer) < 0)
		return KHO_EXIT_FAILED;
	if (arg_json)
		kho_print_json(answer);
	else if (config->nr_workloads)
		kho_print_each(answer, "workloads", print_workload);
	else
		puts("no workload is configured; kho-agent.conf(5) says how");
	return KHO_EXIT_OK;
}

static int test(const char *name)
{
	_cleanup_variant_ sd_json_variant *answer = NULL;
	struct kho_call call = {
		.method = KHO_API_METHOD("Rehearse"),
		.progress = kho_show_progress,
	};
	int r;

	if (sd_json_buildo(&call.parameters, SD_JSON_BUILD_PAIR_STRING("workload", name)) < 0)
		return KHO_EXIT_FAILED;
	r = kho_call(&call, &answer);
	if (r != KHO_EXIT_OK)
		return r;
	if (arg_json)
		kho_print_json(answer);
	else
		printf("%s: a copy of it was restored in the new kernel, and dropped; nothing has "
		       "moved\n", name);
	return KHO_EXIT_OK;
}

int verb_workload(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return list_all();
	if (argc == 3 && strcmp(argv[1], "test") == 0)
		return test(argv[2]);
	return kho_usage_error("workload takes list, or test and a name");
}
