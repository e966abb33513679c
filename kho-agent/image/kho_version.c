// SPDX-License-Identifier: GPL-2.0-only
/*
 * The search for "kho-vN" in a kernel; kho_version.h says why.
 *
 * The unpackers give pieces to a scanner that knows nothing of them. It keeps the end of
 * a piece in front of the next one, so that a text that lies across is found, too. What
 * is unpacked is bounded: a payload is hostile like any file.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "image/kconfig.h"
#include "image/kho_version.h"

#define PREFIX		"kho-v"
#define PREFIX_SIZE	(sizeof(PREFIX) - 1)
#define HEADER_AT	0x1f1
#define PIECE		(64u << 10)
#define UNPACKED_MAX	(512ULL << 20)	/* bytes; a kernel with everything has a tenth */

struct scanner {
	char buffer[KHO_VERSION_TEXT + PIECE];	/* what was kept, then the piece */
	size_t kept;
	uint64_t seen;
	char found[KHO_VERSION_TEXT];
	bool differ;
};

/* A whole text at @at: the prefix, one to six digits, NUL. Its length without the NUL, or 0. */
static size_t text_at(const char *at, size_t left)
{
	size_t size = PREFIX_SIZE;

	if (left <= PREFIX_SIZE || memcmp(at, PREFIX, PREFIX_SIZE) != 0)
		return 0;
	while (size < left && size < PREFIX_SIZE + 6 && at[size] >= '0' && at[size] <= '9')
		size++;
	return size > PREFIX_SIZE && size < left && at[size] == '\0' ? size : 0;
}

static void note(struct scanner *scanner, const char *text, size_t size)
{
	if (!scanner->found[0])
		memcpy(scanner->found, text, size);
	else if (strlen(scanner->found) != size || memcmp(scanner->found, text, size) != 0)
		scanner->differ = true;
}

/* Looks at what was kept and @size more bytes, which are in the buffer already. */
static void scan(struct scanner *scanner, size_t size)
{
	size_t total = scanner->kept + size;
	const char *end = scanner->buffer + total;
	const char *at = scanner->buffer;

	scanner->seen += size;
	while ((at = memmem(at, (size_t)(end - at), PREFIX, PREFIX_SIZE))) {
		size_t length = text_at(at, (size_t)(end - at));

		if (length)
			note(scanner, at, length);
		at++;
	}
	scanner->kept = total < KHO_VERSION_TEXT ? total : KHO_VERSION_TEXT;
	memmove(scanner->buffer, end - scanner->kept, scanner->kept);
}

static void *room(struct scanner *scanner)
{
	return scanner->buffer + scanner->kept;
}

static int unpack_gzip(struct scanner *scanner, const uint8_t *data, size_t size)
{
	z_stream stream = { .next_in = (uint8_t *)(uintptr_t)data, .avail_in = (unsigned int)size };
	int r;

	if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK)
		return -ENOMEM;
	do {
		stream.next_out = room(scanner);
		stream.avail_out = PIECE;
		r = inflate(&stream, Z_NO_FLUSH);
		scan(scanner, PIECE - stream.avail_out);
	} while (r == Z_OK && scanner->seen < UNPACKED_MAX);
	inflateEnd(&stream);
	return r == Z_STREAM_END ? 0 : -EBADMSG;
}

static int unpack_zstd(struct scanner *scanner, const uint8_t *data, size_t size)
{
	ZSTD_inBuffer in = { .src = data, .size = size };
	ZSTD_DStream *stream = ZSTD_createDStream();
	size_t r = 1;

	if (!stream)
		return -ENOMEM;
	while (r != 0 && !ZSTD_isError(r) && scanner->seen < UNPACKED_MAX) {
		ZSTD_outBuffer out = { .dst = room(scanner), .size = PIECE };
		size_t before = in.pos;

		r = ZSTD_decompressStream(stream, &out, &in);
		scan(scanner, out.pos);
		if (!out.pos && in.pos == before)
			break;
	}
	ZSTD_freeDStream(stream);
	return r == 0 ? 0 : -EBADMSG;
}

static const struct {
	uint8_t magic[4];
	size_t magic_size;
	int (*unpack)(struct scanner *scanner, const uint8_t *data, size_t size);
} unpackers[] = {
	{ { 0x1f, 0x8b }, 2, unpack_gzip },
	{ { 0x28, 0xb5, 0x2f, 0xfd }, 4, unpack_zstd },
};

/* The packed kernel in the bzImage; its header was checked by kho_image_parse(). */
static int scan_payload(struct scanner *scanner, const struct kho_image *kernel)
{
	struct setup_header header;
	const uint8_t *payload;

	memcpy(&header, kernel->data + HEADER_AT, sizeof(header));
	payload = kernel->data + kernel->setup_size + header.payload_offset;
	for (size_t i = 0; i < KHO_ARRAY_SIZE(unpackers); i++)
		if (header.payload_length > unpackers[i].magic_size &&
		    memcmp(payload, unpackers[i].magic, unpackers[i].magic_size) == 0)
			return unpackers[i].unpack(scanner, payload, header.payload_length);
	return -EOPNOTSUPP;
}

int kho_version_find(const struct kho_image *kernel, const char *config, size_t size,
		     char ret[KHO_VERSION_TEXT], struct kho_err *err)
{
	_cleanup_free_ struct scanner *scanner = NULL;
	const char *text = KHO_VERSION_NONE;
	int r = 0;

	if (!size || kho_kconfig_has(config, size, "CONFIG_KEXEC_HANDOVER")) {
		scanner = calloc(1, sizeof(*scanner));
		r = scanner ? scan_payload(scanner, kernel) : -ENOMEM;
		if (r == -ENOMEM)
			return kho_fail(err, r, "kernel: no memory to look into it; free some");
		text = r == 0 && scanner->found[0] && !scanner->differ ? scanner->found :
		       KHO_VERSION_UNKNOWN;
		/* a kernel without a known configuration that has no such text has no KHO */
		if (r == 0 && !size && !scanner->found[0])
			text = KHO_VERSION_NONE;
	}
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}
