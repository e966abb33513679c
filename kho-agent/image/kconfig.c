// SPDX-License-Identifier: GPL-2.0-only
/* Looks into a kernel's configuration. */
#include <string.h>

#include "image/kconfig.h"

bool kho_kconfig_has(const char *config, size_t size, const char *option)
{
	size_t length = strlen(option);
	const char *end = config + size, *at = config;

	while (size && (at = memmem(at, (size_t)(end - at), option, length))) {
		const char *value = at + length;

		if ((at == config || at[-1] == '\n') && end - value >= 2 &&
		    value[0] == '=' && value[1] == 'y' &&
		    (end - value == 2 || value[2] == '\n'))
			return true;
		at = value;
	}
	return false;
}
