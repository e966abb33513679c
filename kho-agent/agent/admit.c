// SPDX-License-Identifier: GPL-2.0-only
/* Admitting target images; admit.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/admit.h"
#include "base/cleanup.h"
#include "migrate/workload/config.h"

#define NOTE	KHO_RUN_DIR "/attempt"

static void free_keyring(struct kho_keyring **keyring)
{
	kho_keyring_free(*keyring);
}

/* ---- refusing ---- */

static void set_time(struct kho_refused *note)
{
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(note->time, sizeof(note->time), "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* The failure is told in any case; that it isn't remembered, too. */
static void refuse(struct kho_agent *agent, struct kho_refused *note, const struct kho_err *why)
{
	char digest[KHO_SHA256_TEXT];
	struct kho_err err;

	set_time(note);
	snprintf(note->reason, sizeof(note->reason), "%.*s", (int)sizeof(note->reason) - 1,
		 why->msg);
	kho_sha256_format(note->digest, digest);
	if (kho_refused_add(KHO_REFUSED_DIR, note, &err) < 0)
		kho_agent_progress(agent, "%s (%.12s) isn't refused from now on: %s", note->name,
				   digest, err.msg);
	else
		kho_agent_tell(agent, KHO_MESSAGE_IMAGE_REFUSED, NULL, "%s is refused from now on, "
			       "until khoctl image clear %.*s", note->name, KHO_REFUSED_PREFIX,
			       digest);
}

static struct kho_refused note_of(const struct kho_build *build, enum kho_refused_cause cause)
{
	struct kho_refused note = { .cause = cause };

	memcpy(note.digest, build->digest, sizeof(note.digest));
	snprintf(note.name, sizeof(note.name), "%s", build->name);
	snprintf(note.release, sizeof(note.release), "%s", build->release);
	return note;
}

static int check_refused(struct kho_agent *agent, const struct kho_build *build,
			 struct kho_err *err)
{
	char digest[KHO_SHA256_TEXT];
	struct kho_refused note;
	int r = kho_refused_find(KHO_REFUSED_DIR, build->digest, &note, err);

	if (r <= 0)
		return r;
	if (build->request->force) {
		kho_agent_progress(agent, "refused before, and forced now: %s", note.reason);
		return 0;
	}
	kho_sha256_format(note.digest, digest);
	return kho_fail(err, -EKEYREVOKED, "%s was refused before (%s%s%s): %.240s; khoctl image "
			"clear %.*s forgets that, khoctl spawn --force tries it once more",
			build->name, kho_refused_cause_name(note.cause), *note.time ? ", " : "",
			note.time, note.reason, KHO_REFUSED_PREFIX, digest);
}

/* ---- signatures ---- */

static void tell_signer(struct kho_agent *agent, const struct kho_signature *signature)
{
	kho_agent_progress(agent, "the kernel is signed by \"%s\"%s%s", signature->signer,
			   *signature->expired ? ", whose certificate has expired on " : "",
			   signature->expired);
}

static int check_signature(struct kho_agent *agent, const struct kho_build *build,
			   const struct kho_config *config, struct kho_err *err)
{
	_cleanup_(free_keyring) struct kho_keyring *keyring = NULL;
	bool enforce = config->signatures == KHO_SIGNATURES_ENFORCE;
	struct kho_signature signature;
	struct kho_refused note;
	int r;

	if (config->signatures == KHO_SIGNATURES_OFF)
		return 0;
	r = kho_keyring_load(config->keyring, &keyring, err);
	if (r < 0 && enforce)
		return kho_wrap(err, -EKEYREJECTED, "Signatures=enforce");
	if (r >= 0)
		r = kho_signature_check(build->kernel, build->kernel_size, keyring, &signature, err);
	if (r >= 0) {
		tell_signer(agent, &signature);
		return 0;
	}
	if (!enforce) {
		kho_agent_progress(agent, "the kernel is taken in spite of this (Signatures=warn): %s",
				   err->msg);
		return 0;
	}
	/* without any certificate, or memory, it's not the image */
	if (r != -ENOMEM && kho_keyring_nr(keyring)) {
		note = note_of(build, KHO_REFUSED_SIGNATURE);
		refuse(agent, &note, err);
	}
	return kho_wrap(err, -EKEYREJECTED, "target image %s is refused (Signatures=enforce), its "
			"kernel", build->name);
}

/* ---- the attempt ---- */

static int note_attempt(const struct kho_build *build, struct kho_err *err)
{
	const struct kho_spawn_request *request = build->request;
	struct kho_refused note = note_of(build, KHO_REFUSED_NO_HELLO);
	bool hurried = request->timeout_ms && request->timeout_ms < KHO_HELLO_TIMEOUT_MS;

	if ((request->cmdline && *request->cmdline) || hurried) {
		unlink(NOTE);
		return 0;
	}
	return kho_refused_write(NOTE, &note, err);
}

int kho_admit_check(struct kho_agent *agent, const struct kho_build *build, struct kho_err *err)
{
	_cleanup_free_ struct kho_config *config = NULL;
	int r = kho_config_load(&config, err);

	if (r >= 0)
		r = check_refused(agent, build, err);
	return r < 0 ? r : check_signature(agent, build, config, err);
}

int kho_admit(struct kho_agent *agent, const struct kho_build *build, struct kho_err *err)
{
	int r = kho_admit_check(agent, build, err);

	return r < 0 ? r : note_attempt(build, err);
}

void kho_admit_up(struct kho_agent *agent)
{
	struct kho_refused note;
	struct kho_err err;

	if (kho_refused_read(NOTE, &note, &err) < 0)
		return;
	note.cause = KHO_REFUSED_PANICKED;
	if (kho_refused_write(NOTE, &note, &err) < 0)
		kho_agent_progress(agent, "%s", err.msg);
}

void kho_admit_failed(struct kho_agent *agent, enum kho_refused_cause cause,
		      const struct kho_err *why)
{
	struct kho_refused note;
	struct kho_err err;

	if (kho_refused_read(NOTE, &note, &err) < 0 ||
	    (cause == KHO_REFUSED_NO_HELLO && note.cause != KHO_REFUSED_NO_HELLO))
		return;
	unlink(NOTE);
	note.cause = cause;
	refuse(agent, &note, why);
}
