// SPDX-License-Identifier: GPL-2.0-only
/* Findings about target images; check_images.h has the contract. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/check_images.h"
#include "agent/spawn.h"
#include "image/build.h"
#include "image/dir.h"
#include "image/look.h"

struct looking {
	const struct kho_check_images *check;
	struct kho_keyring *keyring;
	struct kho_findings *findings;
	uint64_t contiguous;
};

/* The look before has read the same manifest: what's wrong with it is told already. */
static void look_at_drivers(struct looking *looking, const char *path, const char *where)
{
	struct kho_image_dir dir = { .fd = -EBADF };

	struct kho_err err;
	bool native;

	if (kho_image_dir_open(path, &dir, NULL) < 0)
		return;
	if (kho_build_is_native(&dir.manifest, &native, &err) < 0)
		kho_found_message(looking->findings, KHO_FINDING_IMAGE, where, err.msg);
	kho_judge_drivers(&dir.manifest, looking->check->given, looking->check->nr_given, where,
			  looking->findings);
	kho_image_dir_done(&dir);
}

/* With Signatures=warn a spawn goes on in spite of it. */
static void add_signature(struct looking *looking, const char *where, const char *message)
{
	struct kho_findings *findings = looking->findings;
	unsigned int nr = findings->nr;

	kho_found_message(findings, KHO_FINDING_IMAGE_SIGNATURE, where, message);
	if (findings->nr > nr)
		findings->list[nr].warning = looking->check->config->signatures !=
					     KHO_SIGNATURES_ENFORCE;
}

static int look_at(void *ctx, const char *path, struct kho_err *err)
{
	struct looking *looking = ctx;
	struct kho_image_look look;
	struct kho_err problem;
	const char *folder;
	uint64_t contiguous;

	(void)err;
	if (kho_image_look(path, looking->keyring, KHO_REFUSED_DIR, &look, &problem) < 0) {
		folder = strrchr(path, '/');
		kho_found_message(looking->findings, KHO_FINDING_IMAGE, folder ? folder + 1 : path,
				  problem.msg);
		return 0;
	}
	folder = kho_image_look_folder(&look);
	contiguous = kho_build_contiguous(look.alignment, look.init_size);
	if (contiguous > looking->contiguous)
		looking->contiguous = contiguous;
	if (look.is_refused)
		kho_found(looking->findings, KHO_FINDING_IMAGE_REFUSED, 0, folder,
			  "%.*s was refused before: %s", KHO_REFUSED_PREFIX, look.digest,
			  look.refused.reason);
	if (looking->check->config->signatures != KHO_SIGNATURES_OFF && look.signed_well.code)
		add_signature(looking, folder, look.signed_well.msg);
	look_at_drivers(looking, path, folder);
	return 0;
}

void kho_check_images(const struct kho_check_images *check, struct kho_findings *ret,
		      uint64_t *ret_contiguous)
{
	struct looking looking = { .check = check, .findings = ret };
	struct kho_err err;
	int r = 0;

	if (kho_keyring_load(check->config->keyring, &looking.keyring, &err) < 0)
		add_signature(&looking, "keyring", err.msg);
	else if (check->only)
		look_at(&looking, check->only, &err);
	else
		r = kho_image_each(KHO_IMAGE_DIR, look_at, &looking, &err);
	if (r < 0)
		kho_found_message(ret, KHO_FINDING_IMAGE, "", err.msg);
	*ret_contiguous = looking.contiguous;
	kho_keyring_free(looking.keyring);
}
