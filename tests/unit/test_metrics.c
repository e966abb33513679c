// SPDX-License-Identifier: GPL-2.0-only
/*
 * What Prometheus is shown: both formats against golden files, what isn't known is absent,
 * which format a client gets, and docs/metrics.md has the table's rows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/unit/fake_metrics.h"
#include "tests/unit/run.h"
#include "unit/golden.h"

#define NOW	1764200000000ull

static char *render(const struct kho_metrics *m, enum kho_metrics_format format)
{
	char *text = NULL;

	ck_assert_int_eq(kho_metrics_render(m, format, &text), 0);
	return text;
}

START_TEST(test_golden)
{
	static const char *const names[] = { "metrics-0.0.4.txt", "metrics-openmetrics.txt" };
	struct kho_past past;
	struct kho_metrics m = fake_moving(&past, NOW);
	_cleanup_free_ char *text = render(&m, (enum kho_metrics_format)_i);

	golden_compare(names[_i], text, strlen(text));
}
END_TEST

static bool has_line(const char *text, const char *begin)
{
	for (const char *at = text; (at = strstr(at, begin)); at++)
		if (at == text || at[-1] == '\n')
			return true;
	return false;
}

/* A family without a sample has no head either. */
START_TEST(test_absent)
{
	static const char *const absent[] = {
		"kho_upgrade_start", "kho_upgrade_held", "kho_workload_", "kho_owner_epoch",
		"kho_channel_", "kho_preflight_", "kho_refused_images", "kho_upgrades", "kho_last_upgrade",
	};
	struct kho_metrics m = fake_idle();
	_cleanup_free_ char *text = render(&m, KHO_METRICS_OPENMETRICS);
	char line[128];

	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		ck_assert_msg(!has_line(text, absent[i]), "%s is there", absent[i]);
		snprintf(line, sizeof(line), "# HELP %s", absent[i]);
		ck_assert_msg(!has_line(text, line), "%s is there", line);
	}
	ck_assert(has_line(text, "kho_phase{kho_phase=\"idle\"} 1\n"));
	ck_assert(has_line(text, "kho_phase{kho_phase=\"soak\"} 0\n"));
	ck_assert(has_line(text, "kho_owner{kho_owner=\"here\"} 1\n"));
	ck_assert(has_line(text, "kho_upgrade_state{kho_upgrade_state=\"check\"} 0\n"));
	ck_assert_str_eq(text + strlen(text) - 6, "# EOF\n");
}
END_TEST

/* No probe, no sample; nothing that was measured as 0 is. */
START_TEST(test_not_measured)
{
	struct kho_past past;
	struct kho_metrics m = fake_moving(&past, NOW);
	_cleanup_free_ char *text = NULL;

	past.last.workloads[0].probed_ms.is = false;
	text = render(&m, KHO_METRICS_TEXT);
	ck_assert_ptr_null(strstr(text, "frozen_probe"));
	ck_assert(has_line(text, "kho_last_upgrade_frozen_seconds{workload=\"redis\"} 1.297\n"));
	ck_assert_ptr_null(strstr(text, "workload=\"batch\""));
	ck_assert(has_line(text, "kho_workload_dirty_bytes_per_second{workload=\"redis\"} 5242880\n"));
	ck_assert_ptr_null(strstr(text, "a\\\"b"));
}
END_TEST

START_TEST(test_no_owner)
{
	struct kho_past past;
	struct kho_metrics m = fake_moving(&past, NOW);
	_cleanup_free_ char *text = NULL;

	m.session.owner_known = false;
	text = render(&m, KHO_METRICS_TEXT);
	ck_assert(has_line(text, "kho_owner{kho_owner=\"here\"} 0\nkho_owner{kho_owner=\"peer\"} 0\n"));
	ck_assert(!has_line(text, "kho_owner_epoch"));
}
END_TEST

/* Labels may hold anything. */
START_TEST(test_escaping)
{
	struct kho_metrics m = fake_idle();
	_cleanup_free_ char *text = NULL;

	m.release = "a\"b\\c\nd";
	text = render(&m, KHO_METRICS_TEXT);
	ck_assert(has_line(text, "kho_kernel_info{role=\"first\",release=\"a\\\"b\\\\c\\nd\"} 1\n"));
}
END_TEST

