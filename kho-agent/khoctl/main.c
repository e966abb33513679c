// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl: the operator's command. Each verb is one function in a file of its own
 * and one row of the table below, from which the help is printed, too.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/version.h"
#include "khoctl/khoctl.h"

bool arg_json;
const char *arg_socket = KHO_API_SOCKET;

static const struct {
	const char *name;
	kho_verb_fn run;
	const char *arguments;
	const char *help;
} verbs[] = {
	{ "status", verb_status, "", "what this kernel is and what is under way" },
	{ "watch", verb_watch, "[--until-over]", "the same as it changes; on a terminal: full-screen" },
	{ "upgrade", verb_upgrade, "IMAGE [OPTION...]", "replace this kernel, and move the workloads" },
	{ "plan", verb_plan, "IMAGE [OPTION...]", "what an upgrade would do, without doing it" },
	{ "commit", verb_commit, "", "end an upgrade's soak: this kernel retires" },
	{ "abort", verb_abort, "", "undo an upgrade, from whatever state before that" },
	{ "history", verb_history, "", "upgrades that are over" },
	{ "show", verb_show, "ID|--file=FILE [--svg]", "one of them, with all that's known; as a picture" },
	{ "spawn", verb_spawn, "IMAGE [OPTION...]", "boot IMAGE beside this kernel" },
	{ "reclaim", verb_reclaim, "", "take everything back from the spawned kernel" },
	{ "check", verb_check, "[IMAGE] [OPTIONS]", "what is in the way of an upgrade; changes nothing" },
	{ "move", verb_move, "[--no-rehearsal]", "move all configured workloads to the spawned kernel" },
	{ "rollback", verb_rollback, "", "move them back, with the state that they have now" },
	{ "failover", verb_failover, "", "give the new kernel up, start its workloads anew here" },
	{ "report", verb_report, "", "what the last move did, and how long it took" },
	{ "metrics", verb_metrics, "[--openmetrics]", "what this agent shows to Prometheus" },
	{ "retire", verb_retire, "", "give the machine to the spawned kernel" },
	{ "grant", verb_grant, "PCI-ADDRESS", "give a PCI function to the spawned kernel" },
	{ "revoke", verb_revoke, "PCI-ADDRESS", "take a PCI function back" },
	{ "console", verb_console, "[--follow] [--type=TEXT]", "what the spawned kernel prints" },
	{ "dmesg", verb_dmesg, "", "the spawned kernel's log, out of its memory" },
	{ "bench", verb_bench, "", "measure the channel to the spawned kernel" },
	{ "fleet", verb_fleet, "VERB ...", "rollouts to many machines; khoctl fleet --help" },
	{ "config", verb_config, "check|show", "whether the configuration is valid; all of it" },
	{ "workload", verb_workload, "list|test NAME", "what's configured; try one without a move" },
	{ "volume", verb_volume, "start|stop NAME", "mount or unmount a configured volume" },
	{ "image", verb_image, "VERB ...", "images: build, list, inspect, show, clear, stage, unstage" },
};

static void print_help(void)
{
	printf("khoctl [--json] [--socket=PATH] VERB [ARGUMENT...]\n\n"
	       "Replaces the running kernel while the machine goes on.\n\n");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		printf("  %-9s %-29s %s\n", verbs[i].name, verbs[i].arguments, verbs[i].help);
	printf("\nOptions of spawn and upgrade:\n"
	       "  --cpus=LIST      CPUs to give, as in 2-3; by default half of those online\n"
	       "  --memory=SIZE    memory to give, as in 1G; by default a quarter\n"
	       "  --blocks=LIST    memory blocks to give, instead of --memory\n"
	       "  --append=TEXT    more for the new kernel's command line\n"
	       "  --timeout=SEC    until the new agent says hello, by default 120\n"
	       "  --force          though the image failed before; its signature counts as ever\n"
	       "\nOptions of upgrade:\n"
	       "  --soak=SEC       this kernel stands by for so long after the move\n"
	       "  --hold           ... until khoctl commit or khoctl abort\n"
	       "  --now            in spite of the time windows (Windows=)\n"
	       "  --if-needed      nothing if the image's kernel release runs already\n"
	       "  --no-rehearsal   don't restore a copy of each workload there first\n"
	       "  --keep-failed    leave a new kernel that failed running, to be looked at\n"
	       "  --dry-run        as khoctl plan\n"
	       "  --method=HOW     spawn, the default, or kexec: without a second kernel\n"
	       "  --wait           wait for the end, which is the default\n"
	       "  --no-wait        don't wait for the end; khoctl status shows how it goes\n"
	       "\nOptions of show:\n"
	       "  --client=FILE    for --svg: what clients saw\n"
	       "\nOptions of image build NAME RELEASE:\n"
	       "  --output=DIR     where the image's folder goes\n"
	       "  --append=TEXT    the command line\n"
	       "  --module=NAME    a module more; may be given again, as the next two\n"
	       "  --program=NAME   a program more\n"
	       "  --file=FILE[:TO] a file or folder more, to be there as TO\n"
	       "  --system         this system as a whole\n"
	       "  --exclude=PATH   but for this; may be given again\n"
	       "  --replace        an image of that name\n"
	       "\nExit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 no agent, 5 timed out,\n"
	       "6 check: something is in the way, 7 the image's signature isn't good, or it failed before,\n"
	       "8 denied: only root, or members of ReadGroup=, may do that\n");
}

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "socket", required_argument, NULL, 's' },
	{ "version", no_argument, NULL, 'V' },
	{}
};

static int run_verb(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[0], verbs[i].name) == 0)
			return verbs[i].run(argc, argv);
	return kho_usage_error("there's no verb '%s'", argv[0]);
}

int main(int argc, char **argv)
{
	int option;

	kho_take_json(&argc, argv);
	/* '+': options behind the verb are the verb's */
	while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		switch (option) {
		case 'h':
			print_help();
			return KHO_EXIT_OK;
		case 'V':
			puts("khoctl " KHO_VERSION);
			return KHO_EXIT_OK;
		case 's':
			arg_socket = optarg;
			break;
		default:
			return KHO_EXIT_USAGE;
		}
	}
	if (optind == argc)
		return kho_usage_error("a verb is missing");
	argc -= optind;
	argv += optind;
	optind = 0;
	return run_verb(argc, argv);
}
