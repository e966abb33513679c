/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the signatures of an EFI program are, and what they are over (Microsoft's "PE
 * Format" and "Windows Authenticode Portable Executable Signature Format"). A kernel
 * with an EFI stub is such a program.
 *
 *	0            checksum  table's entry                  table         size
 *	+------------+#########+------------+#################+-------------+
 *	| covered    | 4 bytes | covered    | 8 b. | covered  | signatures  |
 *	+------------+---------+------------+------+----------+-------------+
 *
 * Every byte but those of the checksum, of the table's entry in the data directory and of
 * the table itself goes into the digest, in the file's order. That is Authenticode's digest
 * of a file whose sections lie behind the header without gap or overlap, as all kernels'
 * do. For others Authenticode leaves bytes out; here such a file's digest is simply another
 * one than what was signed, so that no byte that could be loaded is ever uncovered.
 *
 * Pure: no I/O, no allocation, hostile bytes. Nothing of a signature is looked into here;
 * signature.h does that.
 */
#ifndef KHO_IMAGE_PE_H
#define KHO_IMAGE_PE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/sha256.h"

struct kho_pe {
	const uint8_t *data;		/* the caller's; must outlive this */
	size_t size;
	/* offsets in bytes, in this order and within the file */
	size_t checksum;
	size_t table_entry;
	size_t table;			/* @size: there's no signature */
};

struct kho_pe_signature {
	const uint8_t *data;		/* within the file: DER, and up to 7 bytes behind it */
	size_t size;
};

/*
 *   -ENOEXEC  not an EFI program for a 64-bit machine: it can't be signed
 *   -EBADMSG  an offset or a size lies outside the file, or the table isn't at its end
 */
int kho_pe_parse(const void *data, size_t size, struct kho_pe *ret, struct kho_err *err);

/* SHA-256 of what is covered. Errors of kho_sha256_new(); -EIO. */
int kho_pe_digest(const struct kho_pe *pe, uint8_t ret[KHO_SHA256_SIZE], struct kho_err *err);

/*
 * Goes through the table: *@at is 0 at first and changed by each call.
 *   1         *@ret is the next signature
 *   0         there's none left
 *   -EBADMSG  an entry is damaged, or of another kind than PKCS#7
 */
int kho_pe_next(const struct kho_pe *pe, size_t *at, struct kho_pe_signature *ret,
		struct kho_err *err);

#endif
