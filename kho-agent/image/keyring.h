/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The certificates that signatures of kernels are checked against: all files of a folder
 * whose names end in .pem, .crt, .cer or .der, each with one certificate in DER or with
 * any number in PEM. Whoever is in there is trusted with every kernel: a certificate
 * authority or a signer alone.
 */
#ifndef KHO_IMAGE_KEYRING_H
#define KHO_IMAGE_KEYRING_H

#include "base/err.h"

#define KHO_KEYRING		"/etc/kho-agent/keys"	/* by default */
#define KHO_KEYRING_FILE_MAX	(64u << 10)		/* bytes */
#define KHO_KEYRING_CERTS	256			/* at most */

struct kho_keyring;

/*
 * A folder that isn't there is an empty keyring.
 *   -EPERM   others may write to it, or to a file in it
 *   -EINVAL  a file holds no certificate; it's named
 *   -E2BIG   more than KHO_KEYRING_CERTS
 * *@ret is to be freed by kho_keyring_free(), which takes NULL.
 */
int kho_keyring_load(const char *path, struct kho_keyring **ret, struct kho_err *err);
void kho_keyring_free(struct kho_keyring *keyring);

/* How many certificates there are. */
unsigned int kho_keyring_nr(const struct kho_keyring *keyring);

#endif
