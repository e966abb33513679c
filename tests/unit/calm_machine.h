/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a played machine of a fleet (struct kho_machine_ops) does where its test has no wish: it goes
 * by this kernel's clocks, whatever is asked is well, and an abort changes nothing.
 */
#ifndef KHO_TESTS_UNIT_CALM_MACHINE_H
#define KHO_TESTS_UNIT_CALM_MACHINE_H

#include "base/now.h"
#include "fleet/member.h"

static inline uint64_t calm_now_ms(void *ctx)
{
	(void)ctx;
	return kho_now_ms(CLOCK_REALTIME);
}

static inline uint64_t calm_mono_ms(void *ctx)
{
	(void)ctx;
	return kho_now_ms(CLOCK_BOOTTIME);
}

static inline int calm_abort(void *ctx, const char *why, struct kho_err *err)
{
	(void)ctx;
	(void)why;
	(void)err;
	return 0;
}

static inline enum kho_verdict calm_check(void *ctx, const struct kho_rollout_spec *spec,
					  enum kho_ask ask, char message[KHO_FLEET_MESSAGE])
{
	(void)ctx;
	(void)spec;
	(void)ask;
	message[0] = '\0';
	return KHO_VERDICT_GOOD;
}

#endif
