/* SPDX-License-Identifier: GPL-2.0-only */
/* The files of tests/unit/golden/signed; make-signed.sh says what they are. */
#ifndef TESTS_SIGNED_H
#define TESTS_SIGNED_H

#include <stddef.h>
#include <stdint.h>

#define SIGNED_MAX 8192

struct signed_file {
	uint8_t data[SIGNED_MAX];	/* zeros behind the file */
	size_t size;
};

void signed_read(const char *name, struct signed_file *ret);

#endif
