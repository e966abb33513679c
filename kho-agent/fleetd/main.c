// SPDX-License-Identifier: GPL-2.0-only
/* kho-fleet's verbs; fleetd.h has the idea. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/bits.h"
#include "base/version.h"
#include "fleetd/fleetd.h"

bool arg_json;
const char *arg_socket = KHO_API_SOCKET;

static const struct {
	const char *name;
	kho_verb_fn run;
	const char *arguments, *help;
} verbs[] = {
	{ "start", fleet_start, "FILE [--steal] [--reason=TEXT]", "begin a rollout" },
	{ "status", fleet_status, "", "the rollout, its waves and machines" },
	{ "watch", fleet_watch, "", "the same as it changes, until it's over" },
	{ "pause", fleet_change, "[--reason=TEXT]", "begin nothing more; what's under way finishes" },
	{ "resume", fleet_change, "[--reason=TEXT]", "go on; after a halt, failures are tried again" },
	{ "abort", fleet_change, "[--reason=TEXT]", "end the rollout; what's under way finishes" },
	{ "history", fleet_history, "[--audit]", "rollouts that are over; who said what" },
	{ "forget", fleet_change, "MACHINE", "a machine that won't come back" },
	{ "lock", fleet_lock, "", "take a slot of the FleetLock server" },
	{ "unlock", fleet_lock, "", "give it back" },
	{ "run", fleet_run, "", "this machine's part; for kho-fleet.service" },
};

static int print_help(void)
{
	printf("usage: khoctl [--json] fleet VERB [ARGUMENTS]\n\n");
	for (size_t i = 0; i < KHO_ARRAY_SIZE(verbs); i++)
		printf("  %-8s %-32s %s\n", verbs[i].name, verbs[i].arguments, verbs[i].help);
	printf("\nExit codes: 0 done, 1 failed (watch: halted or aborted), 2 usage, 3 refused, 5 etcd\n"
	       "doesn't answer, 8 denied. See khoctl(8).\n");
	return KHO_EXIT_OK;
}

int fleet_report(const struct kho_err *err)
{
	int r = kho_report(err);

	return err->code == -ECONNREFUSED ? KHO_EXIT_TIMEOUT : r;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	kho_take_json(&argc, argv);
	if (argc > 1 && argv[1][0] == '-') {
		if (strcmp(argv[1], "--version") == 0)
			return puts("kho-fleet " KHO_VERSION) < 0;
		return strcmp(argv[1], "--help") == 0 ? print_help() :
		       kho_usage_error("there's no option '%s'", argv[1]);
	}
	for (size_t i = 0; argc > 1 && i < KHO_ARRAY_SIZE(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	return argc > 1 ? kho_usage_error("fleet has no verb '%s'", argv[1]) : print_help();
}
