// SPDX-License-Identifier: GPL-2.0-only
/* kho-agent, the program: start.c has what it does. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "agent/agent.h"
#include "base/version.h"

int main(int argc, char **argv)
{
	const struct kho_agent_host host = {};
	struct kho_err err = {};

	if (argc > 1) {
		printf("kho-agent " KHO_VERSION "\n"
		       "The daemon of live kernel upgrades; takes no arguments. See khoctl(8).\n");
		return strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "--help") == 0 ? 0 : 2;
	}
	signal(SIGPIPE, SIG_IGN);
	/* images are large and short-lived: their memory goes back when they're freed */
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
	if (kho_agent_run(&host, &err) >= 0)
		return 0;
	fprintf(stderr, SD_ERR "%s\n", err.msg);
	return 1;
}
