// SPDX-License-Identifier: GPL-2.0-only
/* khoctl fleet: by kho-fleet, a program of its own, which khoctl becomes. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "khoctl/khoctl.h"

#define PROGRAM		"/usr/libexec/kho-agent/kho-fleet"
#define ARGUMENTS	16

int verb_fleet(int argc, char **argv)
{
	char *args[ARGUMENTS + 3] = { (char *)(uintptr_t)"kho-fleet" };
	struct kho_err err;
	int nr = 1;

	if (argc > ARGUMENTS)
		return kho_usage_error("fleet has too many arguments");
	if (arg_json)
		args[nr++] = (char *)(uintptr_t)"--json";
	for (int i = 1; i < argc; i++)
		args[nr++] = argv[i];
	execv(PROGRAM, args);
	kho_fail(&err, -errno, PROGRAM ": %s; install the package kho-fleet", strerror(errno));
	return kho_report(&err);
}
