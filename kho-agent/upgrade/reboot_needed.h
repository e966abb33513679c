/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /run/reboot-required, and what becomes of it in an upgrade. Packages that want a reboot
 * touch the one file and add their name to /run/reboot-required.pkgs; kernel packages do, and
 * so do libc6 or dbus. A new kernel has a /run of its own: what an upgrade to it has done is
 * over, and the rest has to be handed on, or nobody would know any more.
 */
#ifndef KHO_UPGRADE_REBOOT_NEEDED_H
#define KHO_UPGRADE_REBOOT_NEEDED_H

#include <stdbool.h>
#include <stddef.h>

#define KHO_REBOOT_PACKAGES	64u	/* handed on; more don't change what's to be done */

/*
 * Whether @package wants a reboot no longer, once kernel @release runs: it's a kernel
 * ("linux-image-RELEASE"), and not a later one.
 */
bool kho_reboot_is_done(const char *package, const char *release);

/* Whether it may be a package's name. */
bool kho_reboot_is_name(const char *line);

/*
 * Lines of @text, which is changed, that are names of packages, once each; the pointers are
 * into it. Returns how many.
 */
size_t kho_reboot_packages(char *text, char *ret[KHO_REBOOT_PACKAGES]);

#endif
