// SPDX-License-Identifier: GPL-2.0-only
/* Makes fresh namespaces of PIDs, mounts and networks ready; rehearse.h has the idea. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/net/address.h"
#include "migrate/net/nl.h"
#include "migrate/restore/rehearse.h"
#include "migrate/workload/stand_in.h"

#define LOOPBACK	1u		/* its number in every network namespace */

/* All addresses of the family are this host's. */
static int own_all(struct kho_nl *nl, unsigned char family, struct kho_err *err)
{
	char room[MNL_NLMSG_HDRLEN + 256];
	struct nlmsghdr *header = mnl_nlmsg_put_header(room);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(header, sizeof(*route));
	int r;

	header->nlmsg_type = RTM_NEWROUTE;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
	route->rtm_family = family;
	route->rtm_table = RT_TABLE_LOCAL;
	route->rtm_protocol = KHO_NET_PROTOCOL;
	route->rtm_scope = RT_SCOPE_HOST;
	route->rtm_type = RTN_LOCAL;
	mnl_attr_put_u32(header, RTA_OIF, LOOPBACK);
	r = kho_nl_request(nl, header);
	/* a kernel without IPv6 has no sockets of it, either */
	if (r == -EAFNOSUPPORT || r == -EOPNOTSUPP)
		return 0;
	return r < 0 ? kho_fail_errno(err, r, "a route in the rehearsal's network") : 0;
}

static int make_network(struct kho_err *err)
{
	struct kho_nl nl;
	int r = kho_nic_up(LOOPBACK, err);

	if (r < 0)
		return r;
	r = kho_nl_open(NETLINK_ROUTE, &nl, err);
	if (r < 0)
		return r;
	r = own_all(&nl, AF_INET, err);
	if (r >= 0)
		r = own_all(&nl, AF_INET6, err);
	kho_nl_close(&nl);
	return r;
}

static int make_mounts(int dir, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	int r;

	/* before /proc is another one, in which the number means nothing */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/" KHO_STAND_INS, dir);
	r = kho_file_read(path, KHO_STAND_INS_MAX, &text, NULL, err);
	if (r < 0)
		return r;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return kho_fail_errno(err, -errno, "mounts of the rehearsal");
	return kho_stand_ins_make(text, err);
}

int kho_isolate(int dir, struct kho_err *err)
{
	int r = make_mounts(dir, err);

	return r < 0 ? r : make_network(err);
}
