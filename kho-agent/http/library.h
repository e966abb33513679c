/* SPDX-License-Identifier: GPL-2.0-only */
/* The functions of libmicrohttpd that are used, looked up by name. */
#ifndef KHO_HTTP_LIBRARY_H
#define KHO_HTTP_LIBRARY_H

#include <microhttpd.h>

#include "base/err.h"

#define KHO_HTTP_LIBRARY	"libmicrohttpd.so.12"

#define KHO_HTTP_FUNCTIONS(X) \
	X(start_daemon) \
	X(stop_daemon) \
	X(run) \
	X(get_timeout64s) \
	X(get_daemon_info) \
	X(get_connection_info) \
	X(queue_response) \
	X(create_response_from_buffer) \
	X(create_response_from_callback) \
	X(add_response_header) \
	X(destroy_response) \
	X(lookup_connection_value) \
	X(suspend_connection) \
	X(resume_connection)

struct kho_http_library {
	void *handle;
#define FIELD(name) __typeof__(&MHD_##name) name;
	KHO_HTTP_FUNCTIONS(FIELD)
#undef FIELD
};

/* -ENOPKG: it isn't there, or lacks a function. */
int kho_http_library_load(struct kho_http_library *ret, struct kho_err *err);
void kho_http_library_unload(struct kho_http_library *library);

#endif
