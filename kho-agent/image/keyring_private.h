/* SPDX-License-Identifier: GPL-2.0-only */
/* A keyring as libcrypto sees it, for keyring.c and signature.c. */
#ifndef KHO_IMAGE_KEYRING_PRIVATE_H
#define KHO_IMAGE_KEYRING_PRIVATE_H

#include <openssl/x509.h>

struct kho_keyring {
	char *path;
	STACK_OF(X509) *certs;		/* owned, with what's in it */
};

#endif
