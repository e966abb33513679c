// SPDX-License-Identifier: GPL-2.0-only
/*
 * Archives that arrive for a workload: CRIU's images, and files of its own.
 *
 * They are small (memory comes another way), so each is kept until it's whole, and
 * only then unpacked: half an archive changes nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/arrival.h"
#include "base/cleanup.h"
#include "migrate/workload/archive.h"

/* A stream that's kept in memory until it's whole. */
struct incoming {
	struct kho_agent *agent;
	char name[64];			/* of the workload, which may be gone at the end */
	unsigned int part;		/* of its arrival; 0: none */
	char *data;
	size_t size, room;
	char dir[128];			/* where it's unpacked to */
};

static int open_incoming(struct kho_session *session, const char *dir, struct incoming **ret,
			 struct kho_err *err)
{
	struct incoming *in = calloc(1, sizeof(*in));

	if (!in)
		return kho_fail(err, -ENOMEM, "no memory for a stream");
	in->agent = session->agent;
	snprintf(in->dir, sizeof(in->dir), "%s", dir);
	*ret = in;
	return 0;
}

static void is_part(struct incoming *in, const char *name, unsigned int part)
{
	snprintf(in->name, sizeof(in->name), "%s", name);
	in->part = part;
}

static int open_images(struct kho_session *session, const char *name, void **ret_ctx,
		       struct kho_err *err)
{
	struct kho_arrival *a = kho_arrival_find(session->agent->receiver, name);
	struct incoming *in;
	int r;

	if (!a)
		return kho_fail(err, -ENOENT, "no workload of that name is expected");
	r = open_incoming(session, kho_arrival_dir(a), &in, err);
	if (r < 0)
		return r;
	is_part(in, name, ARRIVAL_IMAGES);
	*ret_ctx = in;
	return 0;
}

static int open_sample(struct kho_session *session, const char *name, void **ret_ctx,
		       struct kho_err *err)
{
	struct incoming *in;
	char path[128];
	int r;

	if (!kho_arrival_find(session->agent->receiver, name))
		return kho_fail(err, -ENOENT, "no workload of that name is expected");
	kho_sample_path(name, path);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return kho_fail_errno(err, -errno, "%s", path);
	r = open_incoming(session, path, &in, err);
	if (r >= 0)
		*ret_ctx = in;
	return r;
}

static int open_files(struct kho_session *session, const char *name, void **ret_ctx,
		      struct kho_err *err)
{
	struct kho_arrival *a = kho_arrival_find(session->agent->receiver, name);
	struct incoming *in;
	int r;

	if (!a && !kho_newcomer_expected(session->agent->receiver, name))
		return kho_fail(err, -ENOENT, "no workload of that name is expected");
	r = open_incoming(session, "/", &in, err);
	if (r < 0)
		return r;
	if (a)
		is_part(in, name, ARRIVAL_FILES);
	*ret_ctx = in;
	return 0;
}

static ssize_t take(void *ctx, struct kho_bulk_reader *reader, size_t size, struct kho_err *err)
{
	struct incoming *in = ctx;
	size_t room = in->room ?: 1u << 20;
	char *more;
	ssize_t n;

	while (room - in->size < size)
		room *= 2;
	if (room > KHO_ARCHIVE_MAX)
		return kho_fail(err, -EFBIG, "more than %u MiB of images", KHO_ARCHIVE_MAX >> 20);
	if (room != in->room) {
		more = realloc(in->data, room);
		if (!more)
			return kho_fail(err, -ENOMEM, "no memory for %zu bytes of images", room);
		in->data = more;
		in->room = room;
	}
	n = kho_bulk_read(reader, in->data + in->size, size);
	if (n > 0)
		in->size += n;
	return n;
}

/* ---- from a kernel that has ended ---- */

int kho_arrival_take_archive(struct kho_arrival *a, unsigned int part, int fd,
			     struct kho_err *err)
{
	const char *path = part == ARRIVAL_IMAGES ? kho_arrival_dir(a) : "/";
	_cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	void *data;
	int r;

	if (dir < 0)
		return kho_fail_errno(err, -errno, "%s", path);
	if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > KHO_ARCHIVE_MAX)
		return kho_fail(err, -EBADMSG, "an archive of %s is of no size that it can have",
				a->name);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return kho_fail_errno(err, -errno, "an archive of %s", a->name);
	r = kho_archive_unpack(data, (size_t)st.st_size, dir, err);
	munmap(data, (size_t)st.st_size);
	if (r >= 0)
		kho_arrival_got(a, part);
	return r;
}

/* ---- streams ---- */

static void drop(void *ctx)
{
	struct incoming *in = ctx;

	free(in->data);
	free(in);
}

static int end(void *ctx, struct kho_err *err)
{
	struct incoming *in = ctx;
	int dir = open(in->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct kho_arrival *a;
	int r;

	if (dir < 0)
		r = kho_fail_errno(err, -errno, "%s", in->dir);
	else
		r = kho_archive_unpack(in->data, in->size, dir, err);
	if (dir >= 0)
		close(dir);
	a = in->part ? kho_arrival_find(in->agent->receiver, in->name) : NULL;
	if (r >= 0 && a)
		kho_arrival_got(a, in->part);
	drop(in);
	return r;
}

const struct kho_sink_ops kho_sink_images = {
	.sort = "images", .open = open_images, .take = take, .end = end, .drop = drop,
};

const struct kho_sink_ops kho_sink_sample = {
	.sort = "sample", .open = open_sample, .take = take, .end = end, .drop = drop,
};

const struct kho_sink_ops kho_sink_files = {
	.sort = "files", .open = open_files, .take = take, .end = end, .drop = drop,
};
