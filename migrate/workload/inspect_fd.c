// SPDX-License-Identifier: GPL-2.0-only
/* What descriptors tell; inspect.h has the contract. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "migrate/workload/inspect.h"

#define JOURNAL		"/run/systemd/journal/stdout"
#define GHOST_LIMIT	(16ull << 20)	/* as CRIU is told, migrate/criu/criu.c */

#define MAJOR_MEMORY	1
#define MAJOR_TTY_AUX	5
#define MAJOR_PTS	136		/* to 143 */
#define MAJOR_DRM	226
#define MAJOR_NVIDIA	195

struct place {
	struct kho_findings *findings;
	const struct kho_inspect_fd *fd;
	char where[24];
};

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* ---- anonymous inodes ---- */

/* Those that CRIU dumps, after "anon_inode:". */
static const char *const dumped[] = {
	"[eventfd]", "[eventpoll]", "inotify", "[fanotify]", "[signalfd]", "[timerfd]",
	"[pidfd]", "bpf-map",
};

static void inspect_anon(const struct place *at, const char *name)
{
	if (strcmp(name, "[eventfd]") == 0 && strstr(at->fd->info, "eventfd-semaphore: 1"))
		kho_found(at->findings, KHO_FINDING_ANON_INODE, at->fd->pid, at->where,
			  "is an eventfd of EFD_SEMAPHORE, of which CRIU makes a plain one");
	for (size_t i = 0; i < sizeof(dumped) / sizeof(dumped[0]); i++)
		if (strcmp(name, dumped[i]) == 0)
			return;
	if (strcmp(name, "[io_uring]") == 0)
		kho_found(at->findings, KHO_FINDING_IO_URING, at->fd->pid, at->where,
			  "is a ring of io_uring, which CRIU can't take");
	else if (strcmp(name, "[landlock-ruleset]") == 0 || strcmp(name, "landlock-ruleset") == 0)
		kho_found(at->findings, KHO_FINDING_LANDLOCK, at->fd->pid, at->where,
			  "is a ruleset of Landlock, which would be lost without a word");
	else
		kho_found(at->findings, KHO_FINDING_ANON_INODE, at->fd->pid, at->where,
			  "is anon_inode:%.60s, which CRIU can't take", name);
}

/* ---- devices ---- */

static bool is_any_kernels(unsigned int major, unsigned int minor)
{
	switch (major) {
	case MAJOR_MEMORY:
		/* null, zero, full, random, urandom */
		return minor == 3 || minor == 5 || minor == 7 || minor == 8 || minor == 9;
	case MAJOR_TTY_AUX:
		/* the own terminal, and the multiplexer of ptys */
		return minor == 0 || minor == 2;
	default:
		return major >= MAJOR_PTS && major < MAJOR_PTS + 8;
	}
}

static void inspect_device(const struct place *at)
{
	const struct kho_inspect_fd *fd = at->fd;

	if (S_ISCHR(fd->mode) && is_any_kernels(fd->major, fd->minor))
		return;
	if (S_ISCHR(fd->mode) && (fd->major == MAJOR_DRM || fd->major == MAJOR_NVIDIA ||
				  begins(fd->link, "/dev/dri/") || begins(fd->link, "/dev/nvidia") ||
				  begins(fd->link, "/dev/kfd") || begins(fd->link, "/dev/accel/")))
		kho_found(at->findings, KHO_FINDING_GPU, fd->pid, at->where,
			  "is the graphics device %.100s", fd->link);
	else
		kho_found(at->findings, KHO_FINDING_DEVICE, fd->pid, at->where,
			  "is the %s %.100s (%u:%u), which doesn't move",
			  S_ISBLK(fd->mode) ? "disk" : "device", fd->link, fd->major, fd->minor);
}

/* ---- sockets ---- */

struct named_number {
	int number;
	const char *name;
};

/* Sockets of other families are refused as well, by number. */
static const struct named_number families[] = {
	{ AF_ALG, "AF_ALG (cryptography)" }, { AF_VSOCK, "AF_VSOCK (virtual machines)" },
	{ AF_BLUETOOTH, "AF_BLUETOOTH" }, { AF_CAN, "AF_CAN" }, { AF_KEY, "AF_KEY (IPsec)" },
	{ AF_TIPC, "AF_TIPC" }, { AF_RDS, "AF_RDS" }, { AF_XDP, "AF_XDP" }, { AF_SMC, "AF_SMC" },
	{ AF_KCM, "AF_KCM" }, { AF_PPPOX, "AF_PPPOX" }, { AF_QIPCRTR, "AF_QIPCRTR" },
};

static const struct named_number protocols[] = {
	{ IPPROTO_SCTP, "SCTP" }, { IPPROTO_MPTCP, "MPTCP" }, { IPPROTO_DCCP, "DCCP" },
	{ IPPROTO_L2TP, "L2TP" },
};

static void name_number(const struct named_number *list, size_t nr, int number, char ret[40])
{
	snprintf(ret, 40, "number %d", number);
	for (size_t i = 0; i < nr; i++)
		if (list[i].number == number)
			snprintf(ret, 40, "%s", list[i].name);
}

