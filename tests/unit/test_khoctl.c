// SPDX-License-Identifier: GPL-2.0-only
/*
 * What khoctl's verbs share: --json wherever it stands, exit codes of the API's errors. And that
 * documents have all of its verbs, options and exit codes, and of the API's methods.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/bits.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "khoctl/khoctl.h"
#include "system/proc.h"
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

/* ---- documents ---- */

#define TEXT_MAX	(1u << 20)
#define VERBS		64
#define WORD		32
#define TIMEOUT_MS	10000

struct words {
	char of[VERBS][WORD];
	size_t nr;
};

static void add(struct words *words, const char *word, size_t size)
{
	ck_assert_uint_lt(words->nr, VERBS);
	snprintf(words->of[words->nr++], WORD, "%.*s", (int)size, word);
}

static bool has(const struct words *words, const char *word)
{
	for (size_t i = 0; i < words->nr; i++)
		if (strcmp(words->of[i], word) == 0)
			return true;
	return false;
}

/* Of a file, from the line @from up to one that begins with @to; as it's printed, of a manual page. */
static char *read_part(const char *path, const char *from, const char *to)
{
	char *text, *begin, *end, *out;
	struct kho_err err;

	ck_assert_msg(kho_file_read_string(path, TEXT_MAX, &text, &err) >= 0, "%s", err.msg);
	begin = *from ? strstr(text, from) : text;
	ck_assert_msg(begin, "%s lacks %s", path, from);
	begin += strlen(from);
	end = strstr(begin, to);
	if (end)
		*end = '\0';
	out = begin = memmove(text, begin, strlen(begin) + 1);
	for (; *begin; begin++)
		if (*begin != '\\')
			*out++ = *begin;
	*out = '\0';
	return text;
}

/* What khoctl --help prints, of the program beside this one. */
static char *read_help(void)
{
	struct kho_proc_result result;
	struct kho_err err;
	char path[4096];
	const char *const argv[] = { path, "--help", NULL };
	struct kho_proc_spec spec = { .argv = argv, .timeout_ms = TIMEOUT_MS };
	ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *folder;

	ck_assert_int_gt(size, 0);
	path[size] = '\0';
	folder = strstr(path, "/tests/test_");
	ck_assert_ptr_nonnull(folder);
	snprintf(folder, (size_t)(path + sizeof(path) - folder), "/bin/khoctl");
	ck_assert_msg(kho_proc_run(&spec, &result, &err) >= 0, "%s", err.msg);
	ck_assert_int_eq(result.exit_code, 0);
	free(result.err);
	return result.out;
}

/* "khoctl a | b ARGUMENT": a and b. */
static void read_verbs(char *line, struct words *ret)
{
	char *rest, *word = strtok_r(line, " ", &rest);

	while ((word = strtok_r(NULL, " ", &rest))) {
		add(ret, word, strlen(word));
		word = strtok_r(NULL, " ", &rest);
		if (!word || strcmp(word, "|") != 0)
			return;
	}
}

START_TEST(test_verbs)
{
	_cleanup_free_ char *help = read_help(), *text = read_part("docs/abi.md", "\n## khoctl\n", "\n## ");
	struct words real = {}, said = {};
	char *rest, *line;

	for (line = strtok_r(help, "\n", &rest); line && strncmp(line, "Options", 7) != 0;
	     line = strtok_r(NULL, "\n", &rest))
		if (strncmp(line, "  ", 2) == 0)
			add(&real, line + 2, strcspn(line + 2, " "));
	ck_assert_uint_gt(real.nr, 20);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (strncmp(line, "    khoctl ", 11) == 0)
			read_verbs(line, &said);
	for (size_t i = 0; i < real.nr; i++)
		ck_assert_msg(has(&said, real.of[i]), "docs/abi.md lacks khoctl %s", real.of[i]);
	for (size_t i = 0; i < said.nr; i++)
		ck_assert_msg(has(&real, said.of[i]), "there's no khoctl %s", said.of[i]);
}
END_TEST

