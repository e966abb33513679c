// SPDX-License-Identifier: GPL-2.0-only
/* Connections of TCP in CRIU's images: see connections.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "criu-images.pb-c.h"
#include "migrate/criu/connections.h"
#include "migrate/criu/image_file.h"

#define MAGIC_FILES	0x56303138u
#define MAGIC_STREAM	0x51465506u
#define FILES_MAX	(64u << 20)	/* bytes: a million descriptors */
#define STREAM_MAX	4096u		/* bytes of an image's beginning */
#define WORDS4		1u		/* of an address */
#define WORDS6		4u

/* ---- sockets ---- */

static void cleanup_file(Kho__Image__File **file)
{
	if (*file)
		kho__image__file__free_unpacked(*file, NULL);
}

static void cleanup_stream(Kho__Image__TcpStream **stream)
{
	if (*stream)
		kho__image__tcp_stream__free_unpacked(*stream, NULL);
}

static bool is_mapped(const uint32_t words[WORDS6])
{
	return words[0] == 0 && words[1] == 0 && words[2] == htonl(0xffff);
}

static void set_address(struct kho_address *address, const uint32_t *words, size_t nr)
{
	bool ipv6 = nr == WORDS6 && !is_mapped(words);

	address->family = ipv6 ? AF_INET6 : AF_INET;
	address->prefix = ipv6 ? 128 : 32;
	memcpy(address->bytes, ipv6 ? words : words + nr - 1, kho_address_size(address));
}

/* False: it's no connection of TCP. */
static bool read_socket(const Kho__Image__InetSocket *isk, struct kho_tcp_socket *ret)
{
	const size_t words = isk->family == AF_INET ? WORDS4 : WORDS6;
	struct kho_connection *c = &ret->connection;

	if (isk->proto != IPPROTO_TCP || !isk->dst_port ||
	    (isk->family != AF_INET && isk->family != AF_INET6) || isk->n_src_addr != words ||
	    isk->n_dst_addr != words || isk->src_port > UINT16_MAX || isk->dst_port > UINT16_MAX)
		return false;
	*ret = (struct kho_tcp_socket){ .ino = isk->ino };
	set_address(&c->local, isk->src_addr, words);
	set_address(&c->remote, isk->dst_addr, words);
	c->local_port = (uint16_t)isk->src_port;
	c->remote_port = (uint16_t)isk->dst_port;
	return c->local.family == c->remote.family;
}

static int add_socket(struct kho_tcp_socket **list, size_t *nr, const struct kho_tcp_socket *one,
		      struct kho_err *err)
{
	struct kho_tcp_socket *more = *list;

	/* grows at powers of two */
	if (!(*nr & (*nr - 1)))
		more = reallocarray(*list, *nr ? *nr * 2 : 1, sizeof(**list));
	if (!more)
		return kho_fail(err, -ENOMEM, "no memory for connections");
	*list = more;
	more[(*nr)++] = *one;
	return 0;
}

int kho_tcp_parse_files(const void *data, size_t size, struct kho_tcp_socket **ret,
			size_t *ret_nr, struct kho_err *err)
{
	_cleanup_free_ struct kho_tcp_socket *list = NULL;
	struct kho_image_file image = { .data = data, .size = size };
	struct kho_tcp_socket one;
	size_t nr = 0;
	int r = kho_image_file_begin(&image, MAGIC_FILES, err);

	while (r >= 0 && image.at < image.size) {
		_cleanup_(cleanup_file) Kho__Image__File *file = NULL;

		file = kho_image_file_next(&image, &kho__image__file__descriptor, err);
		if (!file)
			return -EBADMSG;
		if (file->isk && read_socket(file->isk, &one))
			r = add_socket(&list, &nr, &one, err);
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(list);
	*ret_nr = nr;
	return 0;
}

int kho_tcp_parse_stream(const void *data, size_t size, uint32_t *ret_len, uint32_t *ret_seq,
			 struct kho_err *err)
{
	_cleanup_(cleanup_stream) Kho__Image__TcpStream *stream = NULL;
	struct kho_image_file image = { .data = data, .size = size };
	int r = kho_image_file_begin(&image, MAGIC_STREAM, err);

	if (r < 0)
		return r;
	stream = kho_image_file_next(&image, &kho__image__tcp_stream__descriptor, err);
	if (!stream)
		return -EBADMSG;
	*ret_len = stream->inq_len;
	*ret_seq = stream->inq_seq;
	return 0;
}

/* ---- images of a folder ---- */

/* Queues of megabytes follow: they aren't read. -ENOENT: it's connected no more. */
static int read_stream(const char *dir, uint32_t ino, uint32_t *ret_len, uint32_t *ret_seq,
		       struct kho_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	uint8_t data[STREAM_MAX];
	char path[256];
	ssize_t size;
	int r;

	snprintf(path, sizeof(path), "%s/tcp-stream-%x.img", dir, ino);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size = fd < 0 ? -1 : read(fd, data, sizeof(data));
	if (size < 0)
		return kho_fail_errno(err, -errno, "image %s", path);
	r = kho_tcp_parse_stream(data, (size_t)size, ret_len, ret_seq, err);
	return r < 0 ? kho_wrap(err, r, "image %s", path) : 0;
}

static int complete(const char *dir, const struct kho_tcp_socket *sockets, size_t nr,
		    struct kho_connection *list, size_t *ret_nr, struct kho_err *err)
{
	uint32_t len = 0, seq = 0;
	size_t done = 0;
	int r;

	for (size_t i = 0; i < nr; i++) {
		r = read_stream(dir, sockets[i].ino, &len, &seq, err);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		list[done] = sockets[i].connection;
		list[done++].next = seq;
		if (!len)
			continue;
		list[done] = sockets[i].connection;
		list[done++].next = seq - len;
	}
	*ret_nr = done;
	return 0;
}

int kho_tcp_connections(const char *dir, struct kho_connection **ret, size_t *ret_nr,
			struct kho_err *err)
{
	_cleanup_free_ struct kho_tcp_socket *sockets = NULL;
	_cleanup_free_ struct kho_connection *list = NULL;
	_cleanup_free_ char *data = NULL;
	size_t size = 0, nr = 0;
	char path[256];
	int r;

	snprintf(path, sizeof(path), "%s/files.img", dir);
	r = kho_file_read(path, FILES_MAX, &data, &size, err);
	if (r < 0)
		return r;
	r = kho_tcp_parse_files(data, size, &sockets, &nr, err);
	if (r < 0)
		return kho_wrap(err, r, "image %s", path);
	list = calloc(2 * nr + 1, sizeof(*list));
	if (!list)
		return kho_fail(err, -ENOMEM, "no memory for connections");
	r = complete(dir, sockets, nr, list, ret_nr, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(list);
	return 0;
}
