/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which target image may be spawned, and what becomes of one that failed.
 *
 *	image loaded --> refused before? --> signature --> note of the attempt --> taken, started
 *	                   |                   |                  |
 *	                   -EKEYREVOKED        -EKEYREJECTED      no hello, panic: the note
 *	                   unless forced       under enforce      becomes a refusal
 *
 * What enforce refuses, whose kernel panics, or whose agent never says hello is refused from
 * then on (image/refused.h): whatever retries upgrades by itself won't try that image again,
 * and an operator can (--force) or clear it. Nothing else is the image's fault: busy memory,
 * CPUs that don't start, a keyring that can't be read, files that don't fit the manifest. Nor
 * is what happens to a trial: a spawn with more on the command line than the image has, or
 * with less time than usual, says nothing about the image.
 *
 * The note of the attempt (/run/kho-agent/attempt) outlives the agent; its cause is the
 * first failure that still counts: no-hello at first, panicked once it said hello.
 */
#ifndef KHO_AGENT_ADMIT_H
#define KHO_AGENT_ADMIT_H

#include "agent/spawn.h"
#include "image/refused.h"

/*
 * Once the image is loaded, before anything is taken.
 *   -EKEYREVOKED   it was refused before
 *   -EKEYREJECTED  Signatures=enforce, and it isn't signed by one of the keyring
 * or errors of the configuration and the keyring: where they can't be read nothing is known
 * to be off.
 */
int kho_admit(struct kho_agent *agent, const struct kho_build *build, struct kho_err *err);

/* The same without a note: for a kexec, after which nobody is here to be told of a failure. */
int kho_admit_check(struct kho_agent *agent, const struct kho_build *build, struct kho_err *err);

/* The new kernel's agent said hello. */
void kho_admit_up(struct kho_agent *agent);

/* It's lost: KHO_REFUSED_NO_HELLO or KHO_REFUSED_PANICKED, if that's the image's fault. */
void kho_admit_failed(struct kho_agent *agent, enum kho_refused_cause cause,
		      const struct kho_err *why);

#endif
