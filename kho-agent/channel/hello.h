/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hello: what two agents tell each other first, and what they agree on.
 *
 * Theory of operation
 *
 * Each side has an offer, its own struct kho_hello, and gets the peer's. From
 * these two both work out the same agreement, or refuse with a reason and a
 * remedy that an operator can act on:
 *
 *	protocol   the highest version that both speak
 *	features   those that both offer; a feature that one needs must be there
 *	role       one is the old side, the other the new one
 *	upgrade    the same upgrade id and ownership epoch
 *
 * Everything else is for preflight checks and people. The message from the peer
 * is hostile until kho_hello_read() has copied it: lengths, counts and
 * characters are checked there, texts for people are cut and cleaned.
 *
 * Pure: no I/O, no clock, no allocation.
 */
#ifndef KHO_CHANNEL_HELLO_H
#define KHO_CHANNEL_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel.pb-c.h"

#define KHO_PROTOCOL_MIN	1
#define KHO_PROTOCOL_MAX	1
#define KHO_UPGRADE_ID_SIZE	16
#define KHO_HELLO_TEXT_SIZE	64	/* with the NUL */
#define KHO_FEATURE_SIZE	32	/* a name, with the NUL */
#define KHO_FEATURES_MAX	64
#define KHO_REFUSAL_TEXT_SIZE	200

/* Features of the channel itself; users of it have more. */
#define KHO_FEATURE_BULK_CRC	"bulk-crc"	/* bulk chunks carry a CRC32C */
/* Of the agents. */
#define KHO_FEATURE_RETIRE_NOTED "retire-noted"	/* RetireReady is answered by RetireNoted */
#define KHO_FEATURE_MOVE_BACK	"move-back"	/* MoveBack is done, and answered by MoveOver */
#define KHO_FEATURE_LOOK	"look"		/* Look is answered by LookResult */

enum kho_role {
	KHO_ROLE_UNKNOWN = 0,
	KHO_ROLE_OLD = 1,
	KHO_ROLE_NEW = 2,
};

/* Names of [a-z0-9._-], 1 to 31 characters, in any order. */
struct kho_features {
	unsigned int count;
	char names[KHO_FEATURES_MAX][KHO_FEATURE_SIZE];
};

struct kho_hello {
	uint32_t protocol_min;
	uint32_t protocol_max;
	enum kho_role role;
	uint8_t upgrade_id[KHO_UPGRADE_ID_SIZE];
	uint64_t epoch;
	uint64_t nonce;			/* not 0; drawn anew at each start of an agent */
	uint32_t session;		/* counts the hellos with this nonce */
	uint32_t instance;		/* number of this kernel in the chain */
	uint32_t boot_apic_id;		/* the machine's boot CPU, ~0: unknown */
	uint32_t online_cpus;
	uint64_t memory_bytes;
	char agent_version[KHO_HELLO_TEXT_SIZE];
	char kernel_release[KHO_HELLO_TEXT_SIZE];
	char criu_version[KHO_HELLO_TEXT_SIZE];
	struct kho_features features;	/* offered */
	struct kho_features needs;	/* the peer must offer these */
	struct kho_features criu_features;
};

struct kho_agreement {
	uint32_t protocol;
	struct kho_features features;	/* in the order of our own offer */
};

struct kho_refusal {
	Kho__RefuseCode code;
	char reason[KHO_REFUSAL_TEXT_SIZE];
	char remedy[KHO_REFUSAL_TEXT_SIZE];
};

/* A message that borrows from a struct kho_hello; see kho_hello_write(). */
struct kho_hello_message {
	Kho__Hello hello;
	char *features[KHO_FEATURES_MAX];
	char *needs[KHO_FEATURES_MAX];
	char *criu_features[KHO_FEATURES_MAX];
};

/*
 * Adds a name; adding it again changes nothing.
 * -EINVAL: it isn't a valid name; -ENOSPC: KHO_FEATURES_MAX are there.
 */
int kho_features_add(struct kho_features *features, const char *name);
bool kho_features_has(const struct kho_features *features, const char *name);

/* Whether both hold the same names. */
bool kho_features_equal(const struct kho_features *a, const struct kho_features *b);

/*
 * Takes @count names of a message. -EINVAL or -ENOSPC as kho_features_add();
 * @ret is untouched then.
 */
int kho_features_read(char *const *names, size_t count, struct kho_features *ret);

/* Points @ret at the names; returns their number. They stay owned by @features. */
size_t kho_features_write(const struct kho_features *features, char *ret[KHO_FEATURES_MAX]);

/*
 * Copies text for people: cut to @size with its NUL, and each byte that isn't
 * printable ASCII replaced by '?'. @text may be NULL.
 */
void kho_text_clean(char *ret, size_t size, const char *text);

/* Fills @ret so that it can be packed; it borrows from @hello. */
void kho_hello_write(const struct kho_hello *hello, struct kho_hello_message *ret);

/*
 * Checks a message and copies it. -EBADMSG: it lacks something or breaks a
 * limit; then @ret is untouched and @ret_refusal says what (REFUSE_MALFORMED).
 */
int kho_hello_read(const Kho__Hello *message, struct kho_hello *ret,
		   struct kho_refusal *ret_refusal);

/*
 * What @mine and @peer agree on. On refusal a negative errno, @ret is untouched
 * and @ret_refusal filled: -EPROTONOSUPPORT no version in common, -EINVAL roles,
 * -EXDEV another upgrade, -ESTALE another epoch, -EOPNOTSUPP a needed feature.
 */
int kho_hello_negotiate(const struct kho_hello *mine, const struct kho_hello *peer,
			struct kho_agreement *ret, struct kho_refusal *ret_refusal);

#endif
