// SPDX-License-Identifier: GPL-2.0-only
/* What both kernels' probes saw, on one clock; measured.h has the idea. */
#include <stdio.h>
#include <string.h>

#include "bpf/measured.h"

#define DAY_NS	(24ull * 3600 * 1000000000)

const char *kho_interval_name(enum kho_interval_kind kind)
{
	static const char *const names[_KHO_INTERVAL_MAX] = {
		[KHO_INTERVAL_FROZEN] = "frozen",
		[KHO_INTERVAL_SILENT] = "silent",
		[KHO_INTERVAL_CALL] = "first_syscall",
		[KHO_INTERVAL_PACKET] = "first_packet",
	};

	return names[kind];
}

void kho_sighting_none(struct kho_sighting *ret, const char *why)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned int probe = 0; probe < _KHO_PROBE_MAX; probe++)
		snprintf(ret->why[probe], KHO_PROBE_WHY, "%.*s", (int)KHO_PROBE_WHY - 1, why);
}

int kho_sighting_make(const struct kho_seen *seen, const struct kho_clock_sample *sample,
		      uint32_t tsc_khz, struct kho_sighting *ret, struct kho_err *err)
{
	struct kho_sighting s = {
		.faults = seen->faults,
		.dropped = seen->frozen.dropped + seen->silent.unread + seen->faults.dropped,
	};
	const struct {
		uint64_t ns;
		uint64_t *tsc;
	} times[] = {
		{ seen->frozen.last_out_ns, &s.last_run },
		{ seen->frozen.first_in_ns, &s.first_run },
		{ seen->frozen.first_call_ns, &s.first_call },
		{ seen->silent.last_out_ns, &s.last_packet },
		{ seen->silent.first_out_ns, &s.first_packet },
	};

	memcpy(s.why, seen->why, sizeof(s.why));
	for (unsigned int i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		int r = times[i].ns ? kho_clock_tsc_at(sample, tsc_khz, times[i].ns, times[i].tsc,
						       err) : 0;

		if (r < 0)
			return r;
	}
	*ret = s;
	return 0;
}

/* A point in time as one kernel saw it. */
struct point {
	uint64_t tsc;
	const char *why;		/* its probe's; "": it was there */
	const char *which;		/* "old", "new" */
	const char *what;		/* that wasn't seen, if the probe was there */
};

static void set_why(char why[KHO_PROBE_WHY], const struct point *point)
{
	if (*point->why)
		snprintf(why, KHO_PROBE_WHY, "%s kernel: %.180s", point->which, point->why);
	else
		snprintf(why, KHO_PROBE_WHY, "%s kernel: %s", point->which, point->what);
}

static bool is_seen(const struct point *point)
{
	return !*point->why && point->tsc;
}

static struct kho_interval between(const struct point *from, const struct point *to, uint32_t tsc_khz)
{
	struct kho_interval span = {};
	unsigned __int128 ns;

	if (!is_seen(from) || !is_seen(to)) {
		set_why(span.why, is_seen(from) ? to : from);
		return span;
	}
	ns = tsc_khz && to->tsc >= from->tsc ?
	     (unsigned __int128)(to->tsc - from->tsc) * 1000000 / tsc_khz : DAY_NS + 1;
	if (ns > DAY_NS) {
		snprintf(span.why, sizeof(span.why), "the two kernels' times don't agree");
		return span;
	}
	span.known = true;
	span.ns = (uint64_t)ns;
	return span;
}

void kho_measured_join(const struct kho_sighting *left, const struct kho_sighting *came,
		       uint32_t tsc_khz, struct kho_measured *ret)
{
	const struct point last_run = { left->last_run, left->why[KHO_PROBE_FROZEN], "old",
					"none of its tasks ran in the time before" };
	const struct point first_run = { came->first_run, came->why[KHO_PROBE_FROZEN], "new",
					 "none of its tasks was seen to run" };
	const struct point call = { came->first_call, came->why[KHO_PROBE_FROZEN], "new",
				    "it made no system call meanwhile" };
	const struct point last_packet = { left->last_packet, left->why[KHO_PROBE_SILENT], "old",
					   "it sent no packet in the time before" };
	const struct point packet = { came->first_packet, came->why[KHO_PROBE_SILENT], "new",
				      "it sent no packet meanwhile" };

	*ret = (struct kho_measured){
		.intervals = {
			[KHO_INTERVAL_FROZEN] = between(&last_run, &first_run, tsc_khz),
			[KHO_INTERVAL_SILENT] = between(&last_packet, &packet, tsc_khz),
			[KHO_INTERVAL_CALL] = between(&first_run, &call, tsc_khz),
			[KHO_INTERVAL_PACKET] = between(&first_run, &packet, tsc_khz),
		},
		.has_faults = !*came->why[KHO_PROBE_FAULTS],
		.dropped = left->dropped + came->dropped,
	};
	if (ret->has_faults)
		ret->faults = came->faults;
	else
		snprintf(ret->why_no_faults, KHO_PROBE_WHY, "new kernel: %.180s",
			 came->why[KHO_PROBE_FAULTS]);
}
