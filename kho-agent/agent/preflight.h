/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Looks for what would keep an upgrade from beginning, before anything is touched, besides
 * the workloads (checkup.h): the machine, CPUs and memory that would be lent, target images.
 *
 *	a child: images --> machine --> CPUs, memory --> shared result --> done()
 *
 * Nothing is changed. While a new kernel is there nothing more would be lent and no image
 * spawned: then only the machine is looked at.
 */
#ifndef KHO_AGENT_PREFLIGHT_H
#define KHO_AGENT_PREFLIGHT_H

#include <systemd/sd-json.h>

#include "agent/check_machine.h"
#include "agent/spawn.h"

struct kho_preflight;

struct kho_preflight_spec {
	const struct kho_config *config;	/* all borrowed until it's over */
	const char *image;		/* a folder; NULL: all in the usual one, for information */
	const char *cpus, *blocks;	/* as of struct kho_spawn_request */
	uint64_t memory;
	void (*done)(void *ctx, const struct kho_err *err);
	void *ctx;
};

/* Begins; @spec->done is called once, not from in here. */
int kho_preflight_begin(struct kho_agent *agent, const struct kho_preflight_spec *spec,
			struct kho_preflight **ret, struct kho_err *err);

/* Ends what's under way. Takes NULL; returns NULL. */
struct kho_preflight *kho_preflight_free(struct kho_preflight *preflight);

/* Whether an image was named: what's wrong with it is in the way. */
bool kho_preflight_names_image(const struct kho_preflight *preflight);

/* Whether anything is in the way. What's wrong with images counts if one was named. */
bool kho_preflight_blocked(const struct kho_preflight *preflight);

/*
 * What an upgrade is refused for before its spawn; NULL: nothing. An image's digests,
 * signature and refusals aren't, since a spawn looks at them itself (admit.h), at the very
 * bytes that it loads, and says so in its own way.
 */
const struct kho_finding *kho_preflight_blocker(const struct kho_preflight *preflight);

const struct kho_findings *kho_preflight_images(const struct kho_preflight *preflight);
const struct kho_findings *kho_preflight_machine(const struct kho_preflight *preflight);

/* {cpus, memoryBytes, mostMemoryBytes, ...}; *@ret NULL: that wasn't looked at. */
int kho_preflight_lend_json(const struct kho_preflight *preflight, sd_json_variant **ret);

#endif
