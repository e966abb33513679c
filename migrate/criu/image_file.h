/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An image file of CRIU, read from memory: two magic numbers of 4 bytes (common, then the kind's), and
 * then messages, each a length of 4 bytes and a protobuf (proto/criu-images.proto). Some kinds have raw
 * data after one.
 */
#ifndef KHO_MIGRATE_IMAGE_FILE_H
#define KHO_MIGRATE_IMAGE_FILE_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define KHO_CRIU_MAGIC	0x54564319u	/* the common one */

struct kho_image_file {
	const uint8_t *data;		/* not owned */
	size_t size, at;		/* of the next message */
};

/* Goes to the first message. -EBADMSG: it's no image of that kind. */
int kho_image_file_begin(struct kho_image_file *file, uint32_t magic, struct kho_err *err);

/*
 * The next message, of that kind, which the caller frees by its free_unpacked(). NULL, with -EBADMSG in
 * @err: there's none, it's cut off, or damaged.
 */
void *kho_image_file_next(struct kho_image_file *file, const ProtobufCMessageDescriptor *kind,
			  struct kho_err *err);

#endif
