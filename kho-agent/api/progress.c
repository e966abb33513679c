// SPDX-License-Identifier: GPL-2.0-only
/* How far a move is, to JSON and back; progress.h has it. */
#include <stdio.h>

#include "api/progress.h"
#include "base/cleanup.h"

static int add_workload(const struct kho_progress_workload *w, sd_json_variant **list)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	int r = sd_json_buildo(
		&v, SD_JSON_BUILD_PAIR_STRING("name", w->name),
		SD_JSON_BUILD_PAIR_STRING("state", w->state),
		SD_JSON_BUILD_PAIR_UNSIGNED("rounds", w->rounds),
		SD_JSON_BUILD_PAIR_UNSIGNED("bytes", w->bytes),
		SD_JSON_BUILD_PAIR_UNSIGNED("dirtyBytesPerSec", w->dirty_per_sec),
		SD_JSON_BUILD_PAIR_UNSIGNED("predictedMs", w->predicted_ms),
		SD_JSON_BUILD_PAIR_UNSIGNED("frozenMs", w->frozen_ms));

	return r < 0 ? r : sd_json_variant_append_array(list, v);
}

int kho_progress_json(const struct kho_progress *progress, sd_json_variant **ret)
{
	_cleanup_variant_ sd_json_variant *list = NULL;
	int r = sd_json_variant_new_array(&list, NULL, 0);

	for (unsigned int i = 0; i < progress->nr && r >= 0; i++)
		r = add_workload(&progress->workloads[i], &list);
	if (r < 0)
		return r;
	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_STRING("state", progress->state),
			      SD_JSON_BUILD_PAIR_STRING("phase", progress->phase),
			      SD_JSON_BUILD_PAIR_STRING("step", progress->step),
			      SD_JSON_BUILD_PAIR_VARIANT("workloads", list));
}

/* ---- and back ---- */

void kho_progress_text(sd_json_variant *object, const char *name, char *ret, size_t size)
{
	sd_json_variant *v = sd_json_variant_by_key(object, name);
	const char *text = v && sd_json_variant_is_string(v) ? sd_json_variant_string(v) : "";
	size_t i;

	for (i = 0; text[i] && i + 1 < size; i++)
		ret[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	ret[i] = '\0';
}

uint64_t kho_progress_number(sd_json_variant *object, const char *name)
{
	sd_json_variant *v = sd_json_variant_by_key(object, name);

	return v && sd_json_variant_is_unsigned(v) ? sd_json_variant_unsigned(v) : 0;
}

static void parse_workload(sd_json_variant *v, struct kho_progress_workload *ret)
{
	kho_progress_text(v, "name", ret->name, sizeof(ret->name));
	kho_progress_text(v, "state", ret->state, sizeof(ret->state));
	ret->rounds = (uint32_t)kho_progress_number(v, "rounds");
	ret->bytes = kho_progress_number(v, "bytes");
	ret->dirty_per_sec = kho_progress_number(v, "dirtyBytesPerSec");
	ret->predicted_ms = kho_progress_number(v, "predictedMs");
	ret->frozen_ms = kho_progress_number(v, "frozenMs");
}

void kho_progress_parse(sd_json_variant *v, struct kho_progress *ret)
{
	sd_json_variant *list = sd_json_variant_by_key(v, "workloads");
	size_t nr = list && sd_json_variant_is_array(list) ? sd_json_variant_elements(list) : 0;

	*ret = (struct kho_progress){};
	kho_progress_text(v, "state", ret->state, sizeof(ret->state));
	kho_progress_text(v, "phase", ret->phase, sizeof(ret->phase));
	kho_progress_text(v, "step", ret->step, sizeof(ret->step));
	ret->nr = nr < KHO_PROGRESS_WORKLOADS ? (unsigned int)nr : KHO_PROGRESS_WORKLOADS;
	for (unsigned int i = 0; i < ret->nr; i++)
		parse_workload(sd_json_variant_by_index(list, i), &ret->workloads[i]);
}
