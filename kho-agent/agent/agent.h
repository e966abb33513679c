/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The agent: one daemon, the same in both kernels.
 *
 *	                 spawn                    hello             retire
 *	 idle -> reserve -------> spawn ---------------> sync -------------> retire
 *	   ^        |               |  no hello in time,   |  peer dead,        |
 *	   |        | failed        |  refused, dead       |  or Reclaim        |
 *	   +--------+---------------+----------------------+                    |
 *	            everything is taken back                             this kernel ends;
 *	                                                         in the new one: sync -> retire
 *	                                                         -> idle, with the whole machine
 *
 * In a spawned kernel the agent starts in "spawn" (it has said hello and waits),
 * goes to "sync" when the peer answers, to "retire" when the peer lets go, and to
 * "idle" when all of the machine is this kernel's.
 *
 * What an agent must know to go on after a kill is in the module (regions, lent
 * CPUs), in the region (handover tree) and in /run/kho-agent/reserved (what is
 * offline on our account): see session.h and reserve.h.
 */
#ifndef KHO_AGENT_AGENT_H
#define KHO_AGENT_AGENT_H

#include <stdbool.h>
#include <systemd/sd-event.h>
#include <systemd/sd-varlink.h>

#include "agent/inhibit.h"
#include "agent/tell.h"
#include "api/access.h"
#include "base/err.h"
#include "channel.pb-c.h"
#include "spawn/tree.h"
#include "system/clock.h"
#include "system/cpus.h"
#include "system/device.h"
#include "system/sysroot.h"

#define KHO_RUN_DIR	"/run/kho-agent"
#define KHO_FOLLOWERS	8		/* clients that watch the console at once */

enum kho_phase {
	KHO_PHASE_IDLE = 0,
	KHO_PHASE_RESERVE,
	KHO_PHASE_SPAWN,
	KHO_PHASE_SYNC,
	KHO_PHASE_RETIRE,
	_KHO_PHASE_MAX,
};

struct kho_session;
struct kho_mover;
struct kho_receiver;
struct kho_checkup;
struct kho_upgrade_run;
struct kho_heir;
struct kho_watch;
struct kho_publisher;

struct kho_agent {
	sd_event *event;
	sd_varlink_server *server;
	struct kho_sysroot root;
	struct kho_clock clock;
	struct kho_device device;
	struct mk_info info;		/* as it was at start */
	enum kho_phase phase;
	char phase_told[KHO_PHASE_NAME];	/* what was said last; "": nothing yet */
	struct kho_inhibit inhibit;
	struct kho_err last;		/* how the last command ended; code 0: well */
	uint64_t nonce;			/* of this start of the agent */
	uint32_t abilities;		/* of this kernel, for CRIU: bit n is enum kho_ability */
	char criu_version[16];		/* "": it isn't installed */

	bool spawned;
	/* spawned only: what this kernel was given */
	struct kho_handover own;
	uint32_t own_region;		/* the module's id of the control area */
	Kho__RetireReady *left;		/* what the old kernel leaves, once it has said */

	struct kho_upgrade_run *upgrade;	/* old side: is under way, or NULL */
	struct kho_mover *mover;	/* old side: a move is under way, or NULL */
	struct kho_checkup *checkup;	/* old side: looks for what can't move, or NULL */
	struct kho_receiver *receiver;	/* new side: what has come, or NULL */
	struct kho_heir *heir;		/* after a kexec: workloads are being restored, or NULL */
	bool taking_back;		/* old side: a failover starts workloads anew */
	struct kho_session *session;	/* with the peer, NULL: there's none */
	sd_varlink *waiter;		/* whoever waits for Spawn or Retire, or NULL */
	bool waiter_more;		/* and wants to hear how it goes */
	bool waiter_tried;		/* what it wants was begun: if it fails, that's no refusal */
	sd_varlink *followers[KHO_FOLLOWERS];	/* of the console; NULL: free */
	struct kho_access_policy access;	/* to the API */
	const sd_varlink *calling;	/* whose call is being looked at, or NULL */
	struct kho_err refused;		/* what it was answered, if it's an error */
	struct kho_watch *watch;	/* whoever is told of each change */
	struct kho_publisher *publisher;	/* metrics */
};

/* What a test puts in place of the machine. */
struct kho_agent_host {
	const struct kho_device_ops *device_ops;	/* NULL: the real device */
	void *ctx;					/* of these */
};

/* From its start to a signal that ends it. */
int kho_agent_run(const struct kho_agent_host *host, struct kho_err *err);

/*
 * Its name; and that of the agent's. The latter is "soak" instead of "sync" while the
 * workloads are the new side's: that stands in the region, not here (upgrade/owner.h).
 */
const char *kho_phase_name(enum kho_phase phase);
const char *kho_agent_phase_name(struct kho_agent *agent);

/* The kernel waits for all CPUs, each of which may be slow on a busy virtual machine. */
#define KHO_CPU_HOTPLUG_MS	40000

/* In the middle of long work that is done in one go: systemd's watchdog is told. */
void kho_agent_is_alive(void);

/* Tells the waiting client, if there's one, whoever watches, and the log. What has an id: tell.h. */
void kho_agent_progress(struct kho_agent *agent, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * What was under way is over: with @err, or well if its code is 0. An upgrade that it's a
 * part of hears of it; otherwise the waiting client's call ends.
 */
void kho_agent_answer(struct kho_agent *agent, const struct kho_err *err);
void kho_agent_end_wait(struct kho_agent *agent, const struct kho_err *err);

/* More of the new kernel's console, for whoever follows it. @text is made printable. */
void kho_agent_console(struct kho_agent *agent, char *text);

/* Registers the methods of the API on @agent->server. */
int kho_agent_api_init(struct kho_agent *agent, struct kho_err *err);

#endif
