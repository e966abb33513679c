// SPDX-License-Identifier: GPL-2.0-only
/* Slowing a workload down; slow.h has the idea. */
#include <glob.h>
#include <stdio.h>

#include "agent/slow.h"
#include "migrate/workload/throttle.h"

#define KEPT		KHO_RUN_DIR "/slow-"

static void kept_path(const struct kho_departure *d, char ret[160])
{
	snprintf(ret, 160, KEPT "%s", d->config->name);
}

void kho_slow_begin_round(struct kho_departure *d)
{
	if (kho_throttle_usage(d->unit.cgroup, &d->round_cpu_ns, NULL) < 0)
		d->round_cpu_ns = 0;
}

uint64_t kho_slow_round_cpu_ns(const struct kho_departure *d)
{
	uint64_t now;

	if (!d->round_cpu_ns || kho_throttle_usage(d->unit.cgroup, &now, NULL) < 0)
		return 0;
	return now > d->round_cpu_ns ? now - d->round_cpu_ns : 0;
}

int kho_slow_down(struct kho_departure *d, struct kho_err *err)
{
	uint32_t permille = kho_rounds_slow(&d->rounds);
	char kept[160];
	const struct kho_throttle throttle = { .cgroup = d->unit.cgroup, .kept = kept };
	int r;

	kept_path(d, kept);
	r = kho_throttle_set(&throttle, permille, err);
	if (r < 0)
		return kho_wrap(err, r, "it can't be slowed down");
	kho_agent_progress(d->mover->agent, "%s: slowed down to %u.%u %% of a CPU",
			   d->config->name, permille / 10, permille % 10);
	return 0;
}

static void end(struct kho_agent *agent, const char *kept)
{
	struct kho_err err;

	if (kho_throttle_end(kept, &err) < 0)
		kho_agent_progress(agent, "a workload stays slowed down: %s", err.msg);
}

void kho_slow_end(struct kho_departure *d)
{
	char kept[160];

	kept_path(d, kept);
	end(d->mover->agent, kept);
}

void kho_slow_end_all(struct kho_agent *agent)
{
	glob_t found = {};

	glob(KEPT "*", 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++)
		end(agent, found.gl_pathv[i]);
	globfree(&found);
}
