/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Batches of nftables commands, built without nft(8): the few expressions that
 * holding packets needs. One batch is one transaction, all of it or nothing.
 *
 *	kho_nft_init(&nft, NFPROTO_IPV4, "kho_hold");
 *	kho_nft_add_table(&nft);
 *	kho_nft_add_chain(&nft, &(struct kho_nft_chain){ "in", NF_INET_PRE_ROUTING, -450 });
 *	kho_nft_rule(&nft, "in");
 *	kho_nft_match(&nft, &(struct kho_nft_field){ KHO_NFT_NETWORK, 16, 4 }, NFT_CMP_EQ, address);
 *	kho_nft_queue(&nft, 19272);
 *	r = kho_nft_commit(&nft, &nl, err);
 *	kho_nft_done(&nft);
 *
 * Building can't fail visibly: a batch that grew too large is -E2BIG at commit.
 * Registers: a match uses 1; kho_nft_dup() uses 1 and 2.
 */
#ifndef KHO_MIGRATE_NET_NFT_H
#define KHO_MIGRATE_NET_NFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "migrate/net/nl.h"

#define KHO_NFT_BATCH_MAX	(160 * 1024)	/* bytes; the send buffer is larger */

struct kho_nft {
	char *data;		/* NULL: no memory, -ENOMEM at commit */
	size_t used;
	uint8_t family;		/* NFPROTO_*, of the table that commands are for */
	const char *table;
	uint32_t table_flags;	/* NFT_TABLE_F_*, of tables that are added */
	bool full;
	struct nlmsghdr *rule;	/* being built */
	struct nlattr *expressions;
};

struct kho_nft_chain {
	const char *name;
	uint32_t hook;
	int32_t priority;
};

enum kho_nft_base { KHO_NFT_NETWORK, KHO_NFT_TRANSPORT };

struct kho_nft_field {
	enum kho_nft_base base;
	uint8_t offset, size;	/* bytes; at most 16 */
};

void kho_nft_init(struct kho_nft *nft, uint8_t family, const char *table);
void kho_nft_done(struct kho_nft *nft);
#define _cleanup_nft_ __attribute__((cleanup(kho_nft_done)))

/* Commands that follow are for this table. */
void kho_nft_table(struct kho_nft *nft, uint8_t family, const char *table);

/* -EEXIST at commit if it's there. */
void kho_nft_add_table(struct kho_nft *nft);
/* With all its chains; -ENOENT at commit if it isn't there. */
void kho_nft_delete_table(struct kho_nft *nft);
void kho_nft_destroy_table(struct kho_nft *nft);	/* no error if it isn't there */
/* A base chain of type filter that accepts. */
void kho_nft_add_chain(struct kho_nft *nft, const struct kho_nft_chain *chain);
void kho_nft_flush(struct kho_nft *nft, const char *chain);

/* Begins a rule at the end of a chain; expressions follow. */
void kho_nft_rule(struct kho_nft *nft, const char *chain);

/* Goes on if the field compares so (NFT_CMP_*) with @value. */
void kho_nft_match(struct kho_nft *nft, const struct kho_nft_field *field, uint32_t op,
		   const void *value);
/* The same for NFT_META_MARK, NFT_META_IIF, NFT_META_OIF. */
void kho_nft_match_meta(struct kho_nft *nft, uint32_t key, uint32_t op, uint32_t value);

void kho_nft_counter(struct kho_nft *nft);
void kho_nft_verdict(struct kho_nft *nft, uint32_t verdict);	/* NF_DROP, NF_ACCEPT */
void kho_nft_queue(struct kho_nft *nft, uint16_t number);
/* Sends a copy by the interface to the neighbour with this address. */
void kho_nft_dup(struct kho_nft *nft, const void *address, size_t size, uint32_t ifindex);

/* Sends the batch and empties it; 0 or the first error, which @err names. */
int kho_nft_commit(struct kho_nft *nft, struct kho_nl *nl, struct kho_err *err);

/* Whether there's a table of this name. @nl is of NETLINK_NETFILTER. */
int kho_nft_exists(struct kho_nl *nl, uint8_t family, const char *table, bool *ret,
		   struct kho_err *err);

#endif
