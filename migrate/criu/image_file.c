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

int kho_image_file_next(struct kho_image_file *file, size_t *ret, struct kho_err *err)
{
	uint32_t size;

	if (file->size - file->at < sizeof(size))
		return kho_fail(err, -EBADMSG, "cut off; dump again");
	memcpy(&size, file->data + file->at, sizeof(size));
	if (file->size - file->at - sizeof(size) < size)
		return kho_fail(err, -EBADMSG, "cut off; dump again");
	file->at += sizeof(size);
	*ret = size;
	return 0;
}
