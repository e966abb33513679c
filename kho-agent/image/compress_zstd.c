// SPDX-License-Identifier: GPL-2.0-only
/*
 * zstd. The kernel's unpacker takes windows of up to 128 MiB; levels up to 19 stay
 * far below. No checksum: the file's digest is verified before it's used.
 */
#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "image/compress.h"

#define CHUNK 131072u

struct zstd {
	ZSTD_CCtx *ctx;
	char chunk[CHUNK];
};

static int zstd_open(struct kho_compressor *compressor, int level, struct kho_err *err)
{
	_cleanup_free_ struct zstd *zstd = calloc(1, sizeof(*zstd));

	if (zstd)
		zstd->ctx = ZSTD_createCCtx();
	if (!zstd || !zstd->ctx)
		return kho_fail(err, -ENOMEM, "zstd: out of memory; free some and try again");
	ZSTD_CCtx_setParameter(zstd->ctx, ZSTD_c_compressionLevel, level);
	compressor->state = TAKE_PTR(zstd);
	return 0;
}

static int pump(struct kho_compressor *compressor, ZSTD_inBuffer *in, ZSTD_EndDirective mode,
		struct kho_err *err)
{
	struct zstd *zstd = compressor->state;
	size_t left;
	int r;

	do {
		ZSTD_outBuffer out = { .dst = zstd->chunk, .size = CHUNK };

		left = ZSTD_compressStream2(zstd->ctx, &out, in, mode);
		if (ZSTD_isError(left))
			return kho_fail(err, -EIO, "zstd: %s; check its installation",
					ZSTD_getErrorName(left));
		r = compressor->out->write(compressor->out, zstd->chunk, out.pos, err);
		if (r < 0)
			return r;
	} while (mode == ZSTD_e_end ? left != 0 : in->pos < in->size);
	return 0;
}

static int zstd_write(struct kho_sink *sink, const void *data, size_t size, struct kho_err *err)
{
	ZSTD_inBuffer in = { .src = data, .size = size };

	return pump((struct kho_compressor *)sink, &in, ZSTD_e_continue, err);
}

static int zstd_finish(struct kho_compressor *compressor, struct kho_err *err)
{
	ZSTD_inBuffer in = { .src = NULL };

	return pump(compressor, &in, ZSTD_e_end, err);
}

static void zstd_done(struct kho_compressor *compressor)
{
	struct zstd *zstd = compressor->state;

	ZSTD_freeCCtx(zstd->ctx);
	free(zstd);
}

const struct kho_compressor_ops kho_compress_zstd = {
	.name = "zstd",
	.option = "CONFIG_RD_ZSTD",
	.level = 3,
	.max_level = 19,
	.open = zstd_open,
	.write = zstd_write,
	.finish = zstd_finish,
	.done = zstd_done,
};
