// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl image list, inspect, clear: what target images there are, who signed their
 * kernels, which ones are refused and why. Needs no agent: all of it is in files.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/build.h"
#include "image/dir.h"
#include "image/look.h"
#include "khoctl/khoctl.h"
#include "migrate/workload/config.h"

struct listing {
	struct kho_keyring *keyring;
	bool off;			/* Signatures=off */
	sd_json_variant *images, *refused;
	char shown[KHO_IMAGE_FOLDERS][KHO_SHA256_TEXT];	/* digests of images that are there */
	size_t nr_shown;
};

static void listing_done(struct listing *listing)
{
	kho_keyring_free(listing->keyring);
	sd_json_variant_unref(listing->images);
	sd_json_variant_unref(listing->refused);
}

static int begin(struct listing *listing, struct kho_err *err)
{
	_cleanup_free_ struct kho_config *config = NULL;
	int r = kho_config_load(&config, err);

	if (r < 0)
		return r;
	listing->off = config->signatures == KHO_SIGNATURES_OFF;
	return kho_keyring_load(config->keyring, &listing->keyring, err);
}

/* ---- as JSON ---- */

static int refused_json(const struct kho_refused *refused, sd_json_variant **ret)
{
	char digest[KHO_SHA256_TEXT];

	kho_sha256_format(refused->digest, digest);
	return sd_json_buildo(
		ret, SD_JSON_BUILD_PAIR_STRING("digest", digest),
		SD_JSON_BUILD_PAIR_STRING("name", refused->name),
		SD_JSON_BUILD_PAIR_STRING("release", refused->release),
		SD_JSON_BUILD_PAIR_STRING("cause", kho_refused_cause_name(refused->cause)),
		SD_JSON_BUILD_PAIR_STRING("time", refused->time),
		SD_JSON_BUILD_PAIR_STRING("reason", refused->reason));
}

static int look_json(const struct listing *listing, const struct kho_image_look *look,
		     sd_json_variant **ret)
{
	_cleanup_variant_ sd_json_variant *refused = NULL;
	bool good = look->signed_well.code == 0;
	int r = look->is_refused ? refused_json(&look->refused, &refused) : 0;

	if (r < 0)
		return r;
	return sd_json_buildo(
		ret, SD_JSON_BUILD_PAIR_STRING("name", look->name),
		SD_JSON_BUILD_PAIR_STRING("path", look->path),
		SD_JSON_BUILD_PAIR_STRING("release", look->release),
		SD_JSON_BUILD_PAIR_STRING("created", look->created),
		SD_JSON_BUILD_PAIR_STRING("digest", look->digest),
		SD_JSON_BUILD_PAIR_STRING("signature", kho_image_look_verdict(look)),
		SD_JSON_BUILD_PAIR_BOOLEAN("checked", !listing->off),
		SD_JSON_BUILD_PAIR_CONDITION(!!*look->signature.signer, "signer",
					     SD_JSON_BUILD_STRING(look->signature.signer)),
		SD_JSON_BUILD_PAIR_CONDITION(!!*look->signature.expired, "expired",
					     SD_JSON_BUILD_STRING(look->signature.expired)),
		SD_JSON_BUILD_PAIR_CONDITION(!good, "message",
					     SD_JSON_BUILD_STRING(look->signed_well.msg)),
		SD_JSON_BUILD_PAIR_CONDITION(look->is_refused, "refused",
					     SD_JSON_BUILD_VARIANT(refused)));
}

/* ---- as text ---- */

static void print_refused(const struct kho_refused *refused)
{
	char digest[KHO_SHA256_TEXT];

	kho_sha256_format(refused->digest, digest);
	printf("  refused (%s%s%s): %s; khoctl image clear %.*s forgets that\n",
	       kho_refused_cause_name(refused->cause), *refused->time ? ", " : "", refused->time,
	       refused->reason, KHO_REFUSED_PREFIX, digest);
}

static void print_signature(const struct kho_image_look *look)
{
	const struct kho_signature *signature = &look->signature;

	if (look->signed_well.code == 0)
		printf("signed by \"%s\"%s%s", signature->signer,
		       *signature->expired ? ", whose certificate has expired on " : "",
		       signature->expired);
	else if (look->signed_well.code == -ENODATA || look->signed_well.code == -ENOEXEC)
		printf("not signed");
	else if (*signature->signer)
		printf("not signed by anyone known (\"%s\", it says)", signature->signer);
	else
		printf("not signed well");
}

static void print_look(const struct kho_image_look *look)
{
	printf("%s: kernel %s, digest %.*s, ", kho_image_look_folder(look), look->release,
	       KHO_REFUSED_PREFIX, look->digest);
	print_signature(look);
	puts("");
	if (look->is_refused)
		print_refused(&look->refused);
}

/* ---- list ---- */

static int append(sd_json_variant **list, sd_json_variant *item, struct kho_err *err)
{
	int r = sd_json_variant_append_array(list, item);

	sd_json_variant_unref(item);
	return r < 0 ? kho_fail_errno(err, r, "the list") : 0;
}

/* An image that can't be used is listed, too. */
static int list_broken(struct listing *listing, const char *path, const struct kho_err *why,
		       struct kho_err *err)
{
	sd_json_variant *v = NULL;
	int r;

