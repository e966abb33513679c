// SPDX-License-Identifier: GPL-2.0-only
/* Values as agents have them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_metrics.h"

/* Not by Check: tests/metrics/serve.c isn't a test. */
static void fail_on(const char *path)
{
	fprintf(stderr, "%s: run it from the top of the sources\n", path);
	abort();
}

sd_json_variant *fake_entry(const char *name)
{
	sd_json_variant *v = NULL;
	char path[128];

	snprintf(path, sizeof(path), "tests/unit/data/%s", name);
	if (sd_json_parse_file(NULL, path, 0, &v, NULL, NULL) < 0)
		fail_on(path);
	return v;
}

struct kho_metrics fake_idle(void)
{
	return (struct kho_metrics){
		.version = "0.1", .role = "first", .release = "6.12.117+deb13-cloud-amd64",
		.phase = "idle", .online_cpus = 4,
	};
}

static void add(struct kho_past *past, const char *name)
{
	sd_json_variant *entry = fake_entry(name);

	if (kho_past_add(past, entry) < 0)
		fail_on(name);
	sd_json_variant_unref(entry);
}

static const struct kho_progress progress = {
	.state = "running", .phase = "sync", .step = "pre-copy", .nr = 2,
	.workloads = {
		{
			.name = "redis", .state = "copying", .rounds = 2, .bytes = 569638912,
			.dirty_per_sec = 5242880, .predicted_ms = 1280,
		},
		/* no round of it is over */
		{ .name = "a\"b\\c", .state = "here" },
	},
};

static const struct kho_metrics_session session = {
	.known = true, .link = KHO_LINK_UP, .silent_ms = { true, 250 }, .peer_state = "running",
	.stats = {
		.messages_in = 120, .messages_out = 119, .bytes_in = 9000, .bytes_out = 8100,
		.stale = 1, .blocked = 2, .ring_failures = 3,
	},
	.owner_known = true, .owner = { .epoch = 3 }, .owned_here = true,
	.region_bytes = 1ull << 30,
};

struct kho_metrics fake_moving(struct kho_past *past, uint64_t now_ms)
{
	struct kho_metrics m = fake_idle();

	*past = (struct kho_past){};
	add(past, "committed.json");
	add(past, "rolled-back.json");
	m.role = "spawned";
	m.instance = 2;
	m.phase = "sync";
	m.failed = true;
	m.online_cpus = 2;
	m.lent_cpus = 2;
	m.held_functions = 1;
	m.upgrade = (struct kho_metrics_upgrade){ "move", now_ms - 30000, false };
	m.session = session;
	m.progress = progress;
	m.check.known = true;
	m.check.at_ms = now_ms - 60000;
	m.check.blockers[KHO_FINDING_IO_URING] = 2;
	m.check.warnings[KHO_FINDING_KDUMP] = 1;
	m.refused_known = true;
	m.refused[KHO_REFUSED_PANICKED] = 1;
	m.past = past;
	return m;
}
