// SPDX-License-Identifier: GPL-2.0-only
/* What khoctl's verbs share: --json wherever it stands, exit codes of the API's errors. */
#include <errno.h>
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

static int exit_of(int code, const char *rest)
{
	sd_json_variant *v = NULL;
	char text[64];
	int r;

	snprintf(text, sizeof(text), "{\"code\":%d,\"message\":\"\"%s}", code, rest);
	ck_assert_int_ge(sd_json_parse(text, 0, &v, NULL, NULL), 0);
	r = kho_exit_code_of(v);
	sd_json_variant_unref(v);
	return r;
}

/* A rehearsal that failed has the code of what can't be done; so has one that never began. */
START_TEST(test_tried)
{
	static const char tried[] = ",\"tried\":true", not_tried[] = ",\"tried\":false";

	ck_assert_int_eq(exit_of(EOPNOTSUPP, ""), KHO_EXIT_REFUSED);
	ck_assert_int_eq(exit_of(EOPNOTSUPP, not_tried), KHO_EXIT_REFUSED);
	ck_assert_int_eq(exit_of(EOPNOTSUPP, tried), KHO_EXIT_FAILED);
	ck_assert_int_eq(exit_of(ENOSPC, tried), KHO_EXIT_FAILED);
	ck_assert_int_eq(exit_of(EACCES, ""), KHO_EXIT_DENIED);
	ck_assert_int_eq(exit_of(EACCES, tried), KHO_EXIT_FAILED);
	ck_assert_int_eq(exit_of(EIO, tried), KHO_EXIT_FAILED);
	ck_assert_int_eq(exit_of(ETIMEDOUT, ""), KHO_EXIT_TIMEOUT);
	ck_assert_int_eq(exit_of(ETIMEDOUT, tried), KHO_EXIT_TIMEOUT);
	/* it's looked at before anything is given */
	ck_assert_int_eq(exit_of(EKEYREJECTED, tried), KHO_EXIT_IMAGE);
	ck_assert_int_eq(exit_of(EKEYREVOKED, tried), KHO_EXIT_IMAGE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("khoctl");
	TCase *tc = tcase_create("khoctl");

	tcase_add_test(tc, test_json);
	tcase_add_test(tc, test_tried);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
