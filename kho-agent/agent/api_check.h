/* SPDX-License-Identifier: GPL-2.0-only */
/* The methods that only look, Check and Report; api.c has the others. */
#ifndef KHO_AGENT_API_CHECK_H
#define KHO_AGENT_API_CHECK_H

#include <systemd/sd-varlink.h>

int kho_method_check(sd_varlink *link, sd_json_variant *parameters,
		     sd_varlink_method_flags_t flags, void *userdata);
int kho_method_report(sd_varlink *link, sd_json_variant *parameters,
		      sd_varlink_method_flags_t flags, void *userdata);

#endif
