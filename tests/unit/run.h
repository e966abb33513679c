/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs a suite: what main() of every Check program comes to. */
#ifndef TESTS_RUN_H
#define TESTS_RUN_H

#include <check.h>

/* Takes over @suite. Returns what main() is to return. */
int run_suite(Suite *suite);

#endif
