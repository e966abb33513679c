// SPDX-License-Identifier: GPL-2.0-only
/* The status page: what's on it without a script, that it's escaped, and its events. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/unit/fake_metrics.h"
#include "tests/unit/run.h"
#include "view/html.h"

#define EVIL	"<script>alert(1)</script>\\\"'&"

/* Of JSON with ' for ", and @ for something evil. */
static sd_json_variant *parse(const char *template)
{
	_cleanup_free_ char *text = NULL;
	sd_json_variant *v = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(out);
	for (; *template; template++)
		fprintf(out, "%.*s", *template == '@' ? (int)strlen(EVIL) : 1,
			*template == '\'' ? "\"" : *template == '@' ? EVIL : template);
	fclose(out);
	ck_assert_msg(sd_json_parse(text, 0, &v, NULL, NULL) >= 0, "%s", text);
	return v;
}

static char *render(const char *state, const char *history)
{
	_cleanup_variant_ sd_json_variant *s = parse(state), *h = parse(history);
	char *page = NULL;

	ck_assert_int_eq(kho_html_page(s, h, &page), 0);
	return page;
}

static void expect(const char *page, const char *part)
{
	ck_assert_msg(strstr(page, part), "no %s in %s", part, page);
}

#define ID	"0b6e0a3e-5a3f-4c55-8b6e-000000000001"

START_TEST(test_page)
{
	_cleanup_free_ char *page = render(
		"{'release':'6.12','role':'first','phase':'sync','peerState':'running',"
		"'peerRelease':'7.3','connected':true,'onlineCpus':2,'lentCpus':2,'message':'',"
		"'upgrade':{'state':'move','held':false},'over':false,'move':{'step':'pre-copy',"
		"'workloads':[{'name':'redis','state':'copying','rounds':2,'bytes':10485760,"
		"'dirtyBytesPerSec':0,'predictedMs':120,'frozenMs':0}]},"
		"'log':[{'ms':1764120000123,'text':'round 2'}]}",
		"[{'id':'" ID "','result':'committed','old_release':'6.12','new_release':'7.3',"
		"'began_ms':1764120000123,'ended_ms':1764120100456}]");

	expect(page, "<td id=\"phase\">sync</td>");
	expect(page, "<td id=\"upgrade\">move</td>");
	expect(page, "<td id=\"step\">pre-copy</td>");
	expect(page, "<td id=\"connected\">yes</td>");
	expect(page, "<td>redis</td><td>copying</td><td class=\"n\">2</td><td class=\"n\">10.0 MiB</td>"
		     "<td class=\"n\"></td><td class=\"n\">120 ms</td><td class=\"n\"></td>");
	expect(page, "01:20:00 round 2\n");
	expect(page, "<td>2025-11-26 01:20:00 UTC</td><td>6.12</td><td>7.3</td><td class=\"n\">100.3 s</td>"
		     "<td>committed</td><td><a href=\"/upgrade/" ID ".svg\">");
	ck_assert_ptr_null(strstr(page, "none yet"));
}
END_TEST

/* Whatever there is. */
static const char *const odd[] = {
	"{}", "[]", "7", "{\"release\":7,\"move\":[],\"log\":{},\"upgrade\":\"x\",\"onlineCpus\":-1}",
	"{\"move\":{\"workloads\":[1,[],{\"name\":{}}]},\"log\":[1,{\"ms\":18446744073709551615}]}",
};

START_TEST(test_odd)
{
	_cleanup_free_ char *page = render(odd[_i], "[1,{},{\"id\":5,\"began_ms\":18446744073709551615}]");

	expect(page, "</html>\n");
	page[strlen(page) - 1] = '\0';
}
END_TEST

START_TEST(test_escaping)
{
	_cleanup_free_ char *page = render(
		"{'release':'@','role':'@','phase':'@','message':'@','peerState':'@',"
		"'peerRelease':'@','upgrade':{'state':'@'},'move':{'step':'@',"
		"'workloads':[{'name':'@','state':'@'}]},'log':[{'text':'@'}]}",
		"[{'id':'@','result':'@','old_release':'@','new_release':'@'}]");
	unsigned int nr = 0;

	ck_assert_ptr_null(strstr(page, "<script>"));
	ck_assert_ptr_null(strstr(page, "alert(1)</script>"));
	for (const char *at = page; (at = strstr(at, "&#60;script&#62;alert(1)")); at++)
		nr++;
	ck_assert_uint_eq(nr, 15);
}
END_TEST

/* One line, that has all. */
START_TEST(test_event)
{
	_cleanup_variant_ sd_json_variant *v = parse("{\"a\":\"x\\ny\",\"b\":[1,2]}");
	_cleanup_free_ char *event = NULL;

	ck_assert_int_eq(kho_html_event(v, &event), 0);
	ck_assert_str_eq(event, "data: {\"a\":\"x\\ny\",\"b\":[1,2]}\n\n");
}
END_TEST

/* Every cell that the script sets is on the page. */
START_TEST(test_assets)
{
	static const char *const ids[] = {
		"release", "role", "phase", "peerState", "peerRelease", "onlineCpus", "lentCpus", "message",
		"connected", "upgrade", "step", "workloads", "log", "live",
	};
	_cleanup_free_ char *page = render("{}", "[]");
	char wanted[32];

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		snprintf(wanted, sizeof(wanted), "\"%s\"", ids[i]);
		expect(kho_page_js, wanted);
		snprintf(wanted, sizeof(wanted), "id=\"%s\"", ids[i]);
		expect(page, wanted);
	}
	expect(kho_page_css, "#log {");
	ck_assert_ptr_null(strstr(kho_page_js, "innerHTML"));
	expect(page, "none yet");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("html");
	TCase *tc = tcase_create("html");

	tcase_add_test(tc, test_page);
	tcase_add_loop_test(tc, test_odd, 0, sizeof(odd) / sizeof(odd[0]));
	tcase_add_test(tc, test_escaping);
	tcase_add_test(tc, test_event);
	tcase_add_test(tc, test_assets);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
