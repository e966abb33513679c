/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The journal of an upgrade: one page of text, written before each state is acted on.
 *
 * Theory of operation
 *
 * There are two files, written in turn: whatever instant the machine loses power at, one
 * of them is whole. The one with a good checksum and the higher number counts. An agent
 * that's started again goes on from it (kho_upgrade_resume()); after a reset of the
 * machine, which the boot id tells, the upgrade is over, and that's told.
 *
 *	kho-upgrade 1
 *	seq 7
 *	id 0b6e0a3e-...			of the upgrade
 *	boot 5a3f...			of the kernel that it began in
 *	by root (0) with khoctl
 *	image /var/lib/kho-agent/images/new
 *	source 6.12.117+deb13-cloud-amd64
 *	target 7.3.4+deb13-cloud-amd64
 *	soak 30				seconds
 *	flags workloads keep
 *	at check 1764120000123		each state and when it began, ms since 1970
 *	at spawn 1764120001456
 *	error -5 text			why it fails, or is held
 *	crc 1c3b00d2			CRC32C of all lines above
 *
 * The last "at" is the state. Pure. Whoever can write the files is root, yet they're read
 * as if by a stranger.
 */
#ifndef KHO_UPGRADE_JOURNAL_H
#define KHO_UPGRADE_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/parse.h"
#include "upgrade/upgrade.h"

#define KHO_JOURNAL_MAX		8192u	/* bytes of a file */
#define KHO_JOURNAL_TEXT	256u	/* of a value, with the terminator */
#define KHO_JOURNAL_STATES	32u	/* the first ones; later ones replace the last */

struct kho_journal_at {
	enum kho_upgrade_state state;
	uint64_t ms;			/* since 1970 */
};

struct kho_journal {
	uint64_t seq;
	char id[KHO_UUID_TEXT];
	char boot[KHO_UUID_TEXT];
	char by[KHO_JOURNAL_TEXT];
	char image[KHO_JOURNAL_TEXT];
	char source[KHO_JOURNAL_TEXT], target[KHO_JOURNAL_TEXT];
	uint64_t soak_sec;
	struct kho_upgrade upgrade;	/* as of the last state */
	struct kho_journal_at at[KHO_JOURNAL_STATES];
	unsigned int nr_at;
};

/* A state that's entered. */
void kho_journal_add(struct kho_journal *journal, enum kho_upgrade_state state, uint64_t ms);

/* The text; the caller frees *@ret. -ENOMEM; -EINVAL: a value has more than one line. */
int kho_journal_format(const struct kho_journal *journal, char **ret, struct kho_err *err);

/*
 * @text of @size bytes, which is changed. -EBADMSG: not whole, not such a file, of a later
 * version, or one that contradicts itself.
 */
int kho_journal_parse(char *text, size_t size, struct kho_journal *ret, struct kho_err *err);

#endif
