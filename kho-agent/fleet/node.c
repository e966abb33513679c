// SPDX-License-Identifier: GPL-2.0-only
/* Records of machines, slots and semaphores as text; node.h has the idea. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "fleet/node.h"

#define NODE_SCHEMA	1u
#define TEXT(object, name, field) kho_json_text(object, KHO_MAY(name), field, sizeof(field), err)

static const char *const state_names[] = {
	[KHO_NODE_PENDING] = "pending",
	[KHO_NODE_BLOCKED] = "blocked",
	[KHO_NODE_TAKEN] = "taken",
	[KHO_NODE_UPGRADING] = "upgrading",
	[KHO_NODE_DONE] = "done",
	[KHO_NODE_FAILED] = "failed",
	[KHO_NODE_LOST] = "lost",
};

const char *kho_node_state_name(enum kho_node_state state)
{
	return state_names[state];
}

static int check_schema(sd_json_variant *object, struct kho_err *err)
{
	uint64_t schema = 0;
	int r = kho_json_number(object, KHO_NEED("schema"), &schema, err);

	if (r >= 0 && schema != NODE_SCHEMA)
		return kho_fail(err, -EPROTONOSUPPORT, "schema %llu; this version knows %u: update "
				"kho-agent on this machine", (unsigned long long)schema, NODE_SCHEMA);
	return r;
}

static int parse_state(sd_json_variant *object, enum kho_node_state *ret, struct kho_err *err)
{
	char name[16] = "pending";
	int r = TEXT(object, "state", name);

	for (unsigned int i = 0; r >= 0 && i < _KHO_NODE_STATE_MAX; i++)
		if (strcmp(name, state_names[i]) == 0) {
			*ret = (enum kho_node_state)i;
			return 0;
		}
	return r < 0 ? r : kho_fail(err, -EINVAL, "\"state\": \"%s\" isn't known", name);
}

static int parse_status(sd_json_variant *object, struct kho_node_status *ret, struct kho_err *err)
{
	int r = TEXT(object, "rollout", ret->rollout);

	if (r >= 0)
		r = kho_json_number(object, KHO_MAY("round"), &ret->round, err);
	if (r >= 0)
		r = parse_state(object, &ret->state, err);
	if (r >= 0)
		r = TEXT(object, "reason", ret->reason);
	if (r >= 0)
		r = TEXT(object, "message", ret->message);
	if (r >= 0)
		r = kho_json_number(object, KHO_MAY("since_ms"), &ret->since_ms, err);
	if (r >= 0)
		r = kho_json_number(object, KHO_MAY("taken_ms"), &ret->taken_ms, err);
	if (r >= 0)
		r = kho_json_number(object, KHO_MAY("attempts"), &ret->attempts, err);
	if (r >= 0)
		r = kho_json_number(object, KHO_MAY("blackout_ms"), &ret->blackout_ms, err);
	return r;
}

static int parse_node(sd_json_variant *object, struct kho_node *node, struct kho_err *err)
{
	sd_json_variant *labels = NULL, *status = NULL;
	int r = check_schema(object, err);

	if (r >= 0)
		r = kho_json_object(object, KHO_MAY("labels"), &labels, err);
	if (r >= 0)
		r = kho_labels_parse(labels, &node->labels, err);
	if (r >= 0)
		r = TEXT(object, "release", node->release);
	if (r >= 0)
		r = TEXT(object, "digest", node->digest);
	if (r >= 0)
		r = TEXT(object, "boot", node->boot);
	if (r >= 0)
		r = kho_json_object(object, KHO_MAY("status"), &status, err);
	if (r >= 0 && status)
		r = parse_status(status, &node->status, err);
	return r;
}

int kho_node_parse(const char *text, size_t size, struct kho_node *ret, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *object = NULL;
	struct kho_node node = {};
	int r = kho_json_parse(text, size, &object, err);

	if (r >= 0)
		r = parse_node(object, &node, err);
	if (r < 0)
		return kho_wrap(err, r, "record of a machine");
	ret->labels = node.labels;
	memcpy(ret->release, node.release, sizeof(ret->release));
	memcpy(ret->digest, node.digest, sizeof(ret->digest));
	memcpy(ret->boot, node.boot, sizeof(ret->boot));
	ret->status = node.status;
	return 0;
}

int kho_node_format(const struct kho_node *node, char **ret, struct kho_err *err)
{
	const struct kho_node_status *status = &node->status;
	_cleanup_variant_ sd_json_variant *v = NULL, *labels = NULL, *inner = NULL;
	int r = kho_labels_build(&node->labels, &labels, err);

	if (r < 0)
		return r;
	r = sd_json_buildo(
		&inner, SD_JSON_BUILD_PAIR_STRING("rollout", status->rollout),
		SD_JSON_BUILD_PAIR_UNSIGNED("round", status->round),
		SD_JSON_BUILD_PAIR_STRING("state", state_names[status->state]),
		SD_JSON_BUILD_PAIR_STRING("reason", status->reason),
		SD_JSON_BUILD_PAIR_STRING("message", status->message),
		SD_JSON_BUILD_PAIR_UNSIGNED("since_ms", status->since_ms),
		SD_JSON_BUILD_PAIR_UNSIGNED("taken_ms", status->taken_ms),
		SD_JSON_BUILD_PAIR_UNSIGNED("attempts", status->attempts),
		SD_JSON_BUILD_PAIR_CONDITION(!!status->blackout_ms, "blackout_ms",
					     SD_JSON_BUILD_UNSIGNED(status->blackout_ms)));
	if (r >= 0)
		r = sd_json_buildo(
			&v, SD_JSON_BUILD_PAIR_UNSIGNED("schema", NODE_SCHEMA),
			SD_JSON_BUILD_PAIR_VARIANT("labels", labels),
			SD_JSON_BUILD_PAIR_STRING("release", node->release),
			SD_JSON_BUILD_PAIR_STRING("digest", node->digest),
			SD_JSON_BUILD_PAIR_STRING("boot", node->boot),
			SD_JSON_BUILD_PAIR_VARIANT("status", inner));
	return r < 0 ? kho_fail_errno(err, r, "record of a machine") : kho_json_format(v, ret, err);
}

/* ---- slots ---- */

