// SPDX-License-Identifier: GPL-2.0-only
/* The look before an upgrade; preflight.h has the idea. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "agent/check_images.h"
#include "agent/command.h"
#include "agent/preflight.h"
#include "base/cleanup.h"

#define CHILD_MS	60000

/* Shared with the child. */
struct result {
	struct kho_findings images, machine;
	struct kho_lend lend;
};

struct kho_preflight {
	struct kho_agent *agent;
	struct kho_preflight_spec spec;
	bool spawns;			/* no new kernel is there yet */
	struct result *result;
	struct kho_command *command;
};

static void look_at_images(struct kho_preflight *preflight, uint64_t *ret_contiguous)
{
	_cleanup_free_ struct kho_given *given = NULL;
	struct kho_check_images check = {
		.config = preflight->spec.config,
		.only = preflight->spec.image,
	};
	struct kho_err err;

	if (kho_check_given(preflight->agent, check.config, &given, &check.nr_given, &err) < 0)
		kho_found_message(&preflight->result->machine, KHO_FINDING_MACHINE, "PCI", err.msg);
	check.given = given;
	kho_check_images(&check, &preflight->result->images, ret_contiguous);
}

static int look(void *arg, struct kho_err *err)
{
	struct kho_preflight *preflight = arg;
	struct result *result = preflight->result;
	struct kho_reserve_spec spec = {
		.cpus = preflight->spec.cpus,
		.blocks = preflight->spec.blocks,
		.memory = preflight->spec.memory,
	};

	(void)err;
	kho_check_machine(preflight->agent, &result->machine);
	if (!preflight->spawns)
		return 0;
	look_at_images(preflight, &spec.contiguous);
	kho_check_lend(preflight->agent, &spec, &result->lend, &result->machine);
	return 0;
}

static void on_looked(void *ctx, const struct kho_err *err)
{
	struct kho_preflight *preflight = ctx;
	struct kho_err copy = *err;

	preflight->command = kho_command_free(preflight->command);
	preflight->spec.done(preflight->spec.ctx, &copy);
}

int kho_preflight_begin(struct kho_agent *agent, const struct kho_preflight_spec *spec,
			struct kho_preflight **ret, struct kho_err *err)
{
	struct kho_preflight *preflight = calloc(1, sizeof(*preflight));
	const struct kho_command_work work = {
		.name = "looking at this machine and at target images",
		.call = look,
		.arg = preflight,
		.timeout_ms = CHILD_MS,
	};
	void *shared;
	int r;

	if (!preflight)
		return kho_fail(err, -ENOMEM, "no memory to look at this machine");
	shared = mmap(NULL, sizeof(*preflight->result), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		free(preflight);
		return kho_fail(err, -ENOMEM, "no memory to look at this machine");
	}
	preflight->agent = agent;
	preflight->spec = *spec;
	preflight->spawns = agent->phase == KHO_PHASE_IDLE;
	preflight->result = shared;
	r = kho_command_call(agent->event, &work, on_looked, preflight, &preflight->command, err);
	if (r < 0)
		kho_preflight_free(preflight);
	else
		*ret = preflight;
	return r;
}

struct kho_preflight *kho_preflight_free(struct kho_preflight *preflight)
{
	if (!preflight)
		return NULL;
	kho_command_free(preflight->command);
	munmap(preflight->result, sizeof(*preflight->result));
	free(preflight);
	return NULL;
}

/* ---- what was found ---- */

const struct kho_findings *kho_preflight_images(const struct kho_preflight *preflight)
{
	return &preflight->result->images;
}

const struct kho_findings *kho_preflight_machine(const struct kho_preflight *preflight)
{
	return &preflight->result->machine;
}

const struct kho_finding *kho_preflight_blocker(const struct kho_preflight *preflight)
{
	const struct kho_findings *images = &preflight->result->images;
	const struct kho_finding *first = kho_findings_blocker(&preflight->result->machine);

	for (unsigned int i = 0; !first && preflight->spec.image && i < images->nr; i++)
		if (!images->list[i].warning && images->list[i].kind == KHO_FINDING_IMAGE_DRIVER)
			first = &images->list[i];
	return first;
}

bool kho_preflight_names_image(const struct kho_preflight *preflight)
{
	return preflight->spec.image;
}

bool kho_preflight_blocked(const struct kho_preflight *preflight)
{
	return kho_findings_block(&preflight->result->machine) ||
	       (preflight->spec.image && kho_findings_block(&preflight->result->images));
}

int kho_preflight_lend_json(const struct kho_preflight *preflight, sd_json_variant **ret)
{
	const struct kho_lend *lend = &preflight->result->lend;
	const struct kho_lendable *lendable = &lend->lendable;

	*ret = NULL;
	if (!preflight->spawns)
		return 0;
	return sd_json_buildo(
		ret, SD_JSON_BUILD_PAIR_STRING("cpus", lend->cpus),
		SD_JSON_BUILD_PAIR_UNSIGNED("memoryBytes", lend->memory),
		SD_JSON_BUILD_PAIR_UNSIGNED("mostMemoryBytes", lendable->most),
		SD_JSON_BUILD_PAIR_UNSIGNED("removableBytes", lendable->blocks),
		SD_JSON_BUILD_PAIR_UNSIGNED("movableBytes", lendable->movable),
		SD_JSON_BUILD_PAIR_UNSIGNED("availableBytes", lendable->available),
		SD_JSON_BUILD_PAIR_UNSIGNED("keptBytes", lendable->kept));
}
