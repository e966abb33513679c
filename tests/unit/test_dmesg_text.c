// SPDX-License-Identifier: GPL-2.0-only
/* A kernel's log as lines of text: what is escaped, what is kept. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/fake_kernel.h"
#include "unit/run.h"

static struct fake_kernel kernel;
static struct kho_err err;

static const struct fake_kernel_options plain = {
	.page_shift = 21, .count_bits = 10, .size_bits = 16,
};

static void setup(void)
{
	fake_kernel_init(&kernel, &plain);
}

static void teardown(void)
{
	fake_kernel_done(&kernel);
}

static struct kho_dmesg_text text;

static void expect_text(size_t max, const char *want)
{
	int r = kho_dmesg_text(&kernel.source, max, &text, &err);

	ck_assert_msg(r == 0, "%s", err.msg);
	ck_assert_str_eq(text.text, want);
	ck_assert_uint_eq(text.size, strlen(want));
	free(text.text);
}

START_TEST(text_of_a_log)
{
	fake_kernel_write_info(&kernel);
	fake_kernel_log(&kernel, 0, "start");
	fake_kernel_log(&kernel, 1234567890, "two\nlines");
	fake_kernel_log(&kernel, 1234567999, "newline\n");
	fake_kernel_log(&kernel, 86400000000001, "\ttab \x1b[1m \xc3\xa4 \\ \x7f");
	fake_kernel_log_bytes(&kernel, UINT64_MAX, "a\0b\n\nc", 6);
	fake_kernel_log(&kernel, 5, "");
	expect_text(4096,
		    "[    0.000000] start\n"
		    "[    1.234567] two\n"
		    "[    1.234567] lines\n"
		    "[    1.234567] newline\n"
		    "[86400.000000] \ttab \\x1b[1m \\xc3\\xa4 \\ \\x7f\n"
		    "[18446744073.709551] a\\x00b\n"
		    "[18446744073.709551] \n"
		    "[18446744073.709551] c\n"
		    "[    0.000000] \n");
	ck_assert_str_eq(text.result.release, "7.3.4-fake");
	ck_assert_uint_eq(text.result.records, 6);
}
END_TEST

START_TEST(text_of_an_early_log)
{
	fake_kernel_log(&kernel, 0, "Linux version 6.12 x");
	fake_kernel_log(&kernel, 7, "second");
	expect_text(64, "Linux version 6.12 x\nsecond\n");
}
END_TEST

START_TEST(text_keeps_the_newest_lines)
{
	char all[4096] = "", line[64];
	size_t max, used = 0;
	const char *want;
	unsigned int i;

	fake_kernel_write_info(&kernel);
	for (i = 0; i < 100; i++) {
		snprintf(line, sizeof(line), "line %u%.*s", i, (int)i % 13, "............");
		fake_kernel_log(&kernel, 0, line);
		used += (size_t)snprintf(all + used, sizeof(all) - used, "[    0.000000] %s\n",
					 line);
	}
	for (max = 64; max <= used + 10; max++) {
		want = all;
		while (strlen(want) > max)
			want = strchr(want, '\n') + 1;
		/* what was dropped on the way may have been a line more than needed */
		ck_assert_int_eq(kho_dmesg_text(&kernel.source, max, &text, &err), 0);
		ck_assert_str_eq(text.text, want);
		free(text.text);
	}
}
END_TEST

START_TEST(text_of_a_line_too_long)
{
	char line[1000];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	fake_kernel_write_info(&kernel);
	fake_kernel_log(&kernel, 0, "before");
	fake_kernel_log(&kernel, 0, line);
	expect_text(64, "");
	fake_kernel_log(&kernel, 0, "after");
	expect_text(64, "[    0.000000] after\n");
}
END_TEST

START_TEST(text_size_refused)
{
	fake_kernel_write_info(&kernel);
	fake_kernel_log(&kernel, 0, "hello");
	text.text = NULL;
	ck_assert_int_eq(kho_dmesg_text(&kernel.source, 63, &text, &err), -EINVAL);
	ck_assert_int_eq(kho_dmesg_text(&kernel.source, (16 << 20) + 1, &text, &err), -EINVAL);
	kernel.source.nr_ranges = 0;
	ck_assert_int_eq(kho_dmesg_text(&kernel.source, 64, &text, &err), -ENOENT);
	ck_assert_ptr_null(text.text);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("dmesg_text");
	TCase *lines = tcase_create("text");

	tcase_add_checked_fixture(lines, setup, teardown);
	tcase_set_timeout(lines, 60);
	tcase_add_test(lines, text_of_a_log);
	tcase_add_test(lines, text_of_an_early_log);
	tcase_add_test(lines, text_keeps_the_newest_lines);
	tcase_add_test(lines, text_of_a_line_too_long);
	tcase_add_test(lines, text_size_refused);
	suite_add_tcase(s, lines);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
