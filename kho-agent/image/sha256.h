/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SHA-256 through OpenSSL's libcrypto, which uses the CPU's instructions where
 * there are any. Digests are 32 bytes; as text, 64 lower-case digits.
 */
#ifndef KHO_IMAGE_SHA256_H
#define KHO_IMAGE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define KHO_SHA256_SIZE	32
#define KHO_SHA256_TEXT	65	/* digits and the terminator */

/* Of data that comes in pieces. */
struct kho_sha256;

/* -ENOMEM, or -EOPNOTSUPP where libcrypto is configured without SHA-256. */
int kho_sha256_new(struct kho_sha256 **ret, struct kho_err *err);
int kho_sha256_add(struct kho_sha256 *hash, const void *data, size_t size);
int kho_sha256_final(struct kho_sha256 *hash, uint8_t ret[KHO_SHA256_SIZE]);
void kho_sha256_free(struct kho_sha256 *hash);

int kho_sha256(const void *data, size_t size, uint8_t ret[KHO_SHA256_SIZE], struct kho_err *err);

void kho_sha256_format(const uint8_t digest[KHO_SHA256_SIZE], char text[KHO_SHA256_TEXT]);

/* Exactly 64 lower-case digits at @text, whatever follows; -EINVAL. */
int kho_sha256_parse(const char *text, uint8_t ret[KHO_SHA256_SIZE]);

#endif
