// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batches of nftables commands: see nft.h.
 *
 * A rule is a list of expressions, each a name and its data, which work on
 * registers: one loads a field of the packet into a register, the next compares
 * it, the last one is the verdict. Numbers in nftables' attributes are big
 * endian; what's in a register is as in the packet, or the CPU's for meta data.
 */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "migrate/net/nft.h"

/* More than any one message that is built here */
#define ROOM	1024

void kho_nft_init(struct kho_nft *nft, uint8_t family, const char *table)
{
	*nft = (struct kho_nft){ .data = calloc(1, KHO_NFT_BATCH_MAX), .family = family,
				 .table = table };
}

void kho_nft_done(struct kho_nft *nft)
{
	free(nft->data);
	nft->data = NULL;
}

void kho_nft_table(struct kho_nft *nft, uint8_t family, const char *table)
{
	nft->family = family;
	nft->table = table;
}

/* A rule's length is known when the next message begins. */
static void close_rule(struct kho_nft *nft)
{
	if (!nft->rule)
		return;
	mnl_attr_nest_end(nft->rule, nft->expressions);
	nft->used += MNL_ALIGN(nft->rule->nlmsg_len);
	nft->rule = NULL;
}

/* NULL if the batch is full. The caller adds its length to used when it's done. */
static struct nlmsghdr *begin(struct kho_nft *nft, uint16_t type, uint16_t flags)
{
	bool batch = type == NFNL_MSG_BATCH_BEGIN || type == NFNL_MSG_BATCH_END;
	struct nlmsghdr *message;
	struct nfgenmsg *header;

	close_rule(nft);
	if (!nft->data || nft->used + 2 * ROOM > KHO_NFT_BATCH_MAX)
		nft->full = true;
	if (nft->full)
		return NULL;
	message = mnl_nlmsg_put_header(nft->data + nft->used);
	message->nlmsg_type = batch ? type : (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = batch ? AF_UNSPEC : nft->family;
	header->version = NFNETLINK_V0;
	header->res_id = batch ? htons(NFNL_SUBSYS_NFTABLES) : 0;
	return message;
}

static void finish(struct kho_nft *nft, const struct nlmsghdr *message)
{
	nft->used += MNL_ALIGN(message->nlmsg_len);
}

static struct nlmsghdr *command(struct kho_nft *nft, uint16_t type, uint16_t flags)
{
	if (nft->used == 0 && !nft->full) {
		struct nlmsghdr *start = begin(nft, NFNL_MSG_BATCH_BEGIN, 0);

		if (start)
			finish(nft, start);
	}
	return begin(nft, type, flags);
}

void kho_nft_add_table(struct kho_nft *nft)
{
	struct nlmsghdr *message = command(nft, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, nft->table);
	if (nft->table_flags)
		mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, htonl(nft->table_flags));
	finish(nft, message);
}

static void remove_table(struct kho_nft *nft, uint16_t type)
{
	struct nlmsghdr *message = command(nft, type, 0);

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, nft->table);
	finish(nft, message);
}

void kho_nft_delete_table(struct kho_nft *nft)
{
	remove_table(nft, NFT_MSG_DELTABLE);
}

void kho_nft_destroy_table(struct kho_nft *nft)
{
	remove_table(nft, NFT_MSG_DESTROYTABLE);
}

void kho_nft_add_chain(struct kho_nft *nft, const struct kho_nft_chain *chain)
{
	struct nlmsghdr *message = command(nft, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *hook;

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, nft->table);
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain->name);
	hook = mnl_attr_nest_start(message, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(message, NFTA_HOOK_HOOKNUM, htonl(chain->hook));
	mnl_attr_put_u32(message, NFTA_HOOK_PRIORITY, htonl((uint32_t)chain->priority));
	mnl_attr_nest_end(message, hook);
	mnl_attr_put_u32(message, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
	mnl_attr_put_strz(message, NFTA_CHAIN_TYPE, "filter");
	finish(nft, message);
}

void kho_nft_flush(struct kho_nft *nft, const char *chain)
{
	struct nlmsghdr *message = command(nft, NFT_MSG_DELRULE, 0);

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_RULE_TABLE, nft->table);
	mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain);
	finish(nft, message);
}

