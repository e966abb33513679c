/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeping the machine from being shut down in the middle of a move: logind's inhibitor
 * lock of mode "block", of shutdown and sleep (systemd-inhibit --list).
 *
 *	          wanted                    logind's answer
 *	 none -------------> asked --------------------------> held
 *	   ^                   | not wanted any more             |
 *	   +-------------------+---------------------------------+
 *	   ^                                                     | kho_inhibit_release()
 *	   +----- logind doesn't list it any more ---- leaving <-+
 *
 * It's wanted from the step before the switch until the move is over (kho_move_is_delicate()),
 * and while this kernel is about to retire. Its own restart would be refused, too: so the
 * retirement waits until logind knows that the lock is gone.
 *
 * All calls are asynchronous: a logind that's slow keeps nobody waiting, and one that isn't
 * there is no failure.
 */
#ifndef KHO_AGENT_INHIBIT_H
#define KHO_AGENT_INHIBIT_H

#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

struct kho_agent;

typedef void (*kho_inhibit_gone_fn)(struct kho_agent *agent);

struct kho_inhibit {
	bool asked;			/* for this time; answered or not */
	bool held;
	int fd;				/* the lock, if it's held */
	sd_bus *bus;
	sd_bus_slot *call;
	sd_event_source *deadline;
	kho_inhibit_gone_fn gone;	/* who waits for its end, or NULL */
};

/* Asks for the lock or lets go of it, as it should be by now. */
void kho_inhibit_follow(struct kho_agent *agent);

/*
 * Lets go, and calls @gone when logind knows it: before this returns, if there's no lock.
 * It isn't asked for meanwhile.
 */
void kho_inhibit_release(struct kho_agent *agent, kho_inhibit_gone_fn gone);

/* Nobody waits for its end any more. */
void kho_inhibit_forget(struct kho_agent *agent);

#endif
