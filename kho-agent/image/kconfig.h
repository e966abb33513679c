/* SPDX-License-Identifier: GPL-2.0-only */
/* A kernel's configuration, as packages have it beside the kernel. Pure. */
#ifndef KHO_IMAGE_KCONFIG_H
#define KHO_IMAGE_KCONFIG_H

#include <stdbool.h>
#include <stddef.h>

/* Whether @config, of @size bytes, has the line "@option=y". NULL with 0 has none. */
bool kho_kconfig_has(const char *config, size_t size, const char *option);

#endif
