// SPDX-License-Identifier: GPL-2.0-only
/* khoctl fleet status, watch, history. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "fleet/json.h"
#include "fleet/keys.h"
#include "fleetd/fleetd.h"

#define WAIT_MS		10000u
#define BACKOFF_MS	2000
#define TIME_TEXT	32

struct picture {
	struct kho_fleet_cache cache;
	struct kho_tally tally;
	uint8_t *waves;
};

static void picture_done(struct picture *picture)
{
	kho_fleet_cache_done(&picture->cache);
	free(picture->waves);
}

static void format_time(uint64_t ms, char ret[TIME_TEXT])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	snprintf(ret, TIME_TEXT, "-");
	if (ms && localtime_r(&seconds, &tm))
		strftime(ret, TIME_TEXT, "%F %T", &tm);
}

static int tally(struct picture *picture, struct kho_err *err)
{
	const struct kho_fleet_view *view = &picture->cache.view;

	if (picture->cache.broken.code < 0)
		return kho_fail(err, picture->cache.broken.code, "%s", picture->cache.broken.msg);
	free(picture->waves);
	picture->waves = calloc(view->nr + 1, 1);
	if (!picture->waves)
		return kho_fail(err, -ENOMEM, "no memory for %zu machines", view->nr);
	return kho_fleet_tally(view, picture->waves, &picture->tally, err);
}

static int load(const struct settings *settings, struct picture *picture, uint64_t *ret_revision,
		struct kho_err *err)
{
	__attribute__((cleanup(kho_etcd_kvs_done))) struct kho_etcd_kvs kvs = {};
	char prefix[KHO_ETCD_KEY];
	int r;

	memcpy(picture->cache.group, settings->group, sizeof(settings->group));
	snprintf(prefix, sizeof(prefix), KHO_KEY_GROUP, settings->group);
	r = settings->etcd.ops->range(settings->etcd.ctx, prefix, true, &kvs, err);
	if (r >= 0)
		r = kho_fleet_cache_fill(&picture->cache, &kvs, fleet_mono_ms(), err);
	*ret_revision = kvs.revision;
	return r < 0 ? r : tally(picture, err);
}

/* What's said of a machine: one that's gone with a slot is lost, before it's freed, too. */
static const char *state_of(const struct kho_fleet_view *view, const struct kho_node *node)
{
	if (node->has_slot && !node->live)
		return "lost";
	if (!node->live && kho_node_state_in(&view->rollout, node) < KHO_NODE_DONE)
		return "away";
	return kho_node_state_name(kho_node_state_in(&view->rollout, node));
}

/* ---- as JSON ---- */

static int append(sd_json_variant **list, sd_json_variant *item, int r)
{
	if (r >= 0)
		r = sd_json_variant_append_array(list, item);
	sd_json_variant_unref(item);
	return r;
}

static int waves_json(const struct picture *picture, sd_json_variant **ret)
{
	const struct kho_rollout_spec *spec = &picture->cache.view.rollout.spec;
	int r = sd_json_variant_new_array(ret, NULL, 0);

	for (unsigned int i = 0; i < spec->nr_waves && r >= 0; i++) {
		const struct kho_wave_tally *wave = &picture->tally.waves[i];
		sd_json_variant *v = NULL;

		r = sd_json_buildo(&v, SD_JSON_BUILD_PAIR_STRING("name", spec->waves[i].name),
				   SD_JSON_BUILD_PAIR_UNSIGNED("machines", wave->nr),
				   SD_JSON_BUILD_PAIR_UNSIGNED("done", wave->done),
				   SD_JSON_BUILD_PAIR_UNSIGNED("failed", wave->ended - wave->done),
				   SD_JSON_BUILD_PAIR_UNSIGNED("slots", wave->running),
				   SD_JSON_BUILD_PAIR_BOOLEAN("through", wave->through));
		r = append(ret, v, r);
	}
	return r;
}

