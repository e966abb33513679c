// SPDX-License-Identifier: GPL-2.0-only
/* The server; http.h has the idea. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "http/http_private.h"

#define TIMEOUT_SEC	30u		/* of connections that are idle */
#define MEMORY		(16u << 10)	/* bytes of headers, of each connection */
#define BACKLOG		16
#define RUNS		8		/* in one turn of the loop */

/* ---- requests ---- */

static void add_headers(struct kho_http *http, struct MHD_Response *response, const char *type)
{
	static const char *const headers[][2] = {
		{ "Cache-Control", "no-store" },
		{ "Content-Security-Policy", "default-src 'self'; base-uri 'none'; "
					     "form-action 'none'; frame-ancestors 'none'" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "Referrer-Policy", "no-referrer" },
	};

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		http->library.add_response_header(response, headers[i][0], headers[i][1]);
	if (type)
		http->library.add_response_header(response, "Content-Type", type);
}

static enum MHD_Result send_answer(struct kho_http *http, struct MHD_Connection *connection,
				   struct kho_http_answer *answer)
{
	struct MHD_Response *response;
	enum MHD_Result sent;

	if (answer->stream) {
		response = kho_http_stream_new(http, connection, answer);
		if (!response)
			answer->status = 503;
		free(TAKE_PTR(answer->body));
		answer->size = 0;
	} else {
		response = NULL;
	}
	if (!response)
		response = http->library.create_response_from_buffer(answer->size, answer->body,
								     MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(answer->body);
		return MHD_NO;
	}
	add_headers(http, response, answer->type);
	if (answer->status == 405)
		http->library.add_response_header(response, "Allow", "GET, HEAD");
	sent = http->library.queue_response(connection, answer->status, response);
	http->library.destroy_response(response);
	return sent;
}

/* Other methods are answered before their body is there, which ends the connection. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	struct kho_http *http = ctx;
	struct kho_http_answer answer = { .status = 404 };
	const struct kho_http_request request = {
		.path = url,
		.accept = http->library.lookup_connection_value(connection, MHD_HEADER_KIND,
								"Accept"),
	};

	(void)version;
	(void)upload;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		answer.status = 405;
		return send_answer(http, connection, &answer);
	}
	/* it asks twice, and more often with a body: when the headers are there, and when all is */
	if (!*state || *upload_size) {
		*state = http;
		*upload_size = 0;
		return MHD_YES;
	}
	http->ops->get(http->ctx, &request, &answer);
	if (answer.stream && strcmp(method, "HEAD") == 0)
		answer.stream = false;
	return send_answer(http, connection, &answer);
}

/* ---- in the loop ---- */

static int on_time(sd_event_source *source, uint64_t usec, void *userdata);

static void run(struct kho_http_door *door)
{
	struct kho_http *http = door->http;
	int64_t ms = 0;

	for (int i = 0; i < RUNS && ms == 0; i++) {
		http->library.run(door->daemon);
		ms = http->library.get_timeout64s(door->daemon);
	}
	door->timer = sd_event_source_disable_unref(door->timer);
	if (ms >= 0)
		sd_event_add_time_relative(http->event, &door->timer, CLOCK_MONOTONIC,
					   (uint64_t)ms * 1000, 0, on_time, door);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	run(userdata);
	return 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)fd;
	(void)events;
	run(userdata);
	return 0;
}

/* ---- set up ---- */

static int open_socket(const struct sockaddr *address, int *ret, struct kho_err *err)
{
	_cleanup_close_ int fd = socket(address->sa_family,
					SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t size = address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) :
			 sizeof(struct sockaddr_in);
	int one = 1;

	if (fd < 0)
		return kho_fail_errno(err, -errno, "a socket to listen at");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* addresses come and go, with moves among other things; this one counts for both kinds */
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
	if (address->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, address, size) < 0 || listen(fd, BACKLOG) < 0)
		return kho_fail_errno(err, -errno, "an address of Listen= in [Metrics] can't be "
				      "listened at; give a free one");
	*ret = TAKE_FD(fd);
	return 0;
}

static int open_door(struct kho_http *http, const struct sockaddr *address, struct kho_err *err)
{
	struct kho_http_door *door = &http->doors[http->nr_doors];
	const union MHD_DaemonInfo *info;
	_cleanup_close_ int fd = -EBADF;
	int r = open_socket(address, &fd, err);

	if (r < 0)
		return r;
	door->http = http;
	door->daemon = http->library.start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		on_request, http, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, KHO_HTTP_CONNECTIONS,
		MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_SEC,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY, MHD_OPTION_END);
	if (!door->daemon)
		return kho_fail(err, -EIO, KHO_HTTP_LIBRARY " can't serve; is it whole?");
	/* it's the library's now */
	(void)TAKE_FD(fd);
	http->nr_doors++;
	info = http->library.get_daemon_info(door->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return kho_fail(err, -EIO, KHO_HTTP_LIBRARY " has no epoll; is it whole?");
	r = sd_event_add_io(http->event, &door->io, info->epoll_fd, EPOLLIN, on_io, door);
	return r < 0 ? kho_fail_errno(err, r, "event loop") : 0;
}

int kho_http_new(sd_event *event, const struct kho_listen *listen,
		 const struct kho_http_ops *ops, void *ctx, struct kho_http **ret,
		 struct kho_err *err)
{
	struct kho_http *http = calloc(1, sizeof(*http));
	int r;

	if (!http)
		return kho_fail(err, -ENOMEM, "no memory to serve HTTP");
	http->event = sd_event_ref(event);
	http->ops = ops;
	http->ctx = ctx;
	r = kho_http_library_load(&http->library, err);
	for (unsigned int i = 0; i < listen->nr && r >= 0; i++)
		r = open_door(http, &listen->addresses[i].any, err);
	if (r < 0)
		kho_http_free(http);
	else
		*ret = http;
	return r;
}

struct kho_http *kho_http_free(struct kho_http *http)
{
	if (!http)
		return NULL;
	kho_http_streams_end(http);
	for (unsigned int i = 0; i < http->nr_doors; i++) {
		struct kho_http_door *door = &http->doors[i];

		/* streams have to go on to be ended */
		http->library.run(door->daemon);
		sd_event_source_disable_unref(door->io);
		sd_event_source_disable_unref(door->timer);
		http->library.stop_daemon(door->daemon);
	}
	sd_event_source_disable_unref(http->keep_alive);
	kho_http_library_unload(&http->library);
	sd_event_unref(http->event);
	free(http);
	return NULL;
}
