/* SPDX-License-Identifier: GPL-2.0-only */
/* What of the target images that are there would keep a spawn from going well. */
#ifndef KHO_AGENT_CHECK_IMAGES_H
#define KHO_AGENT_CHECK_IMAGES_H

#include "migrate/workload/config.h"
#include "migrate/workload/inspect.h"

/*
 * Looks at all images in the usual folder: their kernels are read and hashed, which takes
 * seconds on a slow machine and is for a child process. Nothing is changed. With
 * Signatures=off signatures aren't looked at. A finding's place is the image's folder.
 */
void kho_check_images(const struct kho_config *config, struct kho_findings *ret);

#endif
