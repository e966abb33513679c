// SPDX-License-Identifier: GPL-2.0-only
/* Signatures of EFI programs, and their digest; pe.h has the layout. */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "image/pe.h"

#define PE_POINTER		0x3cu
#define PE_SIGNATURE		"PE\0"		/* and the terminator: four bytes */
#define COFF_SIZE		24u		/* with the signature */
#define COFF_OPTIONAL_SIZE	20u
#define OPTIONAL_MAGIC		0x20bu		/* PE32+ */
#define OPTIONAL_CHECKSUM	64u
#define OPTIONAL_NR_ENTRIES	108u
#define OPTIONAL_ENTRIES	112u
#define ENTRY_SIZE		8u
#define ENTRY_CERTIFICATES	4u		/* in the data directory */
#define OPTIONAL_MIN		(OPTIONAL_ENTRIES + (ENTRY_CERTIFICATES + 1) * ENTRY_SIZE)
#define CERT_HEADER		8u
#define CERT_REVISION		0x200u
#define CERT_PKCS7		2u

#define INSTALL_AGAIN "the file is damaged; install the kernel package again"

static uint16_t read_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t read_u32(const uint8_t *p)
{
	return read_u16(p) | (uint32_t)read_u16(p + 2) << 16;
}

static int not_signable(struct kho_err *err, const char *what)
{
	return kho_fail(err, -ENOEXEC, "not an EFI program that can be signed (%s); take a kernel "
			"built with CONFIG_EFI_STUB", what);
}

/* The optional header's offset. */
static int find_optional(const uint8_t *data, size_t size, size_t *ret, struct kho_err *err)
{
	size_t pe, optional_size;

	if (size < PE_POINTER + 4 || memcmp(data, "MZ", 2))
		return not_signable(err, "no MZ");
	pe = read_u32(data + PE_POINTER);
	if (!kho_within(pe, COFF_SIZE, size) || memcmp(data + pe, PE_SIGNATURE, 4))
		return not_signable(err, "no PE header");
	optional_size = read_u16(data + pe + COFF_OPTIONAL_SIZE);
	if (!kho_within(pe + COFF_SIZE, optional_size, size))
		return kho_fail(err, -EBADMSG, "its PE header ends behind the file: " INSTALL_AGAIN);
	if (optional_size < OPTIONAL_MIN || read_u16(data + pe + COFF_SIZE) != OPTIONAL_MAGIC ||
	    read_u32(data + pe + COFF_SIZE + OPTIONAL_NR_ENTRIES) <= ENTRY_CERTIFICATES)
		return not_signable(err, "no PE32+ header with room for signatures");
	*ret = pe + COFF_SIZE;
	return 0;
}

/* It has to be the file's end: so nothing behind it is left uncovered. */
static int find_table(struct kho_pe *pe, struct kho_err *err)
{
	size_t table = read_u32(pe->data + pe->table_entry);
	size_t size = read_u32(pe->data + pe->table_entry + 4);

	pe->table = pe->size;
	if (!table && !size)
		return 0;
	if (!kho_within(table, size, pe->size) || table < pe->table_entry + ENTRY_SIZE)
		return kho_fail(err, -EBADMSG, "its signatures (%zu bytes at 0x%zx) lie outside of "
				"the file's %zu bytes: " INSTALL_AGAIN, size, table, pe->size);
	if (size < CERT_HEADER || table + size != pe->size)
		return kho_fail(err, -EBADMSG, "its signatures (%zu bytes at 0x%zx) don't end where "
				"the file does: " INSTALL_AGAIN, size, table);
	pe->table = table;
	return 0;
}

int kho_pe_parse(const void *data, size_t size, struct kho_pe *ret, struct kho_err *err)
{
	struct kho_pe pe = { .data = data, .size = size };
	size_t optional = 0;
	int r = find_optional(data, size, &optional, err);

	if (r < 0)
		return r;
	pe.checksum = optional + OPTIONAL_CHECKSUM;
	pe.table_entry = optional + OPTIONAL_ENTRIES + ENTRY_CERTIFICATES * ENTRY_SIZE;
	r = find_table(&pe, err);
	if (r >= 0)
		*ret = pe;
	return r;
}

static void free_hash(struct kho_sha256 **hash)
{
	kho_sha256_free(*hash);
}

int kho_pe_digest(const struct kho_pe *pe, uint8_t ret[KHO_SHA256_SIZE], struct kho_err *err)
{
	const size_t ends[3][2] = {
		{ 0, pe->checksum },
		{ pe->checksum + 4, pe->table_entry },
		{ pe->table_entry + ENTRY_SIZE, pe->table },
	};
	_cleanup_(free_hash) struct kho_sha256 *hash = NULL;
	int r = kho_sha256_new(&hash, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < KHO_ARRAY_SIZE(ends) && r >= 0; i++)
		r = kho_sha256_add(hash, pe->data + ends[i][0], ends[i][1] - ends[i][0]);
	if (r >= 0)
		r = kho_sha256_final(hash, ret);
	return r < 0 ? kho_fail(err, r, "libcrypto could not compute SHA-256; check its "
				"installation") : 0;
}

int kho_pe_next(const struct kho_pe *pe, size_t *at, struct kho_pe_signature *ret,
		struct kho_err *err)
{
	size_t offset = *at ?: pe->table, length;
	const uint8_t *entry = pe->data + offset;

	if (offset >= pe->size)
		return 0;
	if (pe->size - offset < CERT_HEADER)
		return kho_fail(err, -EBADMSG, "its last signature is cut off: " INSTALL_AGAIN);
	length = read_u32(entry);
	if (length <= CERT_HEADER || !kho_within(offset, length, pe->size))
		return kho_fail(err, -EBADMSG, "a signature has %zu bytes, and there are %zu: "
				INSTALL_AGAIN, length, pe->size - offset);
	if (read_u16(entry + 4) != CERT_REVISION || read_u16(entry + 6) != CERT_PKCS7)
		return kho_fail(err, -EBADMSG, "a signature is of a kind that isn't known (revision "
				"0x%x, type %u); sign it with sbsign", read_u16(entry + 4),
				read_u16(entry + 6));
	ret->data = entry + CERT_HEADER;
	ret->size = length - CERT_HEADER;
	/* entries begin at multiples of 8, the last may lack its padding */
	*at = offset + (length + 7) / 8 * 8;
	return 1;
}