static const struct {
	const char *accept;
	enum kho_metrics_format format;
} wishes[] = {
	{ NULL, KHO_METRICS_TEXT },
	{ "", KHO_METRICS_TEXT },
	{ "*/*", KHO_METRICS_TEXT },
	{ "text/plain", KHO_METRICS_TEXT },
	{ "application/openmetrics-text", KHO_METRICS_OPENMETRICS },
	{ "Application/OpenMetrics-Text; Version=1.0.0", KHO_METRICS_OPENMETRICS },
	{ "application/openmetrics-text;version=0.0.1", KHO_METRICS_TEXT },
	{ "application/openmetrics-text;q=0", KHO_METRICS_TEXT },
	{ "application/openmetrics-text;q=0.2,text/plain;q=0.5", KHO_METRICS_TEXT },
	{ "text/plain;version=0.0.4;q=0.5 , application/openmetrics-text ; q=0.75", KHO_METRICS_OPENMETRICS },
	/* Prometheus 2 and 3 */
	{ "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
	  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", KHO_METRICS_OPENMETRICS },
	{ "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
	  "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,"
	  "text/plain;version=0.0.4;q=0.2,*/*;q=0.1", KHO_METRICS_OPENMETRICS },
	{ ";;;,,,q=;=,application/openmetrics-text", KHO_METRICS_OPENMETRICS },
	{ "application/openmetrics-textual", KHO_METRICS_TEXT },
};

START_TEST(test_negotiate)
{
	ck_assert_int_eq(kho_metrics_negotiate(wishes[_i].accept), wishes[_i].format);
}
END_TEST

/* Whatever is cut off, it ends. */
START_TEST(test_negotiate_cut)
{
	const char *whole = wishes[11].accept;

	for (size_t len = 0; len <= strlen(whole); len++) {
		_cleanup_free_ char *cut = strndup(whole, len);

		ck_assert_int_ge(kho_metrics_negotiate(cut), 0);
	}
}
END_TEST

/* Names and units as Prometheus wants them. */
START_TEST(test_names)
{
	const struct kho_metric *m = &kho_metrics_table[_i];
	size_t name = strlen(m->name), unit = strlen(m->unit);

	ck_assert_msg(strncmp(m->name, "kho_", 4) == 0, "%s", m->name);
	ck_assert_uint_eq(strspn(m->name, "abcdefghijklmnopqrstuvwxyz_"), name);
	ck_assert_ptr_null(strstr(m->name, "_total"));
	if (unit)
		ck_assert_msg(name > unit && strcmp(m->name + name - unit, m->unit) == 0, "%s: %s",
			      m->name, m->unit);
	if (m->type == KHO_METRIC_STATESET)
		ck_assert_str_eq(m->labels, m->name);
	ck_assert_ptr_null(strpbrk(m->help, "\\\n|"));
	ck_assert_int_eq(m->help[strlen(m->help) - 1], '.');
	for (int i = 0; i < _i; i++)
		ck_assert_str_ne(m->name, kho_metrics_table[i].name);
}
END_TEST

/* docs/metrics.md: the table's rows, in its order. */
START_TEST(test_docs)
{
	_cleanup_fclose_ FILE *file = fopen("docs/metrics.md", "r");
	char line[512], row[512];
	size_t nr = 0;

	ck_assert_msg(file, "docs/metrics.md: run it from the top of the sources");
	while (fgets(line, sizeof(line), file)) {
		const struct kho_metric *m = &kho_metrics_table[nr];

		if (strncmp(line, "| kho_", 6) != 0)
			continue;
		ck_assert_msg(nr < kho_metrics_table_size, "not in the table: %s", line);
		snprintf(row, sizeof(row), "| %s | %s | %s | %s | %s |\n", m->name,
			 kho_metric_type_name(m->type), *m->unit ? m->unit : "-",
			 *m->labels ? m->labels : "-", m->help);
		ck_assert_str_eq(line, row);
		nr++;
	}
	ck_assert_uint_eq(nr, kho_metrics_table_size);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("metrics");
	TCase *tc = tcase_create("metrics");

	tcase_add_loop_test(tc, test_golden, 0, 2);
	tcase_add_test(tc, test_absent);
	tcase_add_test(tc, test_not_measured);
	tcase_add_test(tc, test_no_owner);
	tcase_add_test(tc, test_escaping);
	tcase_add_loop_test(tc, test_negotiate, 0, sizeof(wishes) / sizeof(wishes[0]));
	tcase_add_test(tc, test_negotiate_cut);
	tcase_add_loop_test(tc, test_names, 0, (int)kho_metrics_table_size);
	tcase_add_test(tc, test_docs);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
