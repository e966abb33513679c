/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where bytes go: the archive writer writes to a sink and doesn't know whether
 * that's memory, a file or a compressor in front of one.
 */
#ifndef KHO_IMAGE_SINK_H
#define KHO_IMAGE_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/sha256.h"

struct kho_sink {
	/* All of @size bytes, or a negative errno: then the sink is of no more use. */
	int (*write)(struct kho_sink *sink, const void *data, size_t size, struct kho_err *err);
};

/* ---- into memory ---- */

struct kho_sink_memory {
	struct kho_sink sink;
	uint8_t *data;			/* owned */
	size_t size;
	size_t capacity;
	size_t limit;			/* -EFBIG beyond */
};

void kho_sink_memory_init(struct kho_sink_memory *memory, size_t limit);
void kho_sink_memory_done(struct kho_sink_memory *memory);

/* ---- into a file, counted and hashed on the way ---- */

struct kho_sink_file {
	struct kho_sink sink;
	int fd;				/* not owned */
	uint64_t size;
	struct kho_sha256 *hash;
};

int kho_sink_file_init(struct kho_sink_file *file, int fd, struct kho_err *err);

/* The digest of what was written; to be asked once. */
int kho_sink_file_digest(struct kho_sink_file *file, uint8_t ret[KHO_SHA256_SIZE],
			 struct kho_err *err);
void kho_sink_file_done(struct kho_sink_file *file);

#endif
