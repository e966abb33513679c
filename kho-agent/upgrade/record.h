/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The record of a move under way: what an agent that was killed has to know to undo it,
 * or to go on with it.
 *
 * Theory of operation
 *
 * The old side's agent writes it before each step begins and before each is undone. So
 * whatever instant it's killed at, the record says which steps may have been begun: all
 * that it names, and none after them. The agent that's started next looks at the owner
 * word (owner.h) as well:
 *
 *	not committed: undo what was begun, the last step first
 *	committed: go on with the step that was under way
 *
 * It's text, so that a person can read it: lines of a name and its values, then the
 * configuration that the move began with, which may be another one by now.
 *
 *	kho-move-record 1
 *	move 1f3a9c0e77d21b55		number of the move, hexadecimal
 *	epoch 1				of ownership, as the move began
 *	items 1 2 1 1			of each scope: move, workload, address, volume
 *	begun dump 3			items that the step was begun for, hexadecimal bits
 *	cgroup 0 /sys/fs/cgroup/system.slice/redis-server.service
 *	mac 0 525400000002		of the new side's NIC, by address
 *	given 1				addresses whose NIC was given away for the move, likewise
 *	config
 *	[Workload redis]
 *	...
 *
 * Pure. Whoever can write the file is root, yet it's read as if by a stranger.
 */
#ifndef KHO_UPGRADE_RECORD_H
#define KHO_UPGRADE_RECORD_H

#include "upgrade/move.h"
#include "upgrade/owner.h"

#define KHO_RECORD_CGROUP	512
#define KHO_RECORD_MAX		(1u << 20)	/* bytes of a file, configuration included */

struct kho_move_record {
	uint64_t move;			/* not 0 */
	uint64_t epoch;
	uint32_t nr[_KHO_SCOPE_MAX];
	uint32_t begun[_KHO_STEP_MAX];
	uint32_t nics_given;
	char cgroups[KHO_MOVE_ITEMS][KHO_RECORD_CGROUP];	/* "": none */
	uint8_t macs[KHO_MOVE_ITEMS][6];
};

/* The text, @config appended; the caller frees *@ret. -ENOMEM. */
int kho_move_record_format(const struct kho_move_record *record, const char *config,
			   char **ret, struct kho_err *err);

/*
 * @text is changed. *@ret_config is the configuration's text, in @text. -EBADMSG: not
 * such a record, or one that contradicts itself.
 */
int kho_move_record_parse(char *text, struct kho_move_record *ret, char **ret_config,
			  struct kho_err *err);

/* What's to be written now. */
void kho_move_record_note(const struct kho_move *move, struct kho_move_record *record);

/* @owner as it is now; NULL: it can't be known, and then nothing may run twice. */
bool kho_move_record_committed(const struct kho_move_record *record,
			       const struct kho_owner *owner);

/*
 * Whether the side that things go to may do (or undo) @step: nothing is taken in by their
 * owner, nothing that an owner has is taken down, and what follows COMMIT is only for it.
 * @is_new: whether that side is the new one. A record that can't be read makes nobody the
 * owner: then nothing more is taken in.
 */
bool kho_move_may_receive(const struct kho_owner *owner, bool is_new, enum kho_step step,
			  bool undo);

/*
 * Sets @move up as it was, undoing or going on; returns what's to be done first. Of
 * @move peer_lost and fenced count.
 */
struct kho_move_output kho_move_record_resume(const struct kho_move_record *record,
					      bool committed, struct kho_move *move);

#endif
