/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Golden files: layouts that another version, or another program, reads.
 *
 * They lie in $KHO_TEST_DATA (default tests/unit/golden, from the top of the
 * checkout). With KHO_GOLDEN_WRITE set, a test writes what it made instead of
 * comparing: look at the difference before it is committed.
 */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include <stddef.h>

/* Fails the running Check test unless @data is what the file @name holds. */
void golden_compare(const char *name, const void *data, size_t size);

#endif
