// SPDX-License-Identifier: GPL-2.0-only
/* The journal's text: there and back, cut, changed, made up. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/crc32c.h"
#include "tests/unit/run.h"
#include "upgrade/journal.h"

static struct kho_err err;

static struct kho_journal example(void)
{
	struct kho_journal journal = {
		.seq = 7,
		.id = "0b6e0a3e-0000-4000-8000-00000000000a",
		.boot = "5a3f0000-0000-4000-8000-00000000000b",
		.by = "uid 0, khoctl (pid 12)",
		.image = "/var/lib/kho-agent/images/a new one",
		.source = "6.12.117+deb13-cloud-amd64",
		.target = "7.3.4+deb13-cloud-amd64",
		.soak_sec = 30,
		.upgrade = { .workloads = true, .keep = true, .state = KHO_UPGRADE_SPAWN },
	};

	kho_journal_add(&journal, KHO_UPGRADE_CHECK, 1764120000123);
	kho_journal_add(&journal, KHO_UPGRADE_SPAWN, 1764120001456);
	return journal;
}

static char *text_of(const struct kho_journal *journal)
{
	char *text;

	ck_assert_int_eq(kho_journal_format(journal, &text, &err), 0);
	return text;
}

START_TEST(there_and_back)
{
	struct kho_journal before = example(), after;
	_cleanup_free_ char *text = NULL;

	before.upgrade.err = (struct kho_err){ .code = -EIO, .msg = "it did not work: why" };
	before.upgrade.kexec = true;
	text = text_of(&before);
	ck_assert_ptr_nonnull(strstr(text, "\nflags workloads keep kexec\n"));
	ck_assert_int_eq(kho_journal_parse(text, strlen(text), &after, &err), 0);
	ck_assert_mem_eq(&before, &after, sizeof(after));
}
END_TEST

START_TEST(later_states_replace_the_last)
{
	struct kho_journal journal = example(), after;
	_cleanup_free_ char *text = NULL;

	for (unsigned int i = 0; i < 2 * KHO_JOURNAL_STATES; i++)
		kho_journal_add(&journal, KHO_UPGRADE_SOAK, 1764120002000 + i);
	ck_assert_uint_eq(journal.nr_at, KHO_JOURNAL_STATES);
	ck_assert_int_eq(journal.at[0].state, KHO_UPGRADE_CHECK);
	text = text_of(&journal);
	ck_assert_int_eq(kho_journal_parse(text, strlen(text), &after, &err), 0);
	ck_assert_int_eq(after.upgrade.state, KHO_UPGRADE_SOAK);
	ck_assert_uint_eq(after.at[KHO_JOURNAL_STATES - 1].ms,
			  1764120002000 + 2 * KHO_JOURNAL_STATES - 1);
}
END_TEST

/* Power was lost while it was written. */
START_TEST(cut_anywhere)
{
	struct kho_journal journal = example(), after;
	_cleanup_free_ char *whole = text_of(&journal);

	for (size_t size = 0; size < strlen(whole); size++) {
		_cleanup_free_ char *text = strndup(whole, size);

		ck_assert_int_eq(kho_journal_parse(text, size, &after, &err), -EBADMSG);
	}
}
END_TEST

START_TEST(changed_anywhere)
{
	struct kho_journal journal = example(), after;
	_cleanup_free_ char *whole = text_of(&journal);

	for (size_t i = 0; i < strlen(whole); i++) {
		_cleanup_free_ char *text = strdup(whole);

		text[i] ^= 1;
		ck_assert_int_eq(kho_journal_parse(text, strlen(whole), &after, &err), -EBADMSG);
	}
}
END_TEST

/* @lines with a checksum that's right. */
static int parse_lines(const char *lines)
{
	_cleanup_free_ char *text = NULL;
	struct kho_journal journal;

	ck_assert_int_gt(asprintf(&text, "%scrc %08x\n", lines, kho_crc32c(lines, strlen(lines))), 0);
	return kho_journal_parse(text, strlen(text), &journal, &err);
}

#define GOOD "kho-upgrade 1\nid 0b6e0a3e-0000-4000-8000-00000000000a\n" \
	     "boot 5a3f0000-0000-4000-8000-00000000000b\nimage /x\n"

START_TEST(made_up)
{
	static const char *const bad[] = {
		"", "kho-upgrade 2\n", GOOD,
		"kho-upgrade 1\nat check 1\n",
		GOOD "at none 1\n", GOOD "at nothing 1\n", GOOD "at check\n", GOOD "at check x\n",
		GOOD "at check 1\nflags some\n", GOOD "at check 1\nseq -1\n",
		GOOD "at check 1\nerror 5 x\n", GOOD "at check 1\nerror -0 x\n",
		GOOD "at check 1\nerror -5\n", GOOD "at check 1\nerror -99999 x\n",
		GOOD "at check 1\nid ../../etc/passwd\n", GOOD "at check 1\nwhat x\n",
	};

	ck_assert_int_eq(parse_lines(GOOD "at check 1\n"), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(parse_lines(bad[i]) == -EBADMSG, "%zu: %s", i, bad[i]);
}
END_TEST

START_TEST(more_than_a_line)
{
	struct kho_journal journal = example();
	char *text;

	snprintf(journal.image, sizeof(journal.image), "/a\nat done 1");
	ck_assert_int_eq(kho_journal_format(&journal, &text, &err), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal");
	TCase *tc = tcase_create("journal");

	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, later_states_replace_the_last);
	tcase_add_test(tc, cut_anywhere);
	tcase_add_test(tc, changed_anywhere);
	tcase_add_test(tc, made_up);
	tcase_add_test(tc, more_than_a_line);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
