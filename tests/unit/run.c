// SPDX-License-Identifier: GPL-2.0-only
/* Runs a suite; how loud, and where results go, is what Check's variables say. */
#include <stdlib.h>

#include "unit/run.h"

int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