static int machines_json(const struct picture *picture, sd_json_variant **ret)
{
	const struct kho_fleet_view *view = &picture->cache.view;
	int r = sd_json_variant_new_array(ret, NULL, 0);

	for (size_t i = 0; i < view->nr && r >= 0; i++) {
		const struct kho_node *node = view->nodes[i];
		bool selected = picture->waves[i] < view->rollout.spec.nr_waves;
		sd_json_variant *v = NULL;

		r = sd_json_buildo(
			&v, SD_JSON_BUILD_PAIR_STRING("name", node->id),
			SD_JSON_BUILD_PAIR_STRING("state", state_of(view, node)),
			SD_JSON_BUILD_PAIR_STRING("reason", node->status.reason),
			SD_JSON_BUILD_PAIR_STRING("message", node->status.message),
			SD_JSON_BUILD_PAIR_STRING("release", node->release),
			SD_JSON_BUILD_PAIR_BOOLEAN("there", node->live),
			SD_JSON_BUILD_PAIR_BOOLEAN("slot", node->has_slot),
			SD_JSON_BUILD_PAIR_UNSIGNED("sinceMs", node->status.since_ms),
			SD_JSON_BUILD_PAIR_CONDITION(!!node->status.blackout_ms, "blackoutMs",
				SD_JSON_BUILD_UNSIGNED(node->status.blackout_ms)),
			SD_JSON_BUILD_PAIR_CONDITION(selected, "wave", SD_JSON_BUILD_STRING(
				selected ? view->rollout.spec.waves[picture->waves[i]].name : "")));
		r = append(ret, v, r);
	}
	return r;
}

static int picture_json(const struct settings *settings, const struct picture *picture,
			sd_json_variant **ret)
{
	const struct kho_rollout *rollout = &picture->cache.view.rollout;
	_cleanup_variant_ sd_json_variant *waves = NULL, *machines = NULL, *v = NULL;
	int r = waves_json(picture, &waves);

	if (r >= 0)
		r = machines_json(picture, &machines);
	if (r >= 0 && picture->cache.view.has_rollout)
		r = sd_json_buildo(
			&v, SD_JSON_BUILD_PAIR_STRING("id", rollout->spec.id),
			SD_JSON_BUILD_PAIR_STRING("state", kho_rollout_state_name(rollout->state)),
			SD_JSON_BUILD_PAIR_STRING("reason", rollout->reason),
			SD_JSON_BUILD_PAIR_STRING("message", rollout->message),
			SD_JSON_BUILD_PAIR_STRING("owner", rollout->owner),
			SD_JSON_BUILD_PAIR_STRING("image", rollout->spec.image),
			SD_JSON_BUILD_PAIR_STRING("digest", rollout->spec.digest),
			SD_JSON_BUILD_PAIR_UNSIGNED("beganMs", rollout->began_ms),
			SD_JSON_BUILD_PAIR_UNSIGNED("sinceMs", rollout->since_ms),
			SD_JSON_BUILD_PAIR_UNSIGNED("round", rollout->round),
			SD_JSON_BUILD_PAIR_UNSIGNED("limit", picture->tally.limit),
			SD_JSON_BUILD_PAIR_CONDITION(!!rollout->spec.blackout_ms, "blackoutBudgetMs",
				SD_JSON_BUILD_UNSIGNED(rollout->spec.blackout_ms)),
			SD_JSON_BUILD_PAIR_VARIANT("waves", waves));
	return r < 0 ? r : sd_json_buildo(ret, SD_JSON_BUILD_PAIR_STRING("group", settings->group),
					  SD_JSON_BUILD_PAIR_CONDITION(!!v, "rollout",
								       SD_JSON_BUILD_VARIANT(v)),
					  SD_JSON_BUILD_PAIR_VARIANT("machines", machines));
}

/* ---- as text ---- */

/* What workloads may stand still for, and the longest that any did in this rollout. */
static void print_budget(const struct kho_fleet_view *view)
{
	const struct kho_node *worst = NULL;

	if (!view->rollout.spec.blackout_ms)
		return;
	for (size_t i = 0; i < view->nr; i++)
		if (strcmp(view->nodes[i]->status.rollout, view->rollout.spec.id) == 0 &&
		    view->nodes[i]->status.blackout_ms > (worst ? worst->status.blackout_ms : 0))
			worst = view->nodes[i];
	printf("  blackout budget %" PRIu64 " ms", view->rollout.spec.blackout_ms);
	if (worst)
		printf(", the longest so far %" PRIu64 " ms on %s", worst->status.blackout_ms, worst->id);
	putchar('\n');
}

static const char *wave_state(const struct picture *picture, unsigned int i)
{
	const struct kho_wave_tally *wave = &picture->tally.waves[i];

	if (!wave->nr)
		return "empty";
	if (!wave->through)
		return i == picture->tally.wave ? "at work" : "waits";
	return wave->soaked_ms > fleet_now_ms() ? "soaks" : "through";
}

