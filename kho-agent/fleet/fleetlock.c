// SPDX-License-Identifier: GPL-2.0-only
/* FleetLock; fleetlock.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "fleet/fleetlock.h"
#include "fleet/labels.h"

#define ANSWER_MAX	65536u
#define URL		512

static int refused(const struct kho_web_answer *answer, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	char kind[64] = "unknown", value[200] = "no words";

	if (kho_json_parse(answer->body, answer->size, &v, NULL) >= 0) {
		kho_json_text(v, KHO_MAY("kind"), kind, sizeof(kind), NULL);
		kho_json_text(v, KHO_MAY("value"), value, sizeof(value), NULL);
	}
	return kho_fail(err, -EBUSY, "the FleetLock server answers %ld (%s): %s", answer->status, kind,
			value);
}

static int ask(struct kho_web *http, const struct kho_fleetlock *lock, const char *path,
	       struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *inner = NULL, *v = NULL;
	_cleanup_free_ char *body = NULL;
	struct kho_web_answer answer = {};
	char url[URL];
	struct kho_web_request request = { .url = url, .headers = { "fleet-lock-protocol: true" },
					    .timeout_ms = lock->timeout_ms, .max = ANSWER_MAX };
	int r = kho_name_check("group", lock->group, 64, err);

	if (r < 0)
		return r;
	r = sd_json_buildo(&inner, SD_JSON_BUILD_PAIR_STRING("id", lock->id),
			   SD_JSON_BUILD_PAIR_STRING("group", lock->group));
	if (r >= 0)
		r = sd_json_buildo(&v, SD_JSON_BUILD_PAIR_VARIANT("client_params", inner));
	if (r < 0)
		return kho_fail_errno(err, r, "request to the FleetLock server");
	r = kho_json_format(v, &body, err);
	if (r < 0)
		return r;
	snprintf(url, sizeof(url), "%s/v1/%s", lock->url, path);
	request.body = body;
	r = kho_web_call(http, &request, &answer, err);
	if (r >= 0 && answer.status != 200)
		r = refused(&answer, err);
	free(answer.body);
	return r;
}

int kho_fleetlock_lock(struct kho_web *http, const struct kho_fleetlock *lock, struct kho_err *err)
{
	return ask(http, lock, "pre-reboot", err);
}

int kho_fleetlock_unlock(struct kho_web *http, const struct kho_fleetlock *lock,
			 struct kho_err *err)
{
	return ask(http, lock, "steady-state", err);
}