static bool protocol_moves(const struct kho_inspect_socket *socket)
{
	switch (socket->type) {
	case SOCK_STREAM:
		return socket->protocol == IPPROTO_TCP;
	case SOCK_DGRAM:
		return socket->protocol == IPPROTO_UDP || socket->protocol == IPPROTO_UDPLITE ||
		       socket->protocol == IPPROTO_ICMP || socket->protocol == IPPROTO_ICMPV6;
	default:
		return socket->type == SOCK_RAW;
	}
}

static void inspect_inet(const struct place *at)
{
	const struct kho_inspect_socket *socket = at->fd->socket;
	char name[40];

	if (socket->type >= 0 && socket->protocol >= 0 && !protocol_moves(socket)) {
		name_number(protocols, sizeof(protocols) / sizeof(protocols[0]), socket->protocol,
			    name);
		kho_found(at->findings, KHO_FINDING_SOCKET_PROTOCOL, at->fd->pid, at->where,
			  "is a socket of protocol %s, which CRIU can't take", name);
	}
	if (*socket->ulp)
		kho_found(at->findings, KHO_FINDING_SOCKET_ULP, at->fd->pid, at->where,
			  "is a TCP connection with \"%.20s\" in the kernel, whose state would be "
			  "lost without a word", socket->ulp);
}

/* Datagram sockets find a peer with a name again; streams can't be cut and joined. */
static void inspect_unix(const struct place *at)
{
	const struct kho_inspect_socket *socket = at->fd->socket;

	if (!socket->connected || socket->peer_inside || strcmp(socket->peer_name, JOURNAL) == 0 ||
	    (socket->type == SOCK_DGRAM && *socket->peer_name))
		return;
	if (*socket->peer_name)
		kho_found(at->findings, KHO_FINDING_SOCKET_PEER, at->fd->pid, at->where,
			  "is connected to %.100s, outside of the workload", socket->peer_name);
	else
		kho_found(at->findings, KHO_FINDING_SOCKET_PEER, at->fd->pid, at->where,
			  "is a UNIX connection whose other end is outside of the workload");
}

static void inspect_socket(const struct place *at)
{
	const struct kho_inspect_socket *socket = at->fd->socket;
	char name[40];

	switch (socket->family) {
	case -1:
	case AF_NETLINK:
	case AF_PACKET:
		return;
	case AF_UNIX:
		inspect_unix(at);
		return;
	case AF_INET:
	case AF_INET6:
		inspect_inet(at);
		return;
	default:
		name_number(families, sizeof(families) / sizeof(families[0]), socket->family, name);
		kho_found(at->findings, KHO_FINDING_SOCKET_FAMILY, at->fd->pid, at->where,
			  "is a socket of the family %s, which CRIU can't take", name);
	}
}

/* ---- the descriptor ---- */

static bool is_deleted(const char *link)
{
	static const char deleted[] = " (deleted)";
	size_t size = strlen(link);

	return size >= sizeof(deleted) - 1 &&
	       strcmp(link + size - (sizeof(deleted) - 1), deleted) == 0;
}

void kho_inspect_fd(struct kho_findings *findings, const struct kho_inspect_fd *fd)
{
	struct place at = { .findings = findings, .fd = fd };

	snprintf(at.where, sizeof(at.where), "fd %d", fd->fd);
	if (fd->socket)
		inspect_socket(&at);
	else if (begins(fd->link, "anon_inode:"))
		inspect_anon(&at, fd->link + strlen("anon_inode:"));
	else if (S_ISCHR(fd->mode) || S_ISBLK(fd->mode))
		inspect_device(&at);
	else if (S_ISREG(fd->mode) && is_deleted(fd->link) && !begins(fd->link, "/memfd:") &&
		 fd->size > GHOST_LIMIT)
		kho_found(findings, KHO_FINDING_DELETED_FILE, fd->pid, at.where,
			  "is %.80s with %llu MiB, more than the %llu MiB that are taken of a file "
			  "without a name", fd->link, (unsigned long long)fd->size >> 20,
			  GHOST_LIMIT >> 20);
}

/* "lock:\t1: FLOCK  ADVISORY  WRITE 1234 00:1c:5678 0 EOF" */
void kho_inspect_locks(struct kho_findings *findings, const struct kho_inspect_fd *fd,
		       kho_inspect_inside_fn inside, void *ctx)
{
	char kind[16], where[24];
	int pid;

	snprintf(where, sizeof(where), "fd %d", fd->fd);
	for (const char *at = fd->info; (at = strstr(at, "lock:")); at++) {
		if (sscanf(at, "lock:%*u: %15s %*s %*s %d", kind, &pid) != 2 || pid <= 0 ||
		    inside(ctx, pid))
			continue;
		kho_found(findings, KHO_FINDING_FILE_LOCK, fd->pid, where, "is %.80s with a lock "
			  "(%s) that process %d, outside of the workload, has taken", fd->link,
			  kind, pid);
	}
}