/* Those that --help has are in the documents and in the completion. */
START_TEST(test_options)
{
	static const char *const documents[][2] = {
		{ "docs/abi.md", "\n## khoctl\n" }, { "docs/man/khoctl.8", "" },
		{ "kho-agent/completion/khoctl.bash", "" },
	};
	_cleanup_free_ char *help = read_help();

	for (size_t i = 0; i < KHO_ARRAY_SIZE(documents); i++) {
		_cleanup_free_ char *text = read_part(documents[i][0], documents[i][1], "\n## ");
		char option[WORD];
		size_t nr = 0;

		for (const char *at = help; (at = strstr(at, "--")); at += strlen(option)) {
			snprintf(option, sizeof(option), "%.*s",
				 (int)(strspn(at, "-abcdefghijklmnopqrstuvwxyz")), at);
			/* khoctl's own are in its synopsis, and fleet has a help of its own */
			ck_assert_msg(strstr(text, option) || strcmp(option, "--socket") == 0 ||
				      strcmp(option, "--help") == 0,
				      "%s lacks %s", documents[i][0], option);
			nr++;
		}
		ck_assert_uint_gt(nr, 20);
	}
}
END_TEST

/* Each code once, in order, in a row of a table or a line of the manual page. */
static void check_codes(const char *path, const char *from, const char *to)
{
	_cleanup_free_ char *text = read_part(path, from, to);
	char *line, *rest, *end;
	long code = 0;

	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		line += strspn(line, "| ");
		if (strtol(line, &end, 10) != code || end == line)
			continue;
		code++;
	}
	ck_assert_msg(code == _KHO_EXIT_MAX, "%s lacks exit code %ld", path, code);
}

START_TEST(test_codes)
{
	check_codes("docs/abi.md", "\n## khoctl\n", "\n## ");
	check_codes("docs/runbook.md", "\n## Exit codes\n", "\n## ");
	check_codes("docs/man/khoctl.8", "\n.SH EXIT STATUS\n", "\n.SH ");
}
END_TEST

/* The row of a method in docs/abi.md; NULL: there's none. */
static char *find_row(char *text, const char *method)
{
	for (char *line = strstr(text, "\n| "); line; line = strstr(line + 1, "\n| ")) {
		size_t size = strcspn(line + 3, "|");
		_cleanup_free_ char *cell = strndup(line + 3, size);
		char *rest;

		for (char *word = strtok_r(cell, ", ", &rest); word; word = strtok_r(NULL, ", ", &rest))
			if (strcmp(word, method) == 0)
				return strndup(line + 1, strcspn(line + 1, "\n"));
	}
	return NULL;
}

/* What "as Start" or "see below" stands for isn't looked at. */
START_TEST(test_methods)
{
	_cleanup_free_ char *text = read_part("docs/abi.md", "\n## Local API\n", "\n### ");
	const sd_varlink_interface *api = kho_api_interface();

	for (size_t i = 0; api->symbols[i]; i++) {
		const sd_varlink_symbol *method = api->symbols[i];
		_cleanup_free_ char *row = NULL;

		if (method->symbol_type != SD_VARLINK_METHOD)
			continue;
		row = find_row(text, method->name);
		ck_assert_msg(row, "docs/abi.md lacks %s", method->name);
		for (const sd_varlink_field *f = method->fields; f->field_type; f++) {
			bool input = f->field_direction == SD_VARLINK_INPUT;

			if (f->field_type == _SD_VARLINK_FIELD_COMMENT || strstr(row, f->name) ||
			    (input && strstr(row, "as S")) || strstr(row, "see below"))
				continue;
			ck_abort_msg("docs/abi.md lacks %s of %s", f->name, method->name);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("khoctl");
	TCase *tc = tcase_create("khoctl");

	tcase_add_test(tc, test_json);
	tcase_add_test(tc, test_tried);
	tcase_add_test(tc, test_verbs);
	tcase_add_test(tc, test_options);
	tcase_add_test(tc, test_codes);
	tcase_add_test(tc, test_methods);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
