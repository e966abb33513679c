// SPDX-License-Identifier: GPL-2.0-only
/* The table of compressors, and which of them a kernel can unpack. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "image/compress.h"
#include "image/kconfig.h"

static const struct kho_compressor_ops *const table[KHO_COMPRESSION_NR] = {
	[KHO_COMPRESSION_NONE] = &kho_compress_none,
	[KHO_COMPRESSION_GZIP] = &kho_compress_gzip,
	[KHO_COMPRESSION_ZSTD] = &kho_compress_zstd,
};

/* In the order in which AUTO tries them. */
static const enum kho_compression preferred[] = {
	KHO_COMPRESSION_ZSTD, KHO_COMPRESSION_GZIP, KHO_COMPRESSION_NONE,
};

const char *kho_compression_name(enum kho_compression compression)
{
	if (compression == KHO_COMPRESSION_AUTO)
		return "auto";
	return compression < KHO_COMPRESSION_NR ? table[compression]->name : "?";
}

static bool unpacks(enum kho_compression compression, const char *config, size_t size)
{
	const char *option = table[compression]->option;

	return !option || kho_kconfig_has(config, size, option);
}

int kho_compression_choose(enum kho_compression wanted, const char *config, size_t size,
			   enum kho_compression *ret, struct kho_err *err)
{
	size_t i = 0;

	if (size == 0) {
		*ret = wanted == KHO_COMPRESSION_AUTO ? KHO_COMPRESSION_GZIP : wanted;
		return 0;
	}
	if (!kho_kconfig_has(config, size, "CONFIG_BLK_DEV_INITRD"))
		return kho_fail(err, -EOPNOTSUPP, "the kernel takes no initramfs "
				"(CONFIG_BLK_DEV_INITRD is off); take another kernel");
	while (wanted == KHO_COMPRESSION_AUTO && !unpacks(preferred[i], config, size))
		i++;	/* none, the last, is always possible */
	if (wanted == KHO_COMPRESSION_AUTO)
		wanted = preferred[i];
	if (!unpacks(wanted, config, size))
		return kho_fail(err, -EOPNOTSUPP, "the kernel can't unpack %s (%s is off); "
				"choose another compression, or auto", table[wanted]->name,
				table[wanted]->option);
	*ret = wanted;
	return 0;
}

int kho_compressor_init(struct kho_compressor *compressor, enum kho_compression compression,
			int level, struct kho_sink *out, struct kho_err *err)
{
	const struct kho_compressor_ops *ops;
	struct kho_compressor new = { .out = out };
	int r;

	ops = compression < KHO_COMPRESSION_NR ? table[compression] : NULL;
	if (!ops)
		return kho_fail(err, -EINVAL, "compression %d is no compressor; "
				"settle it by the kernel's configuration first", (int)compression);
	if (level < 0 || level > ops->max_level)
		return kho_fail(err, -EINVAL, "%s has no level %d; choose 1 to %d, or 0 for the "
				"default", ops->name, level, ops->max_level);
	new.ops = ops;
	new.sink.write = ops->write;
	r = ops->open(&new, level ? level : ops->level, err);
	if (r < 0)
		return r;
	*compressor = new;
	return 0;
}

int kho_compressor_finish(struct kho_compressor *compressor, struct kho_err *err)
{
	return compressor->ops->finish(compressor, err);
}

void kho_compressor_done(struct kho_compressor *compressor)
{
	if (compressor->ops)
		compressor->ops->done(compressor);
	compressor->ops = NULL;
}

/* ---- none ---- */

static int none_open(struct kho_compressor *compressor, int level, struct kho_err *err)
{
	(void)compressor;
	(void)level;
	(void)err;
	return 0;
}

static int none_write(struct kho_sink *sink, const void *data, size_t size, struct kho_err *err)
{
	struct kho_compressor *compressor = (struct kho_compressor *)sink;

	return compressor->out->write(compressor->out, data, size, err);
}

static int none_finish(struct kho_compressor *compressor, struct kho_err *err)
{
	(void)compressor;
	(void)err;
	return 0;
}

static void none_done(struct kho_compressor *compressor)
{
	(void)compressor;
}

const struct kho_compressor_ops kho_compress_none = {
	.name = "none",
	.open = none_open,
	.write = none_write,
	.finish = none_finish,
	.done = none_done,
};