static void print_waves(const struct picture *picture)
{
	const struct kho_rollout_spec *spec = &picture->cache.view.rollout.spec;

	printf("%-20s %8s %6s %6s %6s  %s\n", "WAVE", "MACHINES", "DONE", "FAILED", "SLOTS", "STATE");
	for (unsigned int i = 0; i < spec->nr_waves; i++) {
		const struct kho_wave_tally *wave = &picture->tally.waves[i];

		printf("%-20s %8zu %6zu %6zu %6zu  %s\n", spec->waves[i].name, wave->nr, wave->done,
		       wave->ended - wave->done, wave->running, wave_state(picture, i));
	}
	putchar('\n');
}

static void print_rollout(const struct picture *picture)
{
	const struct kho_rollout *rollout = &picture->cache.view.rollout;
	const struct kho_tally *t = &picture->tally;
	uint64_t now = fleet_now_ms();
	char began[TIME_TEXT];

	format_time(rollout->began_ms, began);
	printf("rollout %s: %s%s%s\n  by %s, %s, for %" PRIu64 " min; image %s, digest %.12s\n",
	       rollout->spec.id, kho_rollout_state_name(rollout->state), *rollout->message ? ": " : "",
	       rollout->message, rollout->owner, began,
	       now > rollout->began_ms ? (now - rollout->began_ms) / 60000 : 0, rollout->spec.image,
	       rollout->spec.digest);
	printf("  %zu of %zu done, %zu failed, %zu of %zu slots taken, %zu away\n",
	       t->states[KHO_NODE_DONE], t->total, t->failures, t->slots, t->limit, t->away);
	print_budget(&picture->cache.view);
	putchar('\n');
	print_waves(picture);
}

/* How long it has been so: of a slot, how long it has been taken. */
static void format_age(const struct kho_node *node, bool current, char ret[TIME_TEXT])
{
	uint64_t since = node->has_slot ? node->slot_since_ms : current ? node->status.since_ms : 0;
	uint64_t now = fleet_now_ms();

	snprintf(ret, TIME_TEXT, "-");
	if (since && now > since)
		snprintf(ret, TIME_TEXT, "%" PRIu64 " min", (now - since) / 60000);
}

static void print_picture(const struct settings *settings, const struct picture *picture)
{
	const struct kho_fleet_view *view = &picture->cache.view;

	if (!view->has_rollout)
		printf("group %s has no rollout\n\n", settings->group);
	else
		print_rollout(picture);
	printf("%-20s %-10s %-10s %-8s %-18s %-28s %s\n", "MACHINE", "WAVE", "STATE", "FOR", "REASON",
	       "KERNEL", "MESSAGE");
	for (size_t i = 0; i < view->nr; i++) {
		const struct kho_node *node = view->nodes[i];
		bool selected = view->has_rollout && picture->waves[i] < view->rollout.spec.nr_waves;
		bool current = selected && strcmp(node->status.rollout, view->rollout.spec.id) == 0;
		char age[TIME_TEXT];

		format_age(node, current, age);
		printf("%-20s %-10s %-10s %-8s %-18s %-28s %s\n", node->id,
		       selected ? view->rollout.spec.waves[picture->waves[i]].name : "-",
		       state_of(view, node), age, current && *node->status.reason ? node->status.reason : "-",
		       *node->release ? node->release : "-", current ? node->status.message : "");
	}
}

static int show(const struct settings *settings, const struct picture *picture, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	int r;

	if (!arg_json) {
		print_picture(settings, picture);
		fflush(stdout);
		return 0;
	}
	r = picture_json(settings, picture, &v);
	if (r < 0)
		return kho_fail_errno(err, r, "the answer");
	kho_print_json(v);
	return 0;
}

int fleet_status(int argc, char **argv)
{
	_cleanup_settings_ struct settings settings = {};
	__attribute__((cleanup(picture_done))) struct picture picture = {};
	struct kho_err err;
	uint64_t revision;
	int r;

	if (argc != 1)
		return kho_usage_error("%s takes no argument", argv[0]);
	r = settings_load(&settings, &err);
	if (r >= 0)
		r = load(&settings, &picture, &revision, &err);
	if (r >= 0)
		r = show(&settings, &picture, &err);
	return r < 0 ? fleet_report(&err) : KHO_EXIT_OK;
}

/* ---- watch ---- */

static bool is_over(const struct picture *picture)
{
	const struct kho_fleet_view *view = &picture->cache.view;

	return !view->has_rollout || ((kho_rollout_is_over(&view->rollout) ||
				       view->rollout.state == KHO_ROLLOUT_HALTED) && !picture->tally.slots);
}

