/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a PCI function and everything on it call themselves: "pci:v00001AF4...",
 * and below that "virtio:d00000002v00001AF4". An image for a machine that grants
 * the function needs the modules of all of those.
 */
#ifndef KHO_IMAGE_MODALIAS_H
#define KHO_IMAGE_MODALIAS_H

#include "base/err.h"
#include "base/parse.h"
#include "image/strset.h"

/*
 * Adds the modaliases of @addr and of the devices below it to @ret. @sys is
 * where sysfs is ("/sys"). Only a function that has its driver shows what's
 * below it.
 *   -ENOENT  there's no such function
 */
int kho_modalias_collect(const char *sys, const struct kho_pci_addr *addr,
			 struct kho_strset *ret, struct kho_err *err);

#endif
