// SPDX-License-Identifier: GPL-2.0-only
/* The two ends that bytes come to: memory, and a file. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/sink.h"

static int memory_write(struct kho_sink *sink, const void *data, size_t size, struct kho_err *err)
{
	struct kho_sink_memory *memory = (struct kho_sink_memory *)sink;
	size_t wanted, capacity = memory->capacity;
	uint8_t *bigger;

	if (size > memory->limit - memory->size)
		return kho_fail(err, -EFBIG, "more than %zu bytes; put less into it",
				memory->limit);
	wanted = memory->size + size;
	if (wanted > capacity) {
		capacity = capacity > wanted / 2 ? capacity * 2 : wanted;
		bigger = realloc(memory->data, capacity);
		if (!bigger)
			return kho_fail(err, -ENOMEM, "out of memory at %zu bytes; free some "
					"and try again", capacity);
		memory->data = bigger;
		memory->capacity = capacity;
	}
	if (size)
		memcpy(memory->data + memory->size, data, size);
	memory->size = wanted;
	return 0;
}

void kho_sink_memory_init(struct kho_sink_memory *memory, size_t limit)
{
	*memory = (struct kho_sink_memory){
		.sink.write = memory_write,
		.limit = limit,
	};
}

void kho_sink_memory_done(struct kho_sink_memory *memory)
{
	free(memory->data);
	*memory = (struct kho_sink_memory){ 0 };
}

static int write_all(int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

static int file_write(struct kho_sink *sink, const void *data, size_t size, struct kho_err *err)
{
	struct kho_sink_file *file = (struct kho_sink_file *)sink;
	int r;

	r = write_all(file->fd, data, size);
	if (r < 0)
		return kho_fail_errno(err, r, "write failed; make room and try again");
	r = kho_sha256_add(file->hash, data, size);
	if (r < 0)
		return kho_fail(err, r, "libcrypto could not hash; check its installation");
	file->size += size;
	return 0;
}

int kho_sink_file_init(struct kho_sink_file *file, int fd, struct kho_err *err)
{
	struct kho_sha256 *hash;
	int r;

	r = kho_sha256_new(&hash, err);
	if (r < 0)
		return r;
	*file = (struct kho_sink_file){
		.sink.write = file_write,
		.fd = fd,
		.hash = hash,
	};
	return 0;
}

int kho_sink_file_digest(struct kho_sink_file *file, uint8_t ret[KHO_SHA256_SIZE],
			 struct kho_err *err)
{
	int r;

	r = kho_sha256_final(file->hash, ret);
	if (r < 0)
		return kho_fail(err, r, "libcrypto could not hash; check its installation");
	return 0;
}

void kho_sink_file_done(struct kho_sink_file *file)
{
	kho_sha256_free(file->hash);
	file->hash = NULL;
}
