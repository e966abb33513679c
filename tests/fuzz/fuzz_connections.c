// SPDX-License-Identifier: GPL-2.0-only
/* CRIU's images of files and of TCP streams of arbitrary bytes: what's accepted is of one family. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "migrate/criu/connections.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct kho_connection *c)
{
	uint8_t message[KHO_WAKE_MAX];
	uint8_t family = c->local.family;

	if ((family != AF_INET && family != AF_INET6) || c->remote.family != family)
		abort();
	if (kho_wake_message(c, message) > sizeof(message))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kho_tcp_socket *sockets = NULL;
	struct kho_err err = {};
	uint32_t len, seq;
	size_t nr = 0;
	int r;

	r = kho_tcp_parse_files(data, size, &sockets, &nr, &err);
	if (r < 0 && (err.code != r || !err.msg[0]))
		abort();
	for (size_t i = 0; r >= 0 && i < nr; i++)
		check(&sockets[i].connection);
	free(sockets);
	err = (struct kho_err){};
	r = kho_tcp_parse_stream(data, size, &len, &seq, &err);
	if (r < 0 && (err.code != r || !err.msg[0]))
		abort();
	return 0;
}
