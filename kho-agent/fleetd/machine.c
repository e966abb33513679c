// SPDX-License-Identifier: GPL-2.0-only
/*
 * This machine, as kho-agent tells of it. An upgrade is the fleet's if it began right after the
 * machine had its slot, by this machine's own clock. What begins later is an operator's: the
 * slot's time is known for longer than the slot is there, so that one that was freed is missed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/cleanup.h"
#include "fleet/json.h"
#include "fleetd/fleetd.h"
#include "image/look.h"
#include "system/zone.h"

#define CALL_USEC	(8u * 1000 * 1000)
/* Within that after its slot: the call may be answered late, and clocks may be set. */
#define BEGIN_MS	(KHO_FLEET_START_MS + 15000u)

#define _cleanup_link_ __attribute__((cleanup(sd_varlink_flush_close_unrefp)))

static uint64_t now_ms(void *ctx)
{
	(void)ctx;
	return fleet_now_ms();
}

static uint64_t mono_ms(void *ctx)
{
	(void)ctx;
	return fleet_mono_ms();
}

/*
 * *@ret is a reference. -EAGAIN: the agent didn't answer, so it can't be said what it has done;
 * -EOPNOTSUPP: it refused.
 */
static int call(const char *method, sd_json_variant *parameters, sd_json_variant **ret,
		struct kho_err *err)
{
	_cleanup_link_ sd_varlink *link = NULL;
	sd_json_variant *reply = NULL;
	const char *error_id = NULL, *message;
	int r = sd_varlink_connect_address(&link, KHO_API_SOCKET);

	if (r >= 0)
		r = sd_varlink_set_relative_timeout(link, CALL_USEC);
	if (r >= 0)
		r = sd_varlink_call(link, method, parameters, &reply, &error_id);
	if (r < 0 || (error_id && strcmp(error_id, SD_VARLINK_ERROR_DISCONNECTED) == 0) ||
	    (error_id && strcmp(error_id, SD_VARLINK_ERROR_TIMEOUT) == 0))
		return kho_fail(err, -EAGAIN, "kho-agent doesn't answer; is kho-agent.service running?");
	if (error_id) {
		message = kho_field_text(reply, "message");
		return kho_fail(err, -EOPNOTSUPP, "%s", message ?: error_id);
	}
	if (ret)
		*ret = sd_json_variant_ref(reply);
	return 0;
}

/* Of the workload that stood still for longest. */
struct blackout {
	uint64_t ms;			/* 0: not known, or none was moved */
	char workload[KHO_FLEET_ID];
};

/* By the probes where they measured it, and by the old kernel's clock otherwise. */
static struct blackout longest_blackout(sd_json_variant *entry)
{
	sd_json_variant *move = sd_json_variant_by_key(entry, "move"), *list = NULL;
	struct blackout longest = {};
	size_t nr;

	if (move && sd_json_variant_is_object(move))
		(void)kho_json_array(move, KHO_MAY("workloads"), &list, NULL);
	nr = list ? sd_json_variant_elements(list) : 0;
	for (size_t i = 0; i < nr; i++) {
		sd_json_variant *w = sd_json_variant_by_index(list, i);
		uint64_t ms = kho_field_number(w, "frozen_probe_ms") ?: kho_field_number(w, "frozen_ms");

		if (ms <= longest.ms)
			continue;
		longest.ms = ms;
		snprintf(longest.workload, sizeof(longest.workload), "%s",
			 kho_field_text(w, "name") ?: "a workload");
	}
	return longest;
}

static bool is_the_fleets(uint64_t began_ms, uint64_t since_ms)
{
	return since_ms && began_ms >= since_ms && began_ms - since_ms <= BEGIN_MS;
}

static void take_upgrade(sd_json_variant *upgrade, uint64_t since_ms, struct kho_fleet_facts *facts)
{
	const char *state = kho_field_text(upgrade, "state") ?: "";

	if (!is_the_fleets(kho_field_number(upgrade, "beganMs"), since_ms))
		facts->machine = KHO_MACHINE_BUSY;
	else
		facts->machine = strcmp(state, "soak") == 0 ? KHO_MACHINE_SOAK : KHO_MACHINE_UPGRADING;
}

