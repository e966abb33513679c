/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A minimal bzImage for tests: a correct header, a version text, and a "kernel"
 * of FAKE_KERNEL_SIZE bytes that follow a pattern. Tests damage it as they like.
 */
#ifndef TESTS_FAKE_IMAGE_H
#define TESTS_FAKE_IMAGE_H

#include <asm/bootparam.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_SETUP_SIZE		1024u		/* one setup sector */
#define FAKE_KERNEL_SIZE	8192u
#define FAKE_IMAGE_SIZE		(FAKE_SETUP_SIZE + FAKE_KERNEL_SIZE)
#define FAKE_PE_OFFSET		0x80u
#define FAKE_VERSION_OFFSET	0x300u
#define FAKE_INIT_SIZE		(4u << 20)
#define FAKE_CMDLINE_SIZE	2047u
#define FAKE_RELEASE		"7.3.4+deb14-cloud-amd64"
#define FAKE_VERSION		FAKE_RELEASE " (debian-kernel@lists.debian.org) #1 SMP"

struct fake_image {
	uint8_t data[FAKE_IMAGE_SIZE];
};

void fake_image_init(struct fake_image *image);

/* The setup header inside @image; packed, so any alignment will do. */
struct setup_header *fake_image_header(struct fake_image *image);

#endif
