// SPDX-License-Identifier: GPL-2.0-only
/* SHA-256 over libcrypto's EVP interface; sha256.h has the contract. */
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/sha256.h"

struct kho_sha256 {
	EVP_MD_CTX *ctx;
};

static void free_hash(struct kho_sha256 **hash)
{
	kho_sha256_free(*hash);
}

int kho_sha256_new(struct kho_sha256 **ret, struct kho_err *err)
{
	_cleanup_(free_hash) struct kho_sha256 *hash = calloc(1, sizeof(*hash));

	if (hash)
		hash->ctx = EVP_MD_CTX_new();
	if (!hash || !hash->ctx)
		return kho_fail(err, -ENOMEM, "SHA-256: out of memory; free some and try again");
	if (EVP_DigestInit_ex(hash->ctx, EVP_sha256(), NULL) != 1)
		return kho_fail(err, -EOPNOTSUPP, "libcrypto refuses SHA-256; "
				"allow it in the configuration of OpenSSL");
	*ret = TAKE_PTR(hash);
	return 0;
}

int kho_sha256_add(struct kho_sha256 *hash, const void *data, size_t size)
{
	return EVP_DigestUpdate(hash->ctx, data, size) == 1 ? 0 : -EIO;
}

int kho_sha256_final(struct kho_sha256 *hash, uint8_t ret[KHO_SHA256_SIZE])
{
	return EVP_DigestFinal_ex(hash->ctx, ret, NULL) == 1 ? 0 : -EIO;
}

void kho_sha256_free(struct kho_sha256 *hash)
{
	if (!hash)
		return;
	EVP_MD_CTX_free(hash->ctx);
	free(hash);
}

int kho_sha256(const void *data, size_t size, uint8_t ret[KHO_SHA256_SIZE], struct kho_err *err)
{
	_cleanup_(free_hash) struct kho_sha256 *hash = NULL;
	int r;

	r = kho_sha256_new(&hash, err);
	if (r < 0)
		return r;
	if (kho_sha256_add(hash, data, size) < 0 || kho_sha256_final(hash, ret) < 0)
		return kho_fail(err, -EIO, "libcrypto could not compute SHA-256; "
				"check its installation");
	return 0;
}

void kho_sha256_format(const uint8_t digest[KHO_SHA256_SIZE], char text[KHO_SHA256_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < KHO_SHA256_SIZE; i++) {
		text[2 * i] = digits[digest[i] >> 4];
		text[2 * i + 1] = digits[digest[i] & 15];
	}
	text[KHO_SHA256_TEXT - 1] = '\0';
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int kho_sha256_parse(const char *text, uint8_t ret[KHO_SHA256_SIZE])
{
	uint8_t digest[KHO_SHA256_SIZE];
	size_t i;

	for (i = 0; i < KHO_SHA256_SIZE; i++) {
		int high = digit(text[2 * i]);
		int low = high < 0 ? -1 : digit(text[2 * i + 1]);

		if (low < 0)
			return -EINVAL;
		digest[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret, digest, sizeof(digest));
	return 0;
}
