// SPDX-License-Identifier: GPL-2.0-only
/*
 * EFI programs of arbitrary bytes. What is found lies within the file and in order, no
 * signature covers another, and nothing is signed by anybody of an empty keyring.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/pe.h"
#include "image/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check_signatures(const struct kho_pe *pe)
{
	const uint8_t *last = pe->data + pe->table;
	struct kho_pe_signature signature;
	struct kho_err err = {};
	size_t at = 0;
	int r;

	while ((r = kho_pe_next(pe, &at, &signature, &err)) > 0) {
		require(signature.size > 0 && signature.data >= last + 8);
		require(signature.data + signature.size <= pe->data + pe->size);
		last = signature.data + signature.size;
	}
	require(r == 0 || (r == -EBADMSG && err.msg[0]));
}

static void check_pe(const uint8_t *data, size_t size)
{
	uint8_t digest[KHO_SHA256_SIZE];
	struct kho_err err = {};
	struct kho_pe pe;
	int r = kho_pe_parse(data, size, &pe, &err);

	if (r < 0) {
		require(err.code == r && err.msg[0]);
		return;
	}
	require(pe.data == data && pe.size == size);
	require(pe.checksum + 4 <= pe.table_entry && pe.table_entry + 8 <= pe.table);
	require(pe.table <= size);
	require(kho_pe_digest(&pe, digest, &err) == 0);
	check_signatures(&pe);
}

static void require_text(const char *text, size_t size)
{
	require(memchr(text, '\0', size) != NULL);
	for (; *text; text++)
		require(*text >= ' ' && *text <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct kho_keyring *keyring;
	struct kho_signature signature;
	struct kho_err err = {};
	int r;

	if (!keyring)
		require(kho_keyring_load("/nonexistent", &keyring, NULL) == 0);
	check_pe(data, size);
	r = kho_signature_check(data, size, keyring, &signature, &err);
	require(r < 0 && err.code == r && err.msg[0]);
	require_text(signature.signer, sizeof(signature.signer));
	require_text(signature.expired, sizeof(signature.expired));
	return 0;
}
