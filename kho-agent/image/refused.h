/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Target images that aren't tried again until an operator says so. One small file each,
 * /var/lib/kho-agent/refused/DIGEST, where DIGEST is that of the image's manifest:
 *
 *	[Refused]
 *	Digest=<SHA-256>
 *	Cause=no-hello
 *	Time=2026-11-26T01:20:00Z
 *	Name=next
 *	Release=7.3.4+deb13-cloud-amd64
 *	Reason=the new kernel's agent did not say hello in time
 *
 * That the file is there is what refuses: one that can't be read or understood refuses as
 * well, so damage never lets an image pass. Texts are made printable when they're read and
 * when they're written. Of KHO_REFUSED_MAX files the oldest goes when another one comes.
 *
 * What happens to an image's files says nothing about the image that they were: if they
 * don't fit the manifest, no digest is refused.
 */
#ifndef KHO_IMAGE_REFUSED_H
#define KHO_IMAGE_REFUSED_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/manifest.h"

#define KHO_REFUSED_DIR		"/var/lib/kho-agent/refused"
#define KHO_REFUSED_MAX		64		/* files */
#define KHO_REFUSED_FILE_MAX	4096		/* bytes */
#define KHO_REFUSED_PREFIX	12		/* digits that are shown, and are enough */

enum kho_refused_cause {
	KHO_REFUSED_UNKNOWN = 0,	/* the note can't be read */
	KHO_REFUSED_SIGNATURE,
	KHO_REFUSED_NO_HELLO,		/* its kernel started, and its agent never said hello */
	KHO_REFUSED_PANICKED,
	_KHO_REFUSED_MAX,
};

struct kho_refused {
	uint8_t digest[KHO_SHA256_SIZE];
	enum kho_refused_cause cause;
	char time[32];			/* UTC, as above */
	char name[KHO_IMAGE_NAME_MAX];	/* of the image */
	char release[KHO_RELEASE_MAX];
	char reason[288];		/* cause in words */
};

/* "signature", "no-hello", "panicked", "unknown" */
const char *kho_refused_cause_name(enum kho_refused_cause cause);

/* Of a note's text, which is changed. -EINVAL: not a note. */
int kho_refused_parse(char *text, struct kho_refused *ret, struct kho_err *err);

/* One note as a file, whatever its name. -EINVAL, -EFBIG, -ELOOP: not a note. */
int kho_refused_read(const char *path, struct kho_refused *ret, struct kho_err *err);
int kho_refused_write(const char *path, const struct kho_refused *refused, struct kho_err *err);

/* Adds or replaces a note in @folder, which is made if it isn't there; synced. */
int kho_refused_add(const char *folder, const struct kho_refused *refused, struct kho_err *err);

/* 1: it's refused, *@ret says why; 0: it isn't. Or what stat(2) says of the folder. */
int kho_refused_find(const char *folder, const uint8_t digest[KHO_SHA256_SIZE],
		     struct kho_refused *ret, struct kho_err *err);

/* All of them, oldest first; *@ret is to be freed by free(). A missing folder has none. */
int kho_refused_list(const char *folder, struct kho_refused **ret, size_t *ret_nr,
		     struct kho_err *err);

/*
 * Forgets the one whose digest begins with @prefix, at least 8 digits.
 *   -EINVAL   no such prefix
 *   -ENOENT   there's none
 *   -ENOTUNIQ there are several
 */
int kho_refused_clear(const char *folder, const char *prefix, struct kho_err *err);

#endif
