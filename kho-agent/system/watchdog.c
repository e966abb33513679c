// SPDX-License-Identifier: GPL-2.0-only
/* systemd's watchdog for restarts; watchdog.h says what for. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "system/proc.h"
#include "system/watchdog.h"

#define TIMEOUT_MS	30000
#define PROPERTY	"org.freedesktop.systemd1", "/org/freedesktop/systemd1", \
			"org.freedesktop.systemd1.Manager", "RebootWatchdogUSec"

/* "t 600000000\n" */
static int parse(char *text, uint64_t *ret, struct kho_err *err)
{
	text[strcspn(text, "\n")] = '\0';
	if (strncmp(text, "t ", 2) != 0 || kho_parse_u64(text + 2, ret, NULL) < 0)
		return kho_fail(err, -EBADMSG, "systemd's RebootWatchdogUSec is \"%.40s\", no "
				"number; set RebootWatchdogSec=off in system.conf", text);
	return 0;
}

int kho_reboot_watchdog_get(uint64_t *ret_usec, struct kho_err *err)
{
	static const char *const argv[] = { "busctl", "get-property", PROPERTY, NULL };
	const struct kho_proc_spec spec = { .argv = argv, .timeout_ms = TIMEOUT_MS };
	struct kho_proc_result result;
	int r = kho_proc_run(&spec, &result, err);

	if (r < 0)
		return r;
	if (result.exit_code != 0)
		r = kho_fail(err, -EIO, "busctl can't ask systemd for RebootWatchdogUSec: %.200s",
			     result.err);
	else
		r = parse(result.out, ret_usec, err);
	kho_proc_result_done(&result);
	return r;
}

int kho_reboot_watchdog_set(uint64_t usec, struct kho_err *err)
{
	char value[24];
	const char *const argv[] = { "busctl", "set-property", PROPERTY, "t", value, NULL };
	const struct kho_proc_spec spec = { .argv = argv, .timeout_ms = TIMEOUT_MS };

	snprintf(value, sizeof(value), "%" PRIu64, usec);
	return kho_proc_check(&spec, err);
}