/* Until something has changed, or the watch is broken. */
static void wait_for_change(const struct settings *settings, uint64_t revision)
{
	struct kho_etcd_kvs kvs = {};
	char prefix[KHO_ETCD_KEY];
	bool changed = false;

	snprintf(prefix, sizeof(prefix), KHO_KEY_GROUP, settings->group);
	if (settings->etcd.ops->watch(settings->etcd.ctx, prefix, revision + 1, NULL) < 0)
		poll(NULL, 0, BACKOFF_MS);
	while (!changed && settings->etcd.ops->watch_next(settings->etcd.ctx, WAIT_MS, &kvs, NULL) >= 0) {
		changed = kvs.nr;
		kho_etcd_kvs_done(&kvs);
	}
	if (!changed)
		poll(NULL, 0, BACKOFF_MS);
}

int fleet_watch(int argc, char **argv)
{
	_cleanup_settings_ struct settings settings = {};
	__attribute__((cleanup(picture_done))) struct picture picture = {};
	struct kho_err err;
	uint64_t revision = 0;
	int r;

	if (argc != 1)
		return kho_usage_error("%s takes no argument", argv[0]);
	r = settings_load(&settings, &err);
	while (r >= 0) {
		r = load(&settings, &picture, &revision, &err);
		if (r >= 0)
			r = show(&settings, &picture, &err);
		if (r >= 0 && is_over(&picture))
			return !picture.cache.view.has_rollout ||
			       picture.cache.view.rollout.state == KHO_ROLLOUT_DONE ?
			       KHO_EXIT_OK : KHO_EXIT_FAILED;
		if (r >= 0)
			wait_for_change(&settings, revision);
	}
	return fleet_report(&err);
}

/* ---- history ---- */

static void print_ended(const struct kho_etcd_kv *kv)
{
	static struct kho_rollout rollout;
	char began[TIME_TEXT], ended[TIME_TEXT];

	if (kho_rollout_parse(kv->value, kv->size, &rollout, NULL) < 0)
		return;
	format_time(rollout.began_ms, began);
	format_time(rollout.since_ms, ended);
	printf("%-20s %-8s %s to %s  %s  %s\n", rollout.spec.id, kho_rollout_state_name(rollout.state),
	       began, ended, rollout.owner, rollout.message);
}

static void print_audit(const struct kho_etcd_kv *kv)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	char when[TIME_TEXT];

	if (kho_json_parse(kv->value, kv->size, &v, NULL) < 0)
		return;
	format_time(kho_field_number(v, "ms"), when);
	printf("%s %-7s %-20s %-20s %s\n", when, kho_field_text(v, "verb") ?: "?",
	       kho_field_text(v, "rollout") ?: "?", kho_field_text(v, "by") ?: "?",
	       kho_field_text(v, "reason") ?: "");
}

static int show_list(const struct kho_etcd_kvs *kvs, bool audit, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *list = NULL, *v = NULL;
	int r = sd_json_variant_new_array(&list, NULL, 0);

	for (size_t i = 0; i < kvs->nr && r >= 0; i++) {
		sd_json_variant *item = NULL;

		if (arg_json && kho_json_parse(kvs->of[i].value, kvs->of[i].size, &item, NULL) >= 0)
			r = append(&list, item, 0);
		else if (!arg_json && audit)
			print_audit(&kvs->of[i]);
		else if (!arg_json)
			print_ended(&kvs->of[i]);
	}
	if (r >= 0 && arg_json)
		r = sd_json_buildo(&v, SD_JSON_BUILD_PAIR_VARIANT(audit ? "audit" : "rollouts", list));
	if (r < 0)
		return kho_fail_errno(err, r, "the answer");
	if (arg_json)
		kho_print_json(v);
	return 0;
}

int fleet_history(int argc, char **argv)
{
	__attribute__((cleanup(kho_etcd_kvs_done))) struct kho_etcd_kvs kvs = {};
	_cleanup_settings_ struct settings settings = {};
	bool audit = argc == 2 && strcmp(argv[1], "--audit") == 0;
	char prefix[KHO_ETCD_KEY];
	struct kho_err err;
	int r;

	if (argc != 1 && !audit)
		return kho_usage_error("%s takes --audit or nothing", argv[0]);
	r = settings_load(&settings, &err);
	if (r >= 0) {
		if (audit)
			snprintf(prefix, sizeof(prefix), KHO_KEY_AUDIT, settings.group);
		else
			snprintf(prefix, sizeof(prefix), KHO_KEY_HISTORY, settings.group);
		r = settings.etcd.ops->range(settings.etcd.ctx, prefix, true, &kvs, &err);
	}
	if (r >= 0)
		r = show_list(&kvs, audit, &err);
	return r < 0 ? fleet_report(&err) : KHO_EXIT_OK;
}
