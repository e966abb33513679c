// SPDX-License-Identifier: GPL-2.0-only
/* Fresh namespaces of PIDs, mounts and networks; isolate.h has the contract. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "migrate/net/address.h"
#include "migrate/net/nl.h"
#include "migrate/workload/isolate.h"

#define LOOPBACK	1u		/* its number in every network namespace */
#define TTY_GROUP	"5"		/* tty: what systemd mounts it with */

pid_t kho_isolate_fork(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | SIGCHLD,
				   NULL, NULL, NULL, 0);

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* Every mount of devpts has numbers of its own. A root without that folder has no terminals. */
static int own_terminals(struct kho_err *err)
{
	if (mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		  "ptmxmode=666,mode=620,gid=" TTY_GROUP) < 0 && errno != ENOENT)
		return kho_fail_errno(err, -errno, "terminals of its own");
	return 0;
}

int kho_isolate_mounts(struct kho_err *err)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return kho_fail_errno(err, -errno, "mounts of its own");
	return own_terminals(err);
}

/* All addresses of the family are this host's. */
static int own_all(struct kho_nl *nl, unsigned char family, struct kho_err *err)
{
	_Alignas(struct nlmsghdr) char room[256];
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
	return r < 0 ? kho_fail_errno(err, r, "a route of its own") : 0;
}

/* For IPv6 a route isn't enough to bind to an address. A kernel without IPv6 needs nothing. */
static int bind_any(struct kho_err *err)
{
	int r = kho_file_write_string("/proc/sys/net/ipv6/ip_nonlocal_bind", "1", err);

	if (r != -ENOENT)
		return r;
	*err = (struct kho_err){};
	return 0;
}

int kho_isolate_network(struct kho_err *err)
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
	return r < 0 ? r : bind_any(err);
}
