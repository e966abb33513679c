/* SPDX-License-Identifier: GPL-2.0-only */
/* Values as agents have them, for what renders them. */
#ifndef TESTS_FAKE_METRICS_H
#define TESTS_FAKE_METRICS_H

#include <stdint.h>

#include "metrics/metrics.h"

/* An entry of the history, as in docs/report.md, or tests/unit/data/NAME. A reference. */
sd_json_variant *fake_entry(const char *name);

/* A kernel that's idle, was never upgraded and knows of nothing; all else is absent. */
struct kho_metrics fake_idle(void);

/*
 * One in the middle of a move, with all that there can be, after an upgrade that went well
 * and one that was rolled back: @past is filled. @now_ms: what times are before.
 */
struct kho_metrics fake_moving(struct kho_past *past, uint64_t now_ms);

#endif
