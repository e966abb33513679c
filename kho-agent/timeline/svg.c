// SPDX-License-Identifier: GPL-2.0-only
/* SVG; svg.h has its geometry. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/markup.h"
#include "timeline/svg.h"

#define INK		"#222831"
#define FAINT		"#d5dae0"
#define GRAY		"#66717d"
#define LETTER		6.2		/* px, about, of a text of 12 px */
#define BAR		(KHO_SVG_ROW - 7)

/* ---- the whole ---- */

int kho_svg_begin(struct kho_svg *svg)
{
	*svg = (struct kho_svg){ .y = 12 };
	svg->out = open_memstream(&svg->text, &svg->size);
	return svg->out ? 0 : -ENOMEM;
}

/* Its height is only known now. */
int kho_svg_end(struct kho_svg *svg, char **ret)
{
	_cleanup_free_ char *body = NULL;
	bool failed = ferror(svg->out);
	int height = svg->y + 14;

	failed = fclose(svg->out) != 0 || failed;
	body = svg->text;
	if (failed)
		return -ENOMEM;
	if (asprintf(ret, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		     "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\" fill=\"" INK
		     "\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n%s</svg>\n",
		     KHO_SVG_WIDTH, height, KHO_SVG_WIDTH, height, body) < 0)
		return -ENOMEM;
	return 0;
}

static void put_text(FILE *out, double x, int y, const char *style, const char *text)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%d\"%s%s>", x, y, *style ? " " : "", style);
	kho_markup_escape(out, text);
	fputs("</text>\n", out);
}

void kho_svg_line(struct kho_svg *svg, int height, const char *style, const char *text)
{
	svg->y += height;
	put_text(svg->out, 16, svg->y, style, text);
}

/* ---- plots ---- */

static double x_of(const struct kho_svg *svg, uint64_t ms)
{
	return KHO_SVG_LEFT + (double)KHO_SVG_PLOT * (double)(ms - svg->begin_ms) /
	       (double)(svg->end_ms - svg->begin_ms);
}

/* Texts are kept until the plot is over: they're above all bars. */
void kho_svg_plot_begin(struct kho_svg *svg, const char *name, uint64_t begin_ms, uint64_t end_ms)
{
	svg->begin_ms = begin_ms;
	svg->end_ms = end_ms > begin_ms ? end_ms : begin_ms + 1;
	svg->y += 10;
	svg->top = svg->y;
	svg->rows = 0;
	svg->labels_text = NULL;
	svg->labels = open_memstream(&svg->labels_text, &svg->labels_size);
	fprintf(svg->out, "<g class=\"plot\" id=\"%s\" data-begin=\"%" PRIu64 "\" data-end=\"%" PRIu64
		"\">\n", name, svg->begin_ms, svg->end_ms);
}

void kho_svg_row(struct kho_svg *svg, const char *name)
{
	svg->y = svg->top + svg->rows++ * KHO_SVG_ROW;
	if (svg->labels)
		put_text(svg->labels, KHO_SVG_LEFT - 8, svg->y + 15, "text-anchor=\"end\"", name);
}

void kho_svg_bar(struct kho_svg *svg, const struct kho_svg_bar *bar)
{
	uint64_t start = bar->start_ms > svg->begin_ms ? bar->start_ms : svg->begin_ms;
	uint64_t end = bar->end_ms < svg->end_ms ? bar->end_ms : svg->end_ms;

	if (end < start)
		return;
	fprintf(svg->out, "<svg x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %" PRIu64
		" %d\" preserveAspectRatio=\"none\" overflow=\"visible\"><rect class=\"%s\" data-name=\"",
		KHO_SVG_LEFT, svg->y + 4, KHO_SVG_PLOT, BAR, svg->end_ms - svg->begin_ms, BAR,
		bar->kind);
	kho_markup_escape(svg->out, bar->name);
	fprintf(svg->out, "\" x=\"%" PRIu64 "\" width=\"%" PRIu64 "\" height=\"%d\" fill=\"%s\" "
		"stroke=\"%s\" stroke-width=\"1\" vector-effect=\"non-scaling-stroke\"><title>",
		start - svg->begin_ms, end - start, BAR, bar->color, bar->color);
	kho_markup_escape(svg->out, bar->name);
	if (bar->note) {
		fputs(": ", svg->out);
		kho_markup_escape(svg->out, bar->note);
	}
	fputs("</title></rect></svg>\n", svg->out);
}

void kho_svg_note(struct kho_svg *svg, uint64_t start_ms, uint64_t end_ms, const char *text)
{
	double start = x_of(svg, start_ms > svg->begin_ms ? start_ms : svg->begin_ms);
	double end = x_of(svg, end_ms < svg->end_ms ? end_ms : svg->end_ms);
	double width = LETTER * (double)strlen(text);

	if (!svg->labels)
		return;
	if (end + 5 + width <= KHO_SVG_WIDTH - 8)
		put_text(svg->labels, end + 5, svg->y + 15, "fill=\"#444d56\"", text);
	else if (start - 5 - width >= KHO_SVG_LEFT)
		put_text(svg->labels, start - 5, svg->y + 15, "fill=\"#444d56\" text-anchor=\"end\"", text);
	else
		put_text(svg->labels, KHO_SVG_WIDTH - 8, svg->y + 15,
			 "text-anchor=\"end\" paint-order=\"stroke\" stroke=\"white\" stroke-width=\"3\"",
			 text);
}

/* Lines at round times, at most nine. */
static void draw_axis(struct kho_svg *svg, uint64_t zero_ms)
{
	static const uint64_t steps[] = {
		1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 30000, 60000,
		120000, 300000, 600000, 1800000, 3600000, 7200000, 21600000, 86400000, 864000000,
	};
	uint64_t span = svg->end_ms - svg->begin_ms, step = UINT64_MAX, at;
	int bottom = svg->top + svg->rows * KHO_SVG_ROW + 2;
	char label[32];

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && step == UINT64_MAX; i++)
		if (span / steps[i] <= 9)
			step = steps[i];
	at = svg->begin_ms > zero_ms ? (svg->begin_ms - zero_ms) / step * step : 0;
	for (; at <= svg->end_ms - zero_ms; at += step) {
		if (zero_ms + at >= svg->begin_ms) {
			double x = x_of(svg, zero_ms + at);

			fprintf(svg->labels, "<rect x=\"%.1f\" y=\"%d\" width=\"1\" height=\"%d\" fill=\""
				FAINT "\" fill-opacity=\"0.7\"/>\n", x, svg->top, bottom - svg->top);
			if (step >= 1000)
				snprintf(label, sizeof(label), "%" PRIu64 " s", at / 1000);
			else
				snprintf(label, sizeof(label), "%" PRIu64 " ms", at);
			put_text(svg->labels, x, bottom + 13,
				 "text-anchor=\"middle\" font-size=\"11\" fill=\"" GRAY "\"", label);
		}
		if (step == UINT64_MAX)
			break;
	}
}

void kho_svg_plot_end(struct kho_svg *svg, uint64_t zero_ms)
{
	fputs("</g>\n", svg->out);
	if (!svg->labels)
		return;
	draw_axis(svg, zero_ms < svg->end_ms ? zero_ms : svg->begin_ms);
	fclose(svg->labels);
	svg->labels = NULL;
	fputs(svg->labels_text ?: "", svg->out);
	free(svg->labels_text);
	svg->y = svg->top + svg->rows * KHO_SVG_ROW + 20;
}