static bool is_committed(sd_json_variant *entry)
{
	return strcmp(kho_field_text(entry, "result") ?: "", "committed") == 0;
}

/* Those that are over, the newest first. *@ret_list is a part of *@ret. */
static int read_history(sd_json_variant **ret, sd_json_variant **ret_list, struct kho_err *err)
{
	int r = call(KHO_API_METHOD("History"), NULL, ret, err);

	return r < 0 ? r : kho_json_array(*ret, KHO_MAY("upgrades"), ret_list, err);
}

/* For how long its workloads stood still. */
static int read_blackout(sd_json_variant *entry, struct blackout *ret, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *parameters = NULL, *answer = NULL;
	sd_json_variant *upgrade = NULL;
	int r = sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_STRING(
				       "id", kho_field_text(entry, "id") ?: ""));

	if (r < 0)
		return kho_fail_errno(err, r, "the call");
	r = call(KHO_API_METHOD("Show"), parameters, &answer, err);
	if (r >= 0)
		r = kho_json_object(answer, KHO_NEED("upgrade"), &upgrade, err);
	if (r >= 0)
		*ret = longest_blackout(upgrade);
	return r;
}

/* The newest one that is over. */
static int take_result(const struct kho_rollout_spec *spec, uint64_t since_ms,
		       struct kho_fleet_facts *facts, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *answer = NULL;
	sd_json_variant *list = NULL, *last;
	struct blackout blackout = {};
	int r = read_history(&answer, &list, err);

	if (r < 0 || !list || !sd_json_variant_elements(list))
		return r;
	last = sd_json_variant_by_index(list, 0);
	if (!is_the_fleets(kho_field_number(last, "began_ms"), since_ms))
		return 0;
	/* an entry without its move says nothing of it; that's no failure */
	if (is_committed(last) && spec->blackout_ms)
		r = read_blackout(last, &blackout, err);
	if (r < 0)
		return r;
	facts->blackout_ms = blackout.ms;
	facts->result = is_committed(last) ? KHO_FLEET_RESULT_DONE : KHO_FLEET_RESULT_FAILED;
	snprintf(facts->message, sizeof(facts->message), "%s", kho_field_text(last, "result") ?: "");
	return 0;
}

static int look(void *ctx, const struct kho_rollout_spec *spec, uint64_t since_ms,
		struct kho_fleet_facts *facts, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *status = NULL;
	sd_json_variant *upgrade;
	const char *phase;
	int r = call(KHO_API_METHOD("Status"), NULL, &status, err);

	(void)ctx;
	if (r < 0)
		return r;
	upgrade = sd_json_variant_by_key(status, "upgrade");
	phase = kho_field_text(status, "phase") ?: "";
	if (upgrade && sd_json_variant_is_object(upgrade))
		take_upgrade(upgrade, since_ms, facts);
	else if (strcmp(phase, "idle") != 0)
		facts->machine = KHO_MACHINE_BUSY;
	else if (since_ms)
		r = take_result(spec, since_ms, facts, err);
	return r;
}

static int start(void *ctx, const struct kho_rollout_spec *spec, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *parameters = NULL;
	int r = sd_json_buildo(
		&parameters, SD_JSON_BUILD_PAIR_STRING("image", spec->image),
		SD_JSON_BUILD_PAIR_CONDITION(!!spec->blackout_ms, "maxFrozenMs",
					     SD_JSON_BUILD_UNSIGNED(spec->blackout_ms)),
		SD_JSON_BUILD_PAIR_CONDITION(spec->has_machine_soak, "soakSec",
					     SD_JSON_BUILD_UNSIGNED(spec->machine_soak_sec)));

	(void)ctx;
	return r < 0 ? kho_fail_errno(err, r, "the call") :
	       call(KHO_API_METHOD("Start"), parameters, NULL, err);
}

static int abort_it(void *ctx, const char *why, struct kho_err *err)
{
	(void)ctx;
	fprintf(stderr, "the upgrade is aborted: %s\n", why);
	return call(KHO_API_METHOD("Abort"), NULL, NULL, err);
}

