// SPDX-License-Identifier: GPL-2.0-only
/* Image files of CRIU: see image_file.h. */
#include <errno.h>
#include <string.h>

#include "migrate/criu/image_file.h"

int kho_image_file_begin(struct kho_image_file *file, uint32_t magic, struct kho_err *err)
{
	uint32_t head[2];

	if (file->size < sizeof(head))
		return kho_fail(err, -EBADMSG, "too short for an image; dump again");
	memcpy(head, file->data, sizeof(head));
	if (head[0] != KHO_CRIU_MAGIC || head[1] != magic)
		return kho_fail(err, -EBADMSG, "not an image of that kind; dump with criu 4.2.1");
	file->at = sizeof(head);
	return 0;
}

/* Its size; it begins at file->at then. */
static int next_size(struct kho_image_file *file, uint32_t *ret, struct kho_err *err)
{
	if (file->size - file->at < sizeof(*ret))
		return kho_fail(err, -EBADMSG, "cut off; dump again");
	memcpy(ret, file->data + file->at, sizeof(*ret));
	file->at += sizeof(*ret);
	return file->size - file->at < *ret ? kho_fail(err, -EBADMSG, "cut off; dump again") : 0;
}

void *kho_image_file_next(struct kho_image_file *file, const ProtobufCMessageDescriptor *kind,
			  struct kho_err *err)
{
	void *message;
	uint32_t size = 0;

	if (next_size(file, &size, err) < 0)
		return NULL;
	message = protobuf_c_message_unpack(kind, NULL, size, file->data + file->at);
	if (!message)
		kho_fail(err, -EBADMSG, "no valid message in it; dump with criu 4.2.1");
	file->at += size;
	return message;
}
