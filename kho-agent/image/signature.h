/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who signed a kernel's file: checks the signatures that pe.h finds against a keyring.
 *
 *	PKCS#7 signed data --- signer, by its certificate --- ... --- one of the keyring
 *	  content: SpcIndirectDataContent
 *	    digest of the file  == kho_pe_digest()
 *
 * All cryptography is libcrypto's. One good signature is enough, whatever the others are.
 * A signature counts if
 *   - it's over Authenticode's SpcPeImageData with a SHA-256 digest, and that's the file's;
 *   - it has one signer, with signed attributes under SHA-2, and is right by the signer's
 *     certificate;
 *   - that certificate is in the keyring, or a chain of those in the signature leads to one
 *     in it, with keys of 112 bits of security or more;
 *   - the certificate is for signing code, if it says what it's for.
 *
 * Validity dates don't count, as they don't for firmware and shim: a kernel that could be
 * booted yesterday can be today, there's no trusted time stamp in these signatures, and
 * clocks are wrong on machines that are being repaired. Who isn't trusted any more is
 * taken out of the keyring. That a certificate has expired is told.
 */
#ifndef KHO_IMAGE_SIGNATURE_H
#define KHO_IMAGE_SIGNATURE_H

#include <stddef.h>

#include "base/err.h"
#include "image/keyring.h"

#define KHO_SIGNATURES_MAX	16		/* looked at in one file */
#define KHO_SIGNATURE_MAX	(64u << 10)	/* bytes of one */

/* Signatures= of the configuration. */
enum kho_signatures {
	KHO_SIGNATURES_WARN = 0,	/* say what's wrong, and go on */
	KHO_SIGNATURES_OFF,		/* don't look */
	KHO_SIGNATURES_ENFORCE,		/* refuse what isn't signed by one of the keyring */
};

struct kho_signature {
	char signer[96];	/* its common name, printable ASCII; "": not known */
	char expired[32];	/* since when its certificate is; "": it isn't */
};

/* 0, or -EINVAL: neither "off", "warn" nor "enforce". */
int kho_signatures_parse(const char *name, enum kho_signatures *ret);

/*
 * 0: a good one. Or else, of several signatures, what's wrong with the one that came furthest:
 *   -ENODATA       it isn't signed
 *   -ENOKEY        signed, by nobody whose certificate is in the keyring
 *   -EKEYREJECTED  the signature isn't this file's, or isn't right
 *   -EBADMSG       a signature, or the PE header, is damaged
 *   -ENOEXEC       not a file that can be signed
 *   -ENOMEM
 * @ret is filled in each case, the signer as far as it's known: unless 0 is returned, it's
 * who the signature says, unproven.
 */
int kho_signature_check(const void *data, size_t size, const struct kho_keyring *keyring,
			struct kho_signature *ret, struct kho_err *err);

#endif
