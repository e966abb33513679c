/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Compressors for the initramfs, each a sink in front of another sink, and the
 * choice among them by what the target kernel can unpack. Unpacking is part of
 * the time a kernel takes to start: zstd is fast, gzip slow, none the fastest
 * where reading costs nothing.
 */
#ifndef KHO_IMAGE_COMPRESS_H
#define KHO_IMAGE_COMPRESS_H

#include "base/err.h"
#include "image/sink.h"

enum kho_compression {
	KHO_COMPRESSION_AUTO,	/* the best that the kernel has */
	KHO_COMPRESSION_NONE,
	KHO_COMPRESSION_GZIP,
	KHO_COMPRESSION_ZSTD,
	KHO_COMPRESSION_NR
};

struct kho_compressor {
	struct kho_sink sink;	/* what is to be compressed goes here */
	const struct kho_compressor_ops *ops;
	struct kho_sink *out;	/* not owned */
	void *state;
};

struct kho_compressor_ops {
	const char *name;
	const char *option;	/* of the kernel's configuration; NULL: none needed */
	int level;		/* unless the caller gives one */
	int max_level;
	int (*open)(struct kho_compressor *compressor, int level, struct kho_err *err);
	int (*write)(struct kho_sink *sink, const void *data, size_t size, struct kho_err *err);
	int (*finish)(struct kho_compressor *compressor, struct kho_err *err);
	void (*done)(struct kho_compressor *compressor);
};

extern const struct kho_compressor_ops kho_compress_none;
extern const struct kho_compressor_ops kho_compress_gzip;
extern const struct kho_compressor_ops kho_compress_zstd;

/* "auto", "none", "gzip", "zstd". */
const char *kho_compression_name(enum kho_compression compression);

/*
 * Settles @wanted by @config, the text of the kernel's /boot/config (size 0: it
 * isn't known, and AUTO is then gzip, which every distribution's kernel has).
 *   -EOPNOTSUPP  the kernel takes no initramfs, or none compressed so
 */
int kho_compression_choose(enum kho_compression wanted, const char *config, size_t size,
			   enum kho_compression *ret, struct kho_err *err);

/* @level 0: the compressor's default. -EINVAL: no such level; AUTO. -ENOMEM. */
int kho_compressor_init(struct kho_compressor *compressor, enum kho_compression compression,
			int level, struct kho_sink *out, struct kho_err *err);

/* Writes what's left; to be called once. */
int kho_compressor_finish(struct kho_compressor *compressor, struct kho_err *err);
void kho_compressor_done(struct kho_compressor *compressor);

#endif
