/* SPDX-License-Identifier: GPL-2.0-only */
/* What of the target images that are there would keep a spawn from going well. */
#ifndef KHO_AGENT_CHECK_IMAGES_H
#define KHO_AGENT_CHECK_IMAGES_H

#include "migrate/workload/config.h"
#include "migrate/workload/inspect.h"
#include "upgrade/preflight.h"

struct kho_check_images {
	const struct kho_config *config;
	const char *only;		/* an image's folder; NULL: all in the usual one */
	const struct kho_given *given;	/* functions that the new kernel would get */
	size_t nr_given;
};

/*
 * Looks at images: their kernels are read and hashed, which takes seconds on a slow machine
 * and is for a child process. Nothing is changed. With Signatures=off signatures aren't
 * looked at. A finding's place is the image's folder. *@ret_contiguous: what the largest of
 * their kernels takes in one piece.
 */
void kho_check_images(const struct kho_check_images *check, struct kho_findings *ret,
		      uint64_t *ret_contiguous);

#endif
