// SPDX-License-Identifier: GPL-2.0-only
/* What khoctl's verbs share: --json wherever it stands. */
#include <stdio.h>
#include <string.h>

#include "khoctl/khoctl.h"
#include "tests/unit/run.h"

bool arg_json;
const char *arg_socket = "";

#define WORDS(...)	((char *[]){ (char *)(uintptr_t)"khoctl", __VA_ARGS__ NULL })
#define W(text)		(char *)(uintptr_t)(text),

/* What's left of @argv, as text. */
static const char *left(char **argv)
{
	static char text[128];
	int argc = 0;

	while (argv[argc])
		argc++;
	arg_json = false;
	kho_take_json(&argc, argv);
	*text = '\0';
	for (int i = 1; i < argc; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s", argv[i]);
	ck_assert_ptr_null(argv[argc]);
	return text;
}

START_TEST(test_json)
{
	ck_assert_str_eq(left(WORDS()), "");
	ck_assert(!arg_json);
	ck_assert_str_eq(left(WORDS(W("--json") W("status"))), " status");
	ck_assert(arg_json);
	ck_assert_str_eq(left(WORDS(W("image") W("list") W("--json"))), " image list");
	ck_assert(arg_json);
	ck_assert_str_eq(left(WORDS(W("fleet") W("--") W("--json"))), " fleet -- --json");
	ck_assert(!arg_json);
	ck_assert_str_eq(left(WORDS(W("spawn") W("--append=--json"))), " spawn --append=--json");
	ck_assert(!arg_json);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("khoctl");
	TCase *tc = tcase_create("khoctl");

	tcase_add_test(tc, test_json);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
