// SPDX-License-Identifier: GPL-2.0-only
/* What wants a reboot; reboot_needed.h has the idea. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "upgrade/reboot_needed.h"

#define PREFIX	"linux-image-"
#define SUFFIX	"-unsigned"

bool kho_reboot_is_done(const char *package, const char *release)
{
	char of[128];
	size_t size;

	if (strncmp(package, PREFIX, strlen(PREFIX)) != 0)
		return false;
	package += strlen(PREFIX);
	size = strlen(package);
	/* of others than a kernel's own package it isn't known which one they mean */
	if (!isdigit((unsigned char)package[0]) || size >= sizeof(of))
		return false;
	if (size > strlen(SUFFIX) && strcmp(package + size - strlen(SUFFIX), SUFFIX) == 0)
		size -= strlen(SUFFIX);
	snprintf(of, sizeof(of), "%.*s", (int)size, package);
	return strverscmp(of, release) <= 0;
}

bool kho_reboot_is_name(const char *line)
{
	for (const char *c = line; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("+-.:_~", *c))
			return false;
	return *line && strlen(line) < 128;
}

static bool has(char *const *list, size_t nr, const char *name)
{
	for (size_t i = 0; i < nr; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

size_t kho_reboot_packages(char *text, char *ret[KHO_REBOOT_PACKAGES])
{
	char *line, *rest;
	size_t nr = 0;

	for (line = strtok_r(text, "\n", &rest); line && nr < KHO_REBOOT_PACKAGES;
	     line = strtok_r(NULL, "\n", &rest))
		if (kho_reboot_is_name(line) && !has(ret, nr, line))
			ret[nr++] = line;
	return nr;
}
