/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections of TCP in CRIU's images: who the peers are, and what they'll send next.
 *
 * files.img has the sockets; tcp-stream-INO.img has the state of one that's connected, and what's in
 * its queues (image_file.h).
 */
#ifndef KHO_MIGRATE_CONNECTIONS_H
#define KHO_MIGRATE_CONNECTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "migrate/net/wake.h"

struct kho_tcp_socket {
	uint32_t ino;
	struct kho_connection connection;	/* its "next" is 0 yet */
};

/*
 * Connected sockets of TCP in a files.img of @size bytes; the caller frees *@ret. Those of IPv6 that
 * carry IPv4 are of IPv4. -EBADMSG: it isn't one, or is damaged; nothing is returned then.
 */
int kho_tcp_parse_files(const void *data, size_t size, struct kho_tcp_socket **ret,
			size_t *ret_nr, struct kho_err *err);

/* The beginning of a tcp-stream image: as the fields of that message. -EBADMSG likewise. */
int kho_tcp_parse_stream(const void *data, size_t size, uint32_t *ret_len, uint32_t *ret_seq,
			 struct kho_err *err);

/*
 * All connections of the images in @dir; the caller frees *@ret. One with bytes that its task hasn't
 * read is there twice: its peer may not know that they've arrived, and waits for those.
 * -ENOENT: no images.
 */
int kho_tcp_connections(const char *dir, struct kho_connection **ret, size_t *ret_nr,
			struct kho_err *err);

#endif
