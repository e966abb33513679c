/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each errno of each call on /dev/multikernel means to an operator. Used by
 * device.c; apart from it because it is a table and nothing else.
 */
#ifndef KHO_SYSTEM_DEVICE_CAUSES_H
#define KHO_SYSTEM_DEVICE_CAUSES_H

/*
 * Cause and remedy, "cause; remedy", of @code (a negative errno) from the ioctl
 * @request, or from what every ioctl can fail with. NULL: uapi/multikernel.h says
 * nothing of it.
 */
const char *kho_device_cause(unsigned long request, int code);

#endif
