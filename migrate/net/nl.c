// SPDX-License-Identifier: GPL-2.0-only
/* Netlink requests that are answered at once: see nl.h. */
#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "migrate/net/nl.h"

#define SEND_BUFFER	(1 << 20)

int kho_nl_open(int bus, struct kho_nl *ret, struct kho_err *err)
{
	static const int size = SEND_BUFFER;
	struct kho_nl nl = { .seq = 1 };
	int r;

	nl.sock = mnl_socket_open2(bus, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!nl.sock)
		return kho_fail_errno(err, -errno, "netlink socket of bus %d; is CONFIG_NF_TABLES "
				      "there and is this root?", bus);
	if (mnl_socket_bind(nl.sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = kho_fail_errno(err, -errno, "binding a netlink socket");
		kho_nl_close(&nl);
		return r;
	}
	/* A large batch fits; without the privilege the default has to do */
	(void)setsockopt(mnl_socket_get_fd(nl.sock), SOL_SOCKET, SO_SNDBUFFORCE, &size,
			 sizeof(size));
	nl.portid = mnl_socket_get_portid(nl.sock);
	*ret = nl;
	return 0;
}

void kho_nl_close(struct kho_nl *nl)
{
	if (nl->sock)
		mnl_socket_close(nl->sock);
	nl->sock = NULL;
}

int kho_nl_fd(const struct kho_nl *nl)
{
	return nl->sock ? mnl_socket_get_fd(nl->sock) : -EBADF;
}

struct answers {
	uint32_t first, last;
	int error;		/* the first one, 0: none yet */
	bool complete;
};

static void take_answer(struct answers *answers, const struct nlmsghdr *message)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_type != NLMSG_ERROR ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*e))
		return;
	/* Left over from an earlier request */
	if (message->nlmsg_seq - answers->first > answers->last - answers->first)
		return;
	if (e->error < 0 && answers->error == 0)
		answers->error = e->error;
	if (message->nlmsg_seq == answers->last)
		answers->complete = true;
}

static int receive_answers(struct kho_nl *nl, struct answers *answers)
{
	_Alignas(struct nlmsghdr) char buffer[KHO_NL_BUFFER];
	const struct nlmsghdr *message;
	ssize_t n;
	int left;

	while (!answers->complete) {
		n = mnl_socket_recvfrom(nl->sock, buffer, sizeof(buffer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
			break;
		if (n < 0)
			return -errno;
		left = (int)n;
		for (message = (void *)buffer; mnl_nlmsg_ok(message, left);
		     message = mnl_nlmsg_next(message, &left))
			take_answer(answers, message);
	}
	if (answers->error < 0)
		return answers->error;
	return answers->complete ? 0 : -EPROTO;
}

int kho_nl_request(struct kho_nl *nl, struct nlmsghdr *message)
{
	struct answers answers = { .first = ++nl->seq, .last = nl->seq };

	message->nlmsg_seq = nl->seq;
	message->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (mnl_socket_sendto(nl->sock, message, message->nlmsg_len) < 0)
		return -errno;
	return receive_answers(nl, &answers);
}

int kho_nl_batch(struct kho_nl *nl, const void *data, size_t size, const uint32_t range[2])
{
	struct answers answers = { .first = range[0], .last = range[1] };

	if (mnl_socket_sendto(nl->sock, data, size) < 0)
		return -errno;
	return receive_answers(nl, &answers);
}

int kho_nl_dump(struct kho_nl *nl, struct nlmsghdr *message, mnl_cb_t visit, void *data)
{
	_Alignas(struct nlmsghdr) char buffer[KHO_NL_BUFFER];
	ssize_t n;
	int r;

	message->nlmsg_seq = ++nl->seq;
	message->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
	if (mnl_socket_sendto(nl->sock, message, message->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl->sock, buffer, sizeof(buffer));
		if (n < 0)
			return errno == EAGAIN ? -EPROTO : -errno;
		r = mnl_cb_run(buffer, (size_t)n, nl->seq, nl->portid, visit, data);
	} while (r == MNL_CB_OK);
	return r < 0 ? -errno : 0;
}
