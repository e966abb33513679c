// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whatever reports, entries of the history and tallies come from the other kernel, and
 * whatever a client says in Accept: what's made of them has an end, and no markup of theirs.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "metrics/metrics.h"
#include "timeline/timeline.h"
#include "view/html.h"

#define TEXT_MAX	65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static size_t count(const char *text, char wanted)
{
	size_t nr = 0;

	for (; *text; text++)
		nr += *text == wanted;
	return nr;
}

/* Each tag's two ends, and nothing else. */
static void require_markup(const char *text)
{
	require(count(text, '<') == count(text, '>'));
	require(strstr(text, "<evil") == NULL);
}

static void draw(sd_json_variant *v)
{
	static struct kho_timeline timeline;
	struct kho_err err = {};
	char *svg;

	if (kho_timeline_parse(v, v, &timeline, &err) < 0) {
		require(err.code < 0 && err.msg[0]);
		return;
	}
	require(kho_timeline_draw(&timeline, &svg) == 0);
	require(strlen(svg) < 1u << 20);
	require_markup(svg);
	free(svg);
}

static void lay_out(sd_json_variant *v)
{
	char *page;

	require(kho_html_page(v, v, &page) == 0);
	require_markup(page);
	free(page);
}

static void count_up(sd_json_variant *v)
{
	static struct kho_past past;
	struct kho_metrics metrics = {
		.version = "", .role = "", .release = "", .phase = "idle", .past = &past,
	};
	sd_json_variant *again = NULL;
	struct kho_err err = {};
	char *text;

	past = (struct kho_past){};
	(void)kho_past_add(&past, v);
	require(kho_metrics_render(&metrics, KHO_METRICS_OPENMETRICS, &text) == 0);
	require(strcmp(text + strlen(text) - 6, "# EOF\n") == 0);
	free(text);
	if (kho_past_parse(v, &past, &err) < 0)
		return;
	require(kho_past_format(&past, &again) >= 0);
	require(kho_past_parse(again, &past, &err) == 0);
	sd_json_variant_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = size <= TEXT_MAX ? malloc(size + 1) : NULL;
	sd_json_variant *v = NULL;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	require(kho_metrics_negotiate(text) <= KHO_METRICS_OPENMETRICS);
	if (sd_json_parse(text, 0, &v, NULL, NULL) < 0)
		return 0;
	draw(v);
	lay_out(v);
	count_up(v);
	sd_json_variant_unref(v);
	return 0;
}
