/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What rules about service addresses have in common: matches, tables for both
 * families, names and numbers.
 *
 * Chains are at priority -450, before anything else sees the packet: before
 * fragments are put together (-400), raw (-300) and connection tracking (-200).
 */
#ifndef KHO_MIGRATE_NET_RULES_H
#define KHO_MIGRATE_NET_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "migrate/net/address.h"
#include "migrate/net/nft.h"

#define KHO_HOLD_TABLE		"kho_hold"
#define KHO_HOLD_QUEUE		19272	/* NFQUEUE numbers: "KH" and those after it */
#define KHO_SILENCE_QUEUE	19273	/* of the first one; the others have the next numbers */
#define KHO_RULE_PRIORITY	(-450)
#define KHO_LO_IFINDEX		1	/* lo in every network namespace */

#define KHO_FAMILIES		2
extern const uint8_t kho_families[KHO_FAMILIES];	/* NFPROTO_IPV4, NFPROTO_IPV6 */

/* The address that a rule is about, and how to match it. */
void kho_rule_from(struct kho_nft *nft, const struct kho_address *address);
void kho_rule_to(struct kho_nft *nft, const struct kho_address *address);
void kho_rule_arp_from(struct kho_nft *nft, const struct kho_address *address);

/* Its table's name. */
struct kho_silence_table {
	char name[24];
};
struct kho_silence_table kho_silence_table(unsigned int number);

/* Neighbour and router discovery, in a table of NFPROTO_IPV6. */
void kho_rule_discovery(struct kho_nft *nft);

/* Whether the address is of the family of the table that rules go to. */
bool kho_rule_applies(const struct kho_nft *nft, const struct kho_address *address);

/* -EINVAL: none, too many, twice the same, or not an interface. */
int kho_services_check(const struct kho_service *services, size_t count, struct kho_err *err);

#endif