void kho_nft_rule(struct kho_nft *nft, const char *chain)
{
	struct nlmsghdr *message = command(nft, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_RULE_TABLE, nft->table);
	mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain);
	nft->rule = message;
	nft->expressions = mnl_attr_nest_start(message, NFTA_RULE_EXPRESSIONS);
}

struct expression {
	struct nlattr *element, *data;
};

/* Only while a rule is being built and has room; a rule is below ROOM bytes. */
static bool open_expression(struct kho_nft *nft, const char *name, struct expression *e)
{
	if (!nft->rule)
		return false;
	if (nft->rule->nlmsg_len > ROOM - 256) {
		nft->full = true;
		nft->rule = NULL;
		return false;
	}
	e->element = mnl_attr_nest_start(nft->rule, NFTA_LIST_ELEM);
	mnl_attr_put_strz(nft->rule, NFTA_EXPR_NAME, name);
	e->data = mnl_attr_nest_start(nft->rule, NFTA_EXPR_DATA);
	return true;
}

static void close_expression(struct kho_nft *nft, struct expression *e)
{
	mnl_attr_nest_end(nft->rule, e->data);
	mnl_attr_nest_end(nft->rule, e->element);
}

static void put_value(struct kho_nft *nft, uint16_t attribute, const void *value, size_t size)
{
	struct nlattr *nest = mnl_attr_nest_start(nft->rule, attribute);

	mnl_attr_put(nft->rule, NFTA_DATA_VALUE, size, value);
	mnl_attr_nest_end(nft->rule, nest);
}

static void compare(struct kho_nft *nft, uint32_t op, const void *value, size_t size)
{
	struct expression e;

	if (!open_expression(nft, "cmp", &e))
		return;
	mnl_attr_put_u32(nft->rule, NFTA_CMP_SREG, htonl(NFT_REG_1));
	mnl_attr_put_u32(nft->rule, NFTA_CMP_OP, htonl(op));
	put_value(nft, NFTA_CMP_DATA, value, size);
	close_expression(nft, &e);
}

void kho_nft_match(struct kho_nft *nft, const struct kho_nft_field *field, uint32_t op,
		   const void *value)
{
	struct expression e;

	if (!open_expression(nft, "payload", &e))
		return;
	mnl_attr_put_u32(nft->rule, NFTA_PAYLOAD_DREG, htonl(NFT_REG_1));
	mnl_attr_put_u32(nft->rule, NFTA_PAYLOAD_BASE,
			 htonl(field->base == KHO_NFT_NETWORK ? NFT_PAYLOAD_NETWORK_HEADER :
								NFT_PAYLOAD_TRANSPORT_HEADER));
	mnl_attr_put_u32(nft->rule, NFTA_PAYLOAD_OFFSET, htonl(field->offset));
	mnl_attr_put_u32(nft->rule, NFTA_PAYLOAD_LEN, htonl(field->size));
	close_expression(nft, &e);
	compare(nft, op, value, field->size);
}

void kho_nft_match_meta(struct kho_nft *nft, uint32_t key, uint32_t op, uint32_t value)
{
	struct expression e;

	if (!open_expression(nft, "meta", &e))
		return;
	mnl_attr_put_u32(nft->rule, NFTA_META_DREG, htonl(NFT_REG_1));
	mnl_attr_put_u32(nft->rule, NFTA_META_KEY, htonl(key));
	close_expression(nft, &e);
	compare(nft, op, &value, sizeof(value));
}

void kho_nft_counter(struct kho_nft *nft)
{
	struct expression e;

	if (open_expression(nft, "counter", &e))
		close_expression(nft, &e);
}

void kho_nft_verdict(struct kho_nft *nft, uint32_t verdict)
{
	struct nlattr *data, *code;
	struct expression e;

	if (!open_expression(nft, "immediate", &e))
		return;
	mnl_attr_put_u32(nft->rule, NFTA_IMMEDIATE_DREG, htonl(NFT_REG_VERDICT));
	data = mnl_attr_nest_start(nft->rule, NFTA_IMMEDIATE_DATA);
	code = mnl_attr_nest_start(nft->rule, NFTA_DATA_VERDICT);
	mnl_attr_put_u32(nft->rule, NFTA_VERDICT_CODE, htonl(verdict));
	mnl_attr_nest_end(nft->rule, code);
	mnl_attr_nest_end(nft->rule, data);
	close_expression(nft, &e);
}

