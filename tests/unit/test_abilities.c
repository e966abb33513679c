// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel can do for CRIU: names, probes, CRIU's own version. */
#include <errno.h>
#include <string.h>

#include "migrate/criu/abilities.h"
#include "tests/unit/run.h"

START_TEST(test_names)
{
	for (unsigned int i = 0; i < _KHO_ABILITY_MAX; i++) {
		ck_assert_ptr_nonnull(kho_ability_name(i));
		for (unsigned int j = 0; j < i; j++)
			ck_assert_str_ne(kho_ability_name(i), kho_ability_name(j));
	}
	ck_assert_str_eq(kho_ability_name(KHO_ABILITY_TCP_REPAIR), "tcp-repair");
}
END_TEST

/* The same every time, nothing that isn't known, and what every kernel of today has. */
START_TEST(test_probe)
{
	uint32_t found = kho_abilities_probe();

	ck_assert_uint_eq(found, kho_abilities_probe());
	ck_assert_uint_lt(found, 1u << _KHO_ABILITY_MAX);
	ck_assert(found & 1u << KHO_ABILITY_PIDFD_GETFD);
}
END_TEST

START_TEST(test_version)
{
	char version[16];
	struct kho_err err;

	ck_assert_int_eq(kho_criu_version_parse("Version: 4.2.1\nGitID: 0\n", version,
						sizeof(version), &err), 0);
	ck_assert_str_eq(version, "4.2.1");
	ck_assert_int_eq(kho_criu_version_parse("Version: 5\n", version, sizeof(version), &err), 0);
	ck_assert_str_eq(version, "5");
}
END_TEST

START_TEST(test_no_version)
{
	static const char *const texts[] = {
		"", "Version: ", "Version: x", "Version: .1", "4.2.1", "Version:4.2",
		"Version: 1.1.1.1.1.1.1.1.1.1",
	};
	char version[16] = "untouched";
	struct kho_err err;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ck_assert_int_eq(kho_criu_version_parse(texts[i], version, sizeof(version), &err),
				 -EBADMSG);
		ck_assert_str_eq(version, "untouched");
		ck_assert_ptr_nonnull(strchr(err.msg, ';'));
	}
}
END_TEST

static Suite *abilities_suite(void)
{
	Suite *s = suite_create("abilities");
	TCase *tc = tcase_create("abilities");

	tcase_add_test(tc, test_names);
	tcase_add_test(tc, test_probe);
	tcase_add_test(tc, test_version);
	tcase_add_test(tc, test_no_version);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(abilities_suite());
}
