// SPDX-License-Identifier: GPL-2.0-only
/* The probe "tcp", in user space; tcp.h has the idea. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "bpf/probe.h"
#include "tcp.skel.h"

static void *open_skeleton(void)
{
	return kho_tcp_bpf__open();
}

static struct kho_bpf_cell cell_of(const struct kho_tcp_address *address,
				   struct kho_tcp_seen *seen)
{
	return (struct kho_bpf_cell){
		.map = "seen",
		.key = address,
		.key_size = sizeof(*address),
		.value = seen,
		.value_size = sizeof(*seen),
	};
}

static int set_home(const struct kho_probe_object *o, struct kho_err *err)
{
	uint32_t first = 0, number;
	const struct kho_bpf_cell cell = {
		.map = "home", .key = &first, .key_size = sizeof(first),
		.value = &number, .value_size = sizeof(number),
	};
	struct stat st;

	if (stat("/proc/self/ns/net", &st) < 0)
		return kho_fail_errno(err, -errno, "/proc/self/ns/net");
	number = (uint32_t)st.st_ino;
	return o->bpf.ops->put(o->bpf.ctx, o->object, &cell, err);
}

int kho_probe_tcp_add(const struct kho_probe_object *o, const struct kho_tcp_address *address,
		      struct kho_err *err)
{
	struct kho_tcp_seen none = {};
	const struct kho_bpf_cell cell = cell_of(address, &none);
	int r = set_home(o, err);

	return r < 0 ? r : o->bpf.ops->put(o->bpf.ctx, o->object, &cell, err);
}

int kho_probe_tcp_read(const struct kho_probe_object *o, const struct kho_tcp_address *address,
		       struct kho_tcp_seen *ret, struct kho_err *err)
{
	struct kho_tcp_seen seen;
	const struct kho_bpf_cell cell = cell_of(address, &seen);
	int r = o->bpf.ops->get(o->bpf.ctx, o->object, &cell, err);

	if (r >= 0)
		*ret = seen;
	return r;
}

int kho_tcp_address_parse(const char *text, struct kho_tcp_address *ret, struct kho_err *err)
{
	char address[INET6_ADDRSTRLEN];
	size_t length = strcspn(text, "/");
	struct kho_tcp_address v4 = { .bytes = { [10] = 0xff, [11] = 0xff } }, v6;

	if (length < sizeof(address)) {
		memcpy(address, text, length);
		address[length] = '\0';
		if (inet_pton(AF_INET, address, &v4.bytes[12]) == 1) {
			*ret = v4;
			return 0;
		}
		if (inet_pton(AF_INET6, address, v6.bytes) == 1) {
			*ret = v6;
			return 0;
		}
	}
	return kho_fail(err, -EINVAL, "%.64s is no address; give one as 10.0.0.1/24", text);
}

const struct kho_probe_ops kho_probe_tcp = {
	.name = "tcp",
	.image = { .name = "tcp", .open = open_skeleton },
};
