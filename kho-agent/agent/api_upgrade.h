/* SPDX-License-Identifier: GPL-2.0-only */
/* The methods of whole upgrades: Plan, Start, Commit, Abort, History, Show. */
#ifndef KHO_AGENT_API_UPGRADE_H
#define KHO_AGENT_API_UPGRADE_H

#include "agent/upgrade_run.h"

int kho_method_start(sd_varlink *link, sd_json_variant *parameters,
		     sd_varlink_method_flags_t flags, void *userdata);
int kho_method_plan(sd_varlink *link, sd_json_variant *parameters,
		    sd_varlink_method_flags_t flags, void *userdata);
int kho_method_commit(sd_varlink *link, sd_json_variant *parameters,
		      sd_varlink_method_flags_t flags, void *userdata);
int kho_method_abort(sd_varlink *link, sd_json_variant *parameters,
		     sd_varlink_method_flags_t flags, void *userdata);
int kho_method_history(sd_varlink *link, sd_json_variant *parameters,
		       sd_varlink_method_flags_t flags, void *userdata);
int kho_method_show(sd_varlink *link, sd_json_variant *parameters,
		    sd_varlink_method_flags_t flags, void *userdata);

/* What Spawn and Start have in common. As sd_varlink_dispatch(); texts are the message's. */
int kho_api_spawn_parameters(sd_varlink *link, sd_json_variant *parameters,
			     struct kho_upgrade_request *ret);

/* What's under way, for Status: {id, state, image, by, held?, soakLeftMs?}. NULL: nothing. */
sd_json_variant *kho_upgrade_json(const struct kho_agent *agent);

#endif