/* ---- what has to be well ---- */

static int check_image(const struct kho_config *config, const struct kho_rollout_spec *spec,
		       struct kho_err *err)
{
	struct kho_keyring *keyring = NULL;
	_cleanup_free_ struct kho_image_look *image = calloc(1, sizeof(*image));
	int r;

	if (!image)
		return kho_fail(err, -ENOMEM, "no memory to look at the image");
	r = kho_keyring_load(config->keyring, &keyring, err);
	if (r >= 0)
		r = kho_image_look(spec->image, keyring, KHO_REFUSED_DIR, image, err);
	kho_keyring_free(keyring);
	if (r < 0)
		return r;
	if (strcmp(image->digest, spec->digest) != 0)
		return kho_fail(err, -EBADMSG, "%s has digest %.12s, and the rollout is of %.12s; put that "
				"image there", spec->image, image->digest, spec->digest);
	if (image->is_refused)
		return kho_fail(err, -EKEYREVOKED, "%s failed here before and is refused: %.200s; khoctl "
				"image clear %.12s forgets that", spec->image, image->refused.reason,
				image->digest);
	return 0;
}

/* What the newest upgrade that was kept took is what's known before memory is copied. */
static int check_budget(const struct kho_rollout_spec *spec, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *answer = NULL;
	sd_json_variant *list = NULL, *entry = NULL;
	struct blackout last = {};
	size_t nr;
	int r = read_history(&answer, &list, err);

	nr = r >= 0 && list ? sd_json_variant_elements(list) : 0;
	for (size_t i = 0; i < nr && !entry; i++)
		if (is_committed(sd_json_variant_by_index(list, i)))
			entry = sd_json_variant_by_index(list, i);
	if (entry)
		r = read_blackout(entry, &last, err);
	if (r >= 0 && last.ms > spec->blackout_ms)
		return kho_fail(err, -ETIME, "in its last upgrade %s stood still for %llu ms, and the "
				"rollout allows %llu; khoctl show %.8s says why. A larger blackout_ms lets "
				"it begin", last.workload, (unsigned long long)last.ms,
				(unsigned long long)spec->blackout_ms, kho_field_text(entry, "id") ?: "");
	return r;
}

static int ask_gates(const struct kho_rollout_spec *spec, bool after, struct kho_err *err)
{
	int r = 0;

	for (unsigned int i = 0; i < spec->nr_gates && r >= 0; i++)
		if (spec->gates[i].after == after)
			r = fleet_ask_gate(&spec->gates[i], err);
	return r;
}

static enum kho_verdict check(void *ctx, const struct kho_rollout_spec *spec, enum kho_ask ask,
			      char message[KHO_FLEET_MESSAGE])
{
	struct kho_err err = {};
	int r = ask == KHO_ASK_IMAGE ? check_image(ctx, spec, &err) :
		ask == KHO_ASK_BUDGET ? check_budget(spec, &err) :
		ask_gates(spec, ask == KHO_ASK_AFTER, &err);

	snprintf(message, KHO_FLEET_MESSAGE, "%.390s", r < 0 ? err.msg : "");
	return r < 0 ? KHO_VERDICT_BAD : KHO_VERDICT_GOOD;
}

static bool is_open(void *ctx, const struct kho_windows *windows, uint64_t now)
{
	struct kho_wall wall = {};
	struct kho_wall_ops ops = kho_wall_ops(&wall);
	struct kho_err err;
	int r = kho_windows_are_open(windows, &ops, (int64_t)(now / 1000), &err);

	(void)ctx;
	kho_wall_done(&wall);
	/* a zone that isn't known here keeps it closed */
	if (r < 0)
		fprintf(stderr, "%s\n", err.msg);
	return r > 0;
}

const struct kho_machine_ops fleet_machine_ops = {
	.now_ms = now_ms,
	.mono_ms = mono_ms,
	.look = look,
	.start = start,
	.abort = abort_it,
	.check = check,
	.is_open = is_open,
};