	if (!arg_json) {
		printf("%s: can't be used: %s\n", path, why->msg);
		return 0;
	}
	r = sd_json_buildo(&v, SD_JSON_BUILD_PAIR_STRING("path", path),
			   SD_JSON_BUILD_PAIR_STRING("message", why->msg));
	return r < 0 ? kho_fail_errno(err, r, "the list") : append(&listing->images, v, err);
}

static int list_image(void *ctx, const char *path, struct kho_err *err)
{
	struct listing *listing = ctx;
	struct kho_image_look look;
	struct kho_err problem;
	sd_json_variant *v = NULL;
	int r = kho_image_look(path, listing->keyring, KHO_REFUSED_DIR, &look, &problem);

	if (r < 0)
		return list_broken(listing, path, &problem, err);
	if (look.is_refused)
		memcpy(listing->shown[listing->nr_shown++], look.digest, sizeof(look.digest));
	if (!arg_json) {
		print_look(&look);
		return 0;
	}
	r = look_json(listing, &look, &v);
	return r < 0 ? kho_fail_errno(err, r, "the list") : append(&listing->images, v, err);
}

static bool was_shown(const struct listing *listing, const struct kho_refused *refused)
{
	char digest[KHO_SHA256_TEXT];

	kho_sha256_format(refused->digest, digest);
	for (size_t i = 0; i < listing->nr_shown; i++)
		if (strcmp(listing->shown[i], digest) == 0)
			return true;
	return false;
}

/* In JSON all, as text those whose image is gone or elsewhere. */
static int list_refused(struct listing *listing, struct kho_err *err)
{
	_cleanup_free_ struct kho_refused *list = NULL;
	size_t nr = 0;
	int r = kho_refused_list(KHO_REFUSED_DIR, &list, &nr, err);

	for (size_t i = 0; i < nr && r >= 0; i++) {
		sd_json_variant *v = NULL;

		if (!arg_json) {
			if (was_shown(listing, &list[i]))
				continue;
			printf("%s: kernel %s, not in " KHO_IMAGE_DIR "\n",
			       *list[i].name ? list[i].name : "(no name)",
			       *list[i].release ? list[i].release : "(not known)");
			print_refused(&list[i]);
			continue;
		}
		r = refused_json(&list[i], &v);
		r = r < 0 ? kho_fail_errno(err, r, "the list") : append(&listing->refused, v, err);
	}
	return r;
}

static int print_lists(struct listing *listing, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	int r = sd_json_buildo(&v, SD_JSON_BUILD_PAIR_VARIANT("images", listing->images),
			       SD_JSON_BUILD_PAIR_VARIANT("refused", listing->refused));

	if (r < 0)
		return kho_fail_errno(err, r, "the list");
	kho_print_json(v);
	return 0;
}

int verb_image_list(int argc, char **argv)
{
	_cleanup_(listing_done) struct listing listing = {};
	struct kho_err err;
	int r;

	if (argc != 1)
		return kho_usage_error("image %s takes no argument", argv[0]);
	r = sd_json_variant_new_array(&listing.images, NULL, 0);
	if (r >= 0)
		r = sd_json_variant_new_array(&listing.refused, NULL, 0);
	r = r < 0 ? kho_fail_errno(&err, r, "the list") : begin(&listing, &err);
	if (r >= 0)
		r = kho_image_each(KHO_IMAGE_DIR, list_image, &listing, &err);
	if (r >= 0)
		r = list_refused(&listing, &err);
	if (r >= 0 && arg_json)
		r = print_lists(&listing, &err);
	return r < 0 ? kho_report(&err) : KHO_EXIT_OK;
}

/* ---- inspect ---- */

static int verify(const char *path, struct kho_err *err)
{
	struct kho_image_dir dir = { .fd = -EBADF };
	int r = kho_image_dir_open(path, &dir, err);

	if (r >= 0)
		r = kho_image_dir_verify(&dir, err);
	kho_image_dir_done(&dir);
	return r;
}

static int print_inspected(const struct listing *listing, const struct kho_image_look *look,
			   struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	int r;

	if (arg_json) {
		r = look_json(listing, look, &v);
		if (r < 0)
			return kho_fail_errno(err, r, "the image");
		kho_print_json(v);
		return 0;
	}
	print_look(look);
	printf("  made %s, all its files are what was built\n  digest %s\n", look->created,
	       look->digest);
	if (look->signed_well.code)
		printf("  vmlinuz: %s\n", look->signed_well.msg);
	if (listing->off)
		printf("  signatures aren't checked at a spawn (Signatures=off)\n");
	return 0;
}

int verb_image_inspect(int argc, char **argv)
{
	_cleanup_(listing_done) struct listing listing = {};
	struct kho_image_look look;
	struct kho_err err;
	int r;

	if (argc != 2)
		return kho_usage_error("image %s takes a folder", argv[0]);
	r = verify(argv[1], &err);
	if (r >= 0)
		r = begin(&listing, &err);
	if (r >= 0)
		r = kho_image_look(argv[1], listing.keyring, KHO_REFUSED_DIR, &look, &err);
	if (r >= 0)
		r = print_inspected(&listing, &look, &err);
	return r < 0 ? kho_report(&err) : KHO_EXIT_OK;
}

/* ---- clear ---- */

int verb_image_clear(int argc, char **argv)
{
	struct kho_err err;
	int r;

	if (argc != 2)
		return kho_usage_error("image %s takes a digest", argv[0]);
	r = kho_refused_clear(KHO_REFUSED_DIR, argv[1], &err);
	return r < 0 ? kho_report(&err) : kho_done();
}