void kho_nft_queue(struct kho_nft *nft, uint16_t number)
{
	struct expression e;

	if (!open_expression(nft, "queue", &e))
		return;
	mnl_attr_put_u16(nft->rule, NFTA_QUEUE_NUM, htons(number));
	mnl_attr_put_u16(nft->rule, NFTA_QUEUE_TOTAL, htons(1));
	close_expression(nft, &e);
}

static void load(struct kho_nft *nft, uint32_t reg, const void *value, size_t size)
{
	struct expression e;

	if (!open_expression(nft, "immediate", &e))
		return;
	mnl_attr_put_u32(nft->rule, NFTA_IMMEDIATE_DREG, htonl(reg));
	put_value(nft, NFTA_IMMEDIATE_DATA, value, size);
	close_expression(nft, &e);
}

void kho_nft_dup(struct kho_nft *nft, const void *address, size_t size, uint32_t ifindex)
{
	struct expression e;

	load(nft, NFT_REG_1, address, size);
	load(nft, NFT_REG_2, &ifindex, sizeof(ifindex));
	if (!open_expression(nft, "dup", &e))
		return;
	mnl_attr_put_u32(nft->rule, NFTA_DUP_SREG_ADDR, htonl(NFT_REG_1));
	mnl_attr_put_u32(nft->rule, NFTA_DUP_SREG_DEV, htonl(NFT_REG_2));
	close_expression(nft, &e);
}

/* Numbers the messages from @seq + 1; the last command asks for an answer. */
static uint32_t number(struct kho_nft *nft, uint32_t seq)
{
	int left = (int)nft->used;
	struct nlmsghdr *message, *last = NULL;

	for (message = (void *)nft->data; mnl_nlmsg_ok(message, left);
	     message = mnl_nlmsg_next(message, &left)) {
		message->nlmsg_seq = ++seq;
		if (message->nlmsg_type != NFNL_MSG_BATCH_END)
			last = message;
	}
	if (!last)
		return seq;
	last->nlmsg_flags |= NLM_F_ACK;
	return last->nlmsg_seq;
}

int kho_nft_commit(struct kho_nft *nft, struct kho_nl *nl, struct kho_err *err)
{
	struct nlmsghdr *end;
	uint32_t range[2];
	size_t size;
	int r;

	if (!nft->data)
		return kho_fail(err, -ENOMEM, "no memory for a batch of nftables rules");
	end = nft->used ? begin(nft, NFNL_MSG_BATCH_END, 0) : NULL;
	if (nft->full)
		return kho_fail(err, -E2BIG, "too many service addresses for one batch of rules");
	if (!end)
		return 0;
	finish(nft, end);
	range[0] = nl->seq + 1;
	range[1] = number(nft, nl->seq);
	nl->seq = range[1] + 1;
	size = nft->used;
	nft->used = 0;
	r = kho_nl_batch(nl, nft->data, size, range);
	if (r == -ENOENT || r == -EOPNOTSUPP || r == -EEXIST)
		return kho_fail_errno(err, r, "nftables table %s", nft->table);
	if (r < 0)
		return kho_fail_errno(err, r, "nftables table %s; a kernel with CONFIG_NF_TABLES "
				      "and CAP_NET_ADMIN are needed", nft->table);
	return 0;
}

int kho_nft_exists(struct kho_nl *nl, uint8_t family, const char *table, bool *ret,
		   struct kho_err *err)
{
	_Alignas(struct nlmsghdr) char buffer[ROOM];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header;
	int r;

	message->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = family;
	header->version = NFNETLINK_V0;
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, table);
	r = kho_nl_request(nl, message);
	if (r < 0 && r != -ENOENT)
		return kho_fail_errno(err, r, "looking for nftables table %s", table);
	*ret = r == 0;
	return 0;
}
