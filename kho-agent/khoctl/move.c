// SPDX-License-Identifier: GPL-2.0-only
/* khoctl move: moves all configured workloads to the spawned kernel. */
#include <getopt.h>

#include "api/api.h"
#include "khoctl/khoctl.h"

static const struct option move_options[] = {
	{ "no-rehearsal", no_argument, NULL, 'n' },
	{}
};

static int parse_move(int argc, char **argv, bool *rehearse)
{
	int option;

	while ((option = getopt_long(argc, argv, "", move_options, NULL)) != -1) {
		if (option != 'n')
			return KHO_EXIT_USAGE;
		*rehearse = false;
	}
	return optind == argc ? 0 : kho_usage_error("%s takes no argument", argv[0]);
}

int verb_move(int argc, char **argv)
{
	struct kho_call call = {
		.method = KHO_API_METHOD("Move"),
		.progress = kho_show_progress,
	};
	bool rehearse = true;
	int r = parse_move(argc, argv, &rehearse);

	if (r)
		return r;
	if (!rehearse && sd_json_buildo(&call.parameters,
					SD_JSON_BUILD_PAIR_BOOLEAN("rehearse", false)) < 0)
		return KHO_EXIT_FAILED;
	return kho_call_and_print(&call);
}
