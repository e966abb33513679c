// SPDX-License-Identifier: GPL-2.0-only
/* What was measured, as JSON; gauge_report.h has the contract. */
#include <stdio.h>

#include "agent/gauge_report.h"
#include "base/cleanup.h"

#define NS_PER_US	1000ull
#define NS_PER_MS	1000000ull
#define KEY_SIZE	32

static int add_reason(sd_json_variant **list, const char *what, const char *why)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	int r = sd_json_buildo(&v, SD_JSON_BUILD_PAIR_STRING("what", what),
			       SD_JSON_BUILD_PAIR_STRING("why", why));

	return r < 0 ? r : sd_json_variant_append_array(list, v);
}

static int add_span(sd_json_variant **object, sd_json_variant **reasons, enum kho_interval_kind kind,
		    const struct kho_interval *span)
{
	const char *name = kho_interval_name(kind);
	char key[KEY_SIZE];

	if (!span->known)
		return add_reason(reasons, name, span->why);
	snprintf(key, sizeof(key), "%s_us", name);
	return sd_json_variant_set_field_unsigned(object, key, span->ns / NS_PER_US);
}

static int slots_to_json(const struct kho_faults_seen *faults, sd_json_variant **ret)
{
	unsigned int nr = 0;
	int r = sd_json_variant_new_array(ret, NULL, 0);

	for (unsigned int i = 0; i < KHO_FAULTS_SLOTS; i++)
		if (faults->slots[i])
			nr = i + 1;
	for (unsigned int i = 0; i < nr && r >= 0; i++) {
		_cleanup_variant_ sd_json_variant *v = NULL;

		r = sd_json_variant_new_unsigned(&v, faults->slots[i]);
		if (r >= 0)
			r = sd_json_variant_append_array(ret, v);
	}
	return r;
}

static int add_faults(sd_json_variant **object, const struct kho_faults_seen *faults)
{
	_cleanup_variant_ sd_json_variant *slots = NULL, *v = NULL;
	int r = slots_to_json(faults, &slots);

	if (r >= 0)
		r = sd_json_buildo(&v, SD_JSON_BUILD_PAIR_UNSIGNED("count", faults->count),
				   SD_JSON_BUILD_PAIR_UNSIGNED("total_us",
							       faults->total_ns / NS_PER_US),
				   SD_JSON_BUILD_PAIR_UNSIGNED("max_us",
							       faults->max_ns / NS_PER_US),
				   SD_JSON_BUILD_PAIR_VARIANT("slots", slots));
	return r < 0 ? r : sd_json_variant_set_field(object, "faults", v);
}

int kho_measured_to_json(const struct kho_measured *measured, sd_json_variant **ret)
{
	_cleanup_variant_ sd_json_variant *v = NULL, *reasons = NULL;
	int r = sd_json_variant_set_field_unsigned(&v, "dropped", measured->dropped);

	for (unsigned int i = 0; i < _KHO_INTERVAL_MAX && r >= 0; i++)
		r = add_span(&v, &reasons, i, &measured->intervals[i]);
	if (r >= 0 && measured->has_faults)
		r = add_faults(&v, &measured->faults);
	else if (r >= 0)
		r = add_reason(&reasons, "faults", measured->why_no_faults);
	if (r >= 0 && reasons)
		r = sd_json_variant_set_field(&v, "not_measured", reasons);
	if (r >= 0)
		*ret = TAKE_PTR(v);
	return r;
}

static int add_kernel(sd_json_variant **object, sd_json_variant **reasons, const char *key,
		      const struct kho_tcp_seen *seen, const char *why)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	int r;

	if (why)
		return add_reason(reasons, key, why);
	r = sd_json_buildo(&v, SD_JSON_BUILD_PAIR_UNSIGNED("retransmits", seen->retransmits),
			   SD_JSON_BUILD_PAIR_UNSIGNED("resets_sent", seen->resets_sent),
			   SD_JSON_BUILD_PAIR_UNSIGNED("resets_received", seen->resets_received),
			   SD_JSON_BUILD_PAIR_UNSIGNED("zero_windows", seen->zero_windows),
			   SD_JSON_BUILD_PAIR_UNSIGNED("window_probes", seen->window_probes));
	return r < 0 ? r : sd_json_variant_set_field(object, key, v);
}

int kho_measured_address_to_json(const struct kho_measured_address *address,
				 sd_json_variant **ret)
{
	_cleanup_variant_ sd_json_variant *v = NULL, *reasons = NULL;
	int r = sd_json_buildo(&v, SD_JSON_BUILD_PAIR_STRING("name", address->name),
			       SD_JSON_BUILD_PAIR_STRING("address", address->address));

	if (r >= 0)
		r = add_kernel(&v, &reasons, "old", &address->old, address->why_not_old);
	if (r >= 0)
		r = add_kernel(&v, &reasons, "new", &address->new, address->why_not_new);
	if (r >= 0 && reasons)
		r = sd_json_variant_set_field(&v, "not_measured", reasons);
	if (r >= 0)
		*ret = TAKE_PTR(v);
	return r;
}

int kho_measured_cpu_to_json(const struct kho_measured_cpu *cpu, sd_json_variant **ret)
{
	uint64_t peer_agent = cpu->peer_agent_ns / NS_PER_MS;
	uint64_t peer_helpers = cpu->peer_helpers_ns / NS_PER_MS;

	return sd_json_buildo(
		ret, SD_JSON_BUILD_PAIR_UNSIGNED("agent_ms", cpu->agent_ns / NS_PER_MS),
		SD_JSON_BUILD_PAIR_UNSIGNED("helpers_ms", cpu->helpers_ns / NS_PER_MS),
		SD_JSON_BUILD_PAIR_CONDITION(!!cpu->peer_agent_ns, "peer_agent_ms",
					     SD_JSON_BUILD_UNSIGNED(peer_agent)),
		SD_JSON_BUILD_PAIR_CONDITION(!!cpu->peer_agent_ns, "peer_helpers_ms",
					     SD_JSON_BUILD_UNSIGNED(peer_helpers)));
}
