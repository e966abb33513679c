/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A rollout: one target image for many machines, in which order, how many at a time, and
 * when it's to stop. Pure; docs/fleet.md describes every field for operators.
 *
 * What the operator writes is the spec. It never changes once it's begun; what changes is
 * kept with it, in one document, so that one comparison in etcd covers both:
 *
 *	{ "schema": 1, "spec": {...}, "state": "running", "reason": ..., "message": ...,
 *	  "owner": ..., "began_ms": ..., "since_ms": ..., "round": 0 }
 *
 *	           pause                   all are through
 *	   +---------------- running ------------------------> done
 *	   v     resume       |   ^ ^
 *	 paused --------------|---+ | resume: failures are forgiven,
 *	   |                  |     | those machines tried again (round + 1)
 *	   |    halt rule     v     |
 *	   |               halted --+
 *	   |    abort         |
 *	   +------> aborted <-+        from running, too
 *
 * In all states but running nothing new begins; what's under way on a machine finishes.
 * Times are ms since 1970.
 */
#ifndef KHO_FLEET_ROLLOUT_H
#define KHO_FLEET_ROLLOUT_H

#include "base/window.h"
#include "fleet/gate.h"
#include "fleet/labels.h"

#define KHO_ROLLOUT_SCHEMA	1u
#define KHO_FLEET_ID		64u	/* of rollouts, groups and machines; terminator included */
#define KHO_FLEET_DIGEST	65u
#define KHO_FLEET_PATH		256u
#define KHO_FLEET_MESSAGE	400u
#define KHO_FLEET_WAVES		8u
#define KHO_FLEET_MAX		(64u << 10)	/* bytes of a document */

/* So many, or so many of a hundred. */
struct kho_share {
	uint32_t number;
	bool percent;
};

struct kho_wave {
	char name[KHO_FLEET_ID];
	struct kho_labels selector;	/* in addition to the rollout's */
	struct kho_share size;		/* of all machines selected; number 0: no limit */
	uint64_t soak_sec;		/* after it, before the next */
};

struct kho_rollout_spec {
	char id[KHO_FLEET_ID], group[KHO_FLEET_ID];
	char image[KHO_FLEET_PATH];	/* folder on each machine */
	char digest[KHO_FLEET_DIGEST];	/* which it has to have */
	struct kho_labels selector;
	struct kho_wave waves[KHO_FLEET_WAVES];	/* the last one is all others */
	unsigned int nr_waves;
	struct kho_share concurrency;
	char domain[KHO_LABEL_NAME];	/* label that names a failure domain; "": none */
	struct kho_share per_domain;	/* of that domain's machines */
	uint64_t halt_failures;
	uint64_t deadline_sec;		/* of one machine's upgrade; then it's aborted */
	uint64_t undo_sec;		/* which takes so long at most */
	bool has_machine_soak;
	uint64_t machine_soak_sec;	/* how long a machine's old kernel stands by */
	uint64_t blackout_ms;		/* that workloads may stand still; 0: no budget */
	struct kho_windows windows;	/* in which upgrades may begin */
	struct kho_gate gates[KHO_GATES_MAX];
	unsigned int nr_gates;
	bool stay;			/* rollback "stay": gates that fail abort no upgrade */
	bool share_slots;		/* total_slots isn't ours to change */
};

enum kho_rollout_state {
	KHO_ROLLOUT_RUNNING = 0,
	KHO_ROLLOUT_PAUSED,
	KHO_ROLLOUT_HALTED,
	KHO_ROLLOUT_ABORTED,
	KHO_ROLLOUT_DONE,
	_KHO_ROLLOUT_STATE_MAX,
};

struct kho_rollout {
	struct kho_rollout_spec spec;
	enum kho_rollout_state state;
	char reason[KHO_FLEET_ID];		/* one word: Halted by TooManyFailures */
	char message[KHO_FLEET_MESSAGE];
	char owner[KHO_FLEET_ID];
	uint64_t began_ms, since_ms;		/* since_ms: of the state */
	uint64_t round;
};

const char *kho_rollout_state_name(enum kho_rollout_state state);
bool kho_rollout_is_over(const struct kho_rollout *rollout);

/*
 * The spec, as an operator writes it. Hard: unknown fields, contradictions and limits that
 * can't be met are refused with what to do about them.
 *   -EBADMSG          no JSON object
 *   -EINVAL           a field
 *   -EPROTONOSUPPORT  a schema that's newer
 */
int kho_rollout_spec_parse(const char *text, size_t size, struct kho_rollout_spec *ret,
			   struct kho_err *err);

/* The whole document; errors of the last. */
int kho_rollout_parse(const char *text, size_t size, struct kho_rollout *ret, struct kho_err *err);

/*
 * A document out of a spec's text and the rest of @rollout; *@ret is to be freed. The text
 * is taken over as it is: what a newer version wrote into it isn't lost.
 */
int kho_rollout_format(const struct kho_rollout *rollout, const char *spec, char **ret,
		       struct kho_err *err);
/* The text of the spec in a document; to be freed. */
int kho_rollout_spec_text(const char *text, size_t size, char **ret, struct kho_err *err);

/* How many of @total that is; at least 1 of any. Percent is rounded down. */
uint64_t kho_share_of(const struct kho_share *share, uint64_t total);

/* How long a machine that has a slot may be missing before that's freed; ms. */
uint64_t kho_rollout_lost_ms(const struct kho_rollout_spec *spec);

/* What begins later than that after its slot was asked for doesn't begin; ms. */
#define KHO_FLEET_START_MS	15000u

#endif
