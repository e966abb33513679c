/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two links for tests: pair_a, the old side's, and pair_b, the new side's, and
 * helpers that carry messages between them as bytes. The last call's output is in
 * pair_out.
 */
#ifndef TESTS_LINK_PAIR_H
#define TESTS_LINK_PAIR_H

#include "channel/link.h"

#define BEAT	100		/* ns */
#define STALL	300
#define DEAD	1000
#define BUSY	4000
#define HELLO	5000
#define T0	1000000ULL

extern struct kho_link pair_a, pair_b;
extern struct kho_link_output pair_out;

struct kho_link_config link_config_of(enum kho_role role, uint64_t nonce);
void link_init(struct kho_link *link, enum kho_role role, uint64_t nonce);
void link_start(struct kho_link *link, uint64_t now);
void pair_clear(void);

/* Both links, hellos sent. A Check fixture. */
void pair_setup(void);

/* Both up at @now. */
void pair_bring_up(uint64_t now);

/* Carries one message of @from to @to; returns whether it's for the user. */
bool pair_carry(const struct kho_link *from, struct kho_link *to, unsigned int which, uint64_t now);

/* @link receives a message that is for its user. */
bool link_receive_log(struct kho_link *link, uint64_t now);
void link_tick(struct kho_link *link, uint64_t now);

/* The last output has one event, of this kind. */
const struct kho_link_event *pair_only_event(enum kho_link_event_kind kind);

/* The last output ended @link so. */
void link_expect_dead(const struct kho_link *link, enum kho_link_cause cause, int code,
		      const char *text);

#endif
