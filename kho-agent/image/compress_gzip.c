// SPDX-License-Identifier: GPL-2.0-only
/* gzip through zlib. No name and no time in the header: same input, same bytes. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "image/compress.h"

#define CHUNK		65536u
#define GZIP_WINDOW	(15 + 16)	/* the largest window; 16: with gzip's header */

struct gzip {
	z_stream stream;
	unsigned char chunk[CHUNK];
};

static int gzip_open(struct kho_compressor *compressor, int level, struct kho_err *err)
{
	_cleanup_free_ struct gzip *gzip = calloc(1, sizeof(*gzip));

	if (!gzip || deflateInit2(&gzip->stream, level, Z_DEFLATED, GZIP_WINDOW, 9,
				  Z_DEFAULT_STRATEGY) != Z_OK)
		return kho_fail(err, -ENOMEM, "gzip: out of memory; free some and try again");
	compressor->state = TAKE_PTR(gzip);
	return 0;
}

/* Deflates what's in the stream until zlib wants more input or, at the end, is done. */
static int pump(struct kho_compressor *compressor, int flush, struct kho_err *err)
{
	struct gzip *gzip = compressor->state;
	int z, r;

	do {
		gzip->stream.next_out = gzip->chunk;
		gzip->stream.avail_out = CHUNK;
		z = deflate(&gzip->stream, flush);
		if (z == Z_STREAM_ERROR)
			return kho_fail(err, -EIO, "gzip: zlib refused the data; check its "
					"installation");
		r = compressor->out->write(compressor->out, gzip->chunk,
					   CHUNK - gzip->stream.avail_out, err);
		if (r < 0)
			return r;
	} while (gzip->stream.avail_out == 0);
	return 0;
}

static int gzip_write(struct kho_sink *sink, const void *data, size_t size, struct kho_err *err)
{
	struct kho_compressor *compressor = (struct kho_compressor *)sink;
	struct gzip *gzip = compressor->state;
	const unsigned char *at = data;
	int r = 0;

	while (r == 0 && size) {
		uInt part = size > UINT_MAX / 2 ? UINT_MAX / 2 : (uInt)size;

		/* zlib doesn't write to it; its type is from before const */
		gzip->stream.next_in = (unsigned char *)(uintptr_t)at;
		gzip->stream.avail_in = part;
		r = pump(compressor, Z_NO_FLUSH, err);
		at += part;
		size -= part;
	}
	return r;
}

static int gzip_finish(struct kho_compressor *compressor, struct kho_err *err)
{
	struct gzip *gzip = compressor->state;

	gzip->stream.avail_in = 0;
	return pump(compressor, Z_FINISH, err);
}

static void gzip_done(struct kho_compressor *compressor)
{
	struct gzip *gzip = compressor->state;

	deflateEnd(&gzip->stream);
	free(gzip);
}

const struct kho_compressor_ops kho_compress_gzip = {
	.name = "gzip",
	.option = "CONFIG_RD_GZIP",
	.level = 1,
	.max_level = 9,
	.open = gzip_open,
	.write = gzip_write,
	.finish = gzip_finish,
	.done = gzip_done,
};
