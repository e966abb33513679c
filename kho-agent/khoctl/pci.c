// SPDX-License-Identifier: GPL-2.0-only
/* khoctl grant, revoke: PCI functions. */
#include "api/api.h"
#include "base/parse.h"
#include "khoctl/khoctl.h"

static int call_with_function(const char *method, int argc, char **argv)
{
	struct kho_call call = { .method = method };
	struct kho_pci_addr addr;
	struct kho_err err;
	int r;

	if (argc != 2)
		return kho_usage_error("%s takes one PCI address", argv[0]);
	if (kho_parse_pci(argv[1], &addr, &err) < 0)
		return kho_usage_error("%s", err.msg);
	r = sd_json_buildo(&call.parameters, SD_JSON_BUILD_PAIR_STRING("function", argv[1]));
	return r < 0 ? KHO_EXIT_FAILED : kho_call_and_print(&call);
}

int verb_grant(int argc, char **argv)
{
	return call_with_function(KHO_API_METHOD("Grant"), argc, argv);
}

int verb_revoke(int argc, char **argv)
{
	return call_with_function(KHO_API_METHOD("Revoke"), argc, argv);
}
