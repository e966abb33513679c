// SPDX-License-Identifier: GPL-2.0-only
/* Verbs that are one word to the agent, and nothing else. */
#include "api/api.h"
#include "khoctl/khoctl.h"

static int say(int argc, char **argv, const char *method, kho_progress_fn progress)
{
	struct kho_call call = { .method = method, .progress = progress };

	if (argc != 1)
		return kho_usage_error("%s takes no argument", argv[0]);
	return kho_call_and_print(&call);
}

int verb_commit(int argc, char **argv)
{
	return say(argc, argv, KHO_API_METHOD("Commit"), NULL);
}

int verb_abort(int argc, char **argv)
{
	return say(argc, argv, KHO_API_METHOD("Abort"), NULL);
}

int verb_reclaim(int argc, char **argv)
{
	return say(argc, argv, KHO_API_METHOD("Reclaim"), NULL);
}

int verb_rollback(int argc, char **argv)
{
	return say(argc, argv, KHO_API_METHOD("Rollback"), kho_show_progress);
}

int verb_failover(int argc, char **argv)
{
	return say(argc, argv, KHO_API_METHOD("Failover"), kho_show_progress);
}

int verb_retire(int argc, char **argv)
{
	return say(argc, argv, KHO_API_METHOD("Retire"), kho_show_progress);
}
