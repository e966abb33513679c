// SPDX-License-Identifier: GPL-2.0-only
/* Findings about target images; check_images.h has the contract. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/check_images.h"
#include "base/cleanup.h"
#include "image/build.h"
#include "image/look.h"

struct looking {
	const struct kho_config *config;
	struct kho_keyring *keyring;
	struct kho_findings *findings;
};

/* A message is "cause; remedy". */
static void found(struct looking *looking, enum kho_finding_kind kind, const char *where,
		  const char *message)
{
	struct kho_findings *findings = looking->findings;
	unsigned int nr = findings->nr;
	const char *remedy = strstr(message, "; "), *next;

	while (remedy && (next = strstr(remedy + 2, "; ")))
		remedy = next;
	kho_found(findings, kind, 0, where, "%.*s",
		  remedy ? (int)(remedy - message) : (int)strlen(message), message);
	if (remedy && findings->nr > nr)
		snprintf(findings->list[nr].remedy, sizeof(findings->list[nr].remedy), "%s",
			 remedy + 2);
}

static int look_at(void *ctx, const char *path, struct kho_err *err)
{
	struct looking *looking = ctx;
	struct kho_image_look look;
	struct kho_err problem;

	(void)err;
	if (kho_image_look(path, looking->keyring, KHO_REFUSED_DIR, &look, &problem) < 0) {
		found(looking, KHO_FINDING_IMAGE, strrchr(path, '/') + 1, problem.msg);
		return 0;
	}
	if (look.is_refused)
		kho_found(looking->findings, KHO_FINDING_IMAGE_REFUSED, 0,
			  kho_image_look_folder(&look),
			  "%.*s was refused before: %s", KHO_REFUSED_PREFIX, look.digest,
			  look.refused.reason);
	if (looking->config->signatures != KHO_SIGNATURES_OFF && look.signed_well.code)
		found(looking, KHO_FINDING_IMAGE_SIGNATURE, kho_image_look_folder(&look),
		      look.signed_well.msg);
	return 0;
}

void kho_check_images(const struct kho_config *config, struct kho_findings *ret)
{
	struct looking looking = { .config = config, .findings = ret };
	struct kho_err err;

	if (kho_keyring_load(config->keyring, &looking.keyring, &err) < 0)
		found(&looking, KHO_FINDING_IMAGE_SIGNATURE, "keyring", err.msg);
	else if (kho_image_each(KHO_IMAGE_DIR, look_at, &looking, &err) < 0)
		found(&looking, KHO_FINDING_IMAGE, "", err.msg);
	kho_keyring_free(looking.keyring);
}