int kho_slot_parse(const char *text, size_t size, struct kho_node *ret, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *object = NULL;
	char rollout[KHO_FLEET_ID] = "";
	uint64_t since_ms = 0, deadline_ms = UINT64_MAX, lost_ms = UINT64_MAX;
	int r = kho_json_parse(text, size, &object, err);

	if (r >= 0)
		r = check_schema(object, err);
	if (r >= 0)
		r = TEXT(object, "rollout", rollout);
	if (r >= 0)
		r = kho_json_number(object, KHO_MAY("since_ms"), &since_ms, err);
	if (r >= 0)
		r = kho_json_number(object, KHO_NEED("deadline_ms"), &deadline_ms, err);
	if (r >= 0)
		r = kho_json_number(object, KHO_NEED("lost_ms"), &lost_ms, err);
	if (r < 0)
		return kho_wrap(err, r, "slot");
	ret->has_slot = true;
	memcpy(ret->slot_rollout, rollout, sizeof(ret->slot_rollout));
	ret->slot_since_ms = since_ms;
	ret->slot_deadline_ms = deadline_ms;
	ret->slot_lost_ms = lost_ms;
	return 0;
}

int kho_slot_format(const struct kho_node *node, char **ret, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	int r = sd_json_buildo(&v, SD_JSON_BUILD_PAIR_UNSIGNED("schema", NODE_SCHEMA),
			       SD_JSON_BUILD_PAIR_STRING("rollout", node->slot_rollout),
			       SD_JSON_BUILD_PAIR_UNSIGNED("since_ms", node->slot_since_ms),
			       SD_JSON_BUILD_PAIR_UNSIGNED("deadline_ms", node->slot_deadline_ms),
			       SD_JSON_BUILD_PAIR_UNSIGNED("lost_ms", node->slot_lost_ms));

	return r < 0 ? kho_fail_errno(err, r, "slot") : kho_json_format(v, ret, err);
}

