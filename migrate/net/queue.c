// SPDX-License-Identifier: GPL-2.0-only
/*
 * One NFQUEUE: see queue.h.
 *
 * Each packet is announced by a message of about 100 bytes, for which the
 * socket's receive buffer needs room, else the kernel drops the packet. The
 * kernel counts about 800 bytes for each. So the buffer is large, and it's read
 * often.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "migrate/net/queue.h"

#define RECEIVE_BUFFER	(64 << 20)	/* bytes as the kernel counts them, twice that */
#define QUEUES		"/proc/net/netfilter/nfnetlink_queue"

static struct nlmsghdr *message_of(char *buffer, uint16_t type, uint16_t number)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header;

	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type);
	message->nlmsg_flags = NLM_F_REQUEST;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = AF_UNSPEC;
	header->version = NFNETLINK_V0;
	header->res_id = htons(number);
	return message;
}

static int configure(struct kho_queue *queue, uint32_t length)
{
	_Alignas(struct nlmsghdr) char buffer[256];
	struct nfqnl_msg_config_cmd bind = { .command = NFQNL_CFG_CMD_BIND };
	struct nfqnl_msg_config_params params = { .copy_mode = NFQNL_COPY_META };
	struct nlmsghdr *message = message_of(buffer, NFQNL_MSG_CONFIG, queue->number);

	mnl_attr_put(message, NFQA_CFG_CMD, sizeof(bind), &bind);
	mnl_attr_put(message, NFQA_CFG_PARAMS, sizeof(params), &params);
	mnl_attr_put_u32(message, NFQA_CFG_QUEUE_MAXLEN, htonl(length));
	/* Packets merged by GRO are kept as they are */
	mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
	mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO));
	return kho_nl_request(&queue->nl, message);
}

int kho_queue_open(uint16_t number, uint32_t length, struct kho_queue *ret,
		   struct kho_err *err)
{
	static const int size = RECEIVE_BUFFER, on = 1;
	struct kho_queue queue = { .number = number };
	int fd, r;

	r = kho_nl_open(NETLINK_NETFILTER, &queue.nl, err);
	if (r < 0)
		return r;
	fd = kho_nl_fd(&queue.nl);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	/* A lost announcement is a dropped packet, which is counted; go on */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on));
	r = configure(&queue, length);
	if (r < 0) {
		kho_nl_close(&queue.nl);
		if (r == -EBUSY || r == -EPERM)
			return kho_fail_errno(err, -EBUSY, "packet queue %u; end the other program "
					      "that uses it", number);
		return kho_fail_errno(err, r, "packet queue %u; is nfnetlink_queue there?", number);
	}
	*ret = queue;
	return 0;
}

void kho_queue_close(struct kho_queue *queue)
{
	kho_nl_close(&queue->nl);
}

static int visit(const struct nlmsghdr *message, void *data)
{
	const struct nlattr *attribute;
	struct kho_queue *queue = data;
	struct nfqnl_msg_packet_hdr header;

	if (message->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET))
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attribute) != NFQA_PACKET_HDR ||
		    mnl_attr_get_payload_len(attribute) < sizeof(header))
			continue;
		memcpy(&header, mnl_attr_get_payload(attribute), sizeof(header));
		queue->last = ntohl(header.packet_id);
		queue->seen++;
	}
	return MNL_CB_OK;
}

int kho_queue_read(struct kho_queue *queue, struct kho_err *err)
{
	_Alignas(struct nlmsghdr) char buffer[KHO_NL_BUFFER];
	int any = 0;
	ssize_t n;

	for (;;) {
		n = mnl_socket_recvfrom(queue->nl.sock, buffer, sizeof(buffer));
		if (n < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		if (n < 0 && errno == EAGAIN)
			return any;
		if (n < 0)
			return kho_fail_errno(err, -errno, "reading packet queue %u", queue->number);
		any = 1;
		(void)mnl_cb_run(buffer, (size_t)n, 0, 0, visit, queue);
	}
}

static int decide(struct kho_queue *queue, const struct kho_queue_verdict *verdict,
		  struct kho_err *err)
{
	_Alignas(struct nlmsghdr) char buffer[256];
	struct nlmsghdr *message = message_of(buffer, NFQNL_MSG_VERDICT_BATCH, queue->number);
	struct nfqnl_msg_verdict_hdr header = {
		.verdict = htonl(verdict->verdict), .id = htonl(queue->last),
	};

	mnl_attr_put(message, NFQA_VERDICT_HDR, sizeof(header), &header);
	if (verdict->mark)
		mnl_attr_put_u32(message, NFQA_MARK, htonl(verdict->mark));
	/*
	 * No answer is asked for: it would come among the announcements. The one
	 * error there is (-ENOENT) says that the kernel dropped all of them for
	 * its own reasons.
	 */
	message->nlmsg_seq = ++queue->nl.seq;
	if (mnl_socket_sendto(queue->nl.sock, message, message->nlmsg_len) < 0)
		return kho_fail_errno(err, -errno, "letting packets of queue %u go",
				      queue->number);
	queue->decided = queue->last;
	return 0;
}

int kho_queue_drain(struct kho_queue *queue, const struct kho_queue_verdict *verdict,
		    struct kho_err *err)
{
	int r;

	for (;;) {
		r = kho_queue_read(queue, err);
		if (r < 0)
			return r;
		if (queue->decided == queue->last)
			return 0;
		r = decide(queue, verdict, err);
		if (r < 0)
			return r;
		queue->released = queue->seen;
	}
}

int kho_queue_dropped(const struct kho_queue *queue, uint64_t *ret, struct kho_err *err)
{
	_cleanup_fclose_ FILE *f = fopen(QUEUES, "re");
	unsigned int number, mode, range, portid;
	uint64_t total, dropped, user;
	char line[256];

	if (!f)
		return kho_fail_errno(err, -errno, "%s", QUEUES);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%u %u %" SCNu64 " %u %u %" SCNu64 " %" SCNu64, &number, &portid,
			   &total, &mode, &range, &dropped, &user) != 7 || number != queue->number)
			continue;
		*ret = dropped + user;
		return 0;
	}
	return kho_fail(err, -ENOENT, "%s: queue %u isn't there", QUEUES, queue->number);
}
