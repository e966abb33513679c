// SPDX-License-Identifier: GPL-2.0-only
/* What retiring has changed, as text; retiring.h has its form. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "upgrade/retiring.h"

#define HEAD	"kho-retiring 1"

int kho_retiring_format(const struct kho_retiring *retiring, char *text, size_t size)
{
	char cpus[KHO_CPUS_TEXT];
	int length = kho_cpus_format(&retiring->cpus, cpus, sizeof(cpus));

	if (length < 0)
		return -EINVAL;
	length = snprintf(text, size, HEAD "\ncpus %s\nwatchdog %" PRIu64 "\n", cpus,
			  retiring->watchdog_usec);
	return length < 0 || (size_t)length >= size ? -EINVAL : 0;
}

/* The value of the next line, which has to have that name. */
static char *next_value(char **rest, const char *name)
{
	char *line = *rest, *end = strchr(line, '\n');
	size_t length = strlen(name);

	if (!end || strncmp(line, name, length) != 0 || line[length] != ' ')
		return NULL;
	*end = '\0';
	*rest = end + 1;
	return line + length + 1;
}

int kho_retiring_parse(char *text, struct kho_retiring *ret, struct kho_err *err)
{
	struct kho_retiring retiring = {};
	char *rest = text, *cpus, *watchdog;
	char *head = next_value(&rest, "kho-retiring");

	cpus = head ? next_value(&rest, "cpus") : NULL;
	watchdog = cpus ? next_value(&rest, "watchdog") : NULL;
	if (!watchdog || strcmp(head, "1") != 0 || *rest ||
	    (*cpus && kho_parse_cpus(cpus, &retiring.cpus, NULL) < 0) ||
	    kho_parse_u64(watchdog, &retiring.watchdog_usec, NULL) < 0)
		return kho_fail(err, -EBADMSG, "what was changed to retire isn't known any more; see "
				"that all CPUs are online, or restart the machine");
	*ret = retiring;
	return 0;
}