/* ---- semaphores ---- */

bool kho_semaphore_has(const struct kho_semaphore *semaphore, const char *id)
{
	for (unsigned int i = 0; i < semaphore->nr; i++)
		if (strcmp(semaphore->holders[i], id) == 0)
			return true;
	return false;
}

int kho_semaphore_add(struct kho_semaphore *semaphore, const char *id, struct kho_err *err)
{
	unsigned int i = semaphore->nr;

	if (kho_semaphore_has(semaphore, id))
		return 0;
	if (i == KHO_HOLDERS_MAX || strlen(id) >= KHO_FLEET_ID)
		return kho_fail(err, -ENOSPC, "more than %u holders of slots, or too long a name",
				KHO_HOLDERS_MAX);
	for (; i && strcmp(semaphore->holders[i - 1], id) > 0; i--)
		memcpy(semaphore->holders[i], semaphore->holders[i - 1], KHO_FLEET_ID);
	memset(semaphore->holders[i], 0, KHO_FLEET_ID);
	memcpy(semaphore->holders[i], id, strlen(id));
	semaphore->nr++;
	return 0;
}

void kho_semaphore_remove(struct kho_semaphore *semaphore, const char *id)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < semaphore->nr; i++)
		if (strcmp(semaphore->holders[i], id) != 0)
			memmove(semaphore->holders[kept++], semaphore->holders[i], KHO_FLEET_ID);
	semaphore->nr = kept;
}

static int parse_holders(sd_json_variant *list, struct kho_semaphore *semaphore, struct kho_err *err)
{
	size_t nr = list ? sd_json_variant_elements(list) : 0;
	int r = 0;

	semaphore->nr = 0;
	for (size_t i = 0; i < nr && r >= 0; i++) {
		sd_json_variant *item = sd_json_variant_by_index(list, i);

		r = sd_json_variant_is_string(item) ?
			kho_semaphore_add(semaphore, sd_json_variant_string(item), err) :
			kho_fail(err, -EINVAL, "a holder isn't a text");
	}
	return r;
}

int kho_semaphore_parse(const char *text, size_t size, struct kho_semaphore *ret,
			struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *object = NULL;
	sd_json_variant *list = NULL;
	int r = kho_json_parse(text, size, &object, err);

	if (r >= 0)
		r = kho_json_number(object, KHO_NEED("total_slots"), &ret->total, err);
	if (r >= 0)
		r = kho_json_array(object, KHO_MAY("holders"), &list, err);
	if (r >= 0)
		r = parse_holders(list, ret, err);
	return r < 0 ? kho_wrap(err, r, "semaphore") : 0;
}

int kho_semaphore_format(const struct kho_semaphore *semaphore, char **ret, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *v = NULL, *list = NULL;
	int r = sd_json_variant_new_array(&list, NULL, 0);

	for (unsigned int i = 0; i < semaphore->nr && r >= 0; i++) {
		_cleanup_variant_ sd_json_variant *name = NULL;

		r = sd_json_variant_new_string(&name, semaphore->holders[i]);
		if (r >= 0)
			r = sd_json_variant_append_array(&list, name);
	}
	if (r >= 0)
		r = sd_json_buildo(&v, SD_JSON_BUILD_PAIR_UNSIGNED("total_slots", semaphore->total),
				   SD_JSON_BUILD_PAIR_VARIANT("holders", list));
	return r < 0 ? kho_fail_errno(err, r, "semaphore") : kho_json_format(v, ret, err);
}
