/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SVG that grows downwards: headings, and plots with rows of bars in ms.
 *
 *	+-- LEFT --+---------- plot: viewBox="0 0 MS HEIGHT" ----------+- RIGHT -+
 *	|     name | ####                                              |         |
 *	|          |      ## note                                      |         |
 *	|          | 0        100 ms                                   |         |
 *
 * Inside a plot a unit of x is one ms from data-begin on, one of y a pixel; texts stand
 * outside of it, since they would be stretched. Nothing here knows what's drawn.
 */
#ifndef KHO_TIMELINE_SVG_H
#define KHO_TIMELINE_SVG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define KHO_SVG_WIDTH	960
#define KHO_SVG_LEFT	150
#define KHO_SVG_PLOT	690
#define KHO_SVG_ROW	21

struct kho_svg {
	FILE *out;
	char *text;
	size_t size;
	int y;
	/* of the plot that's open */
	uint64_t begin_ms, end_ms;
	int top, rows;
	FILE *labels;			/* texts, which follow the plot */
	char *labels_text;
	size_t labels_size;
};

struct kho_svg_bar {
	const char *kind;		/* its class: "phase", "round", "frozen", ... */
	const char *name;
	uint64_t start_ms, end_ms;	/* cut to the plot */
	const char *color;
	const char *note;		/* shown by pointing at it; NULL: none */
};

/* -ENOMEM. What's written after a failure is lost; the end says so. */
int kho_svg_begin(struct kho_svg *svg);
int kho_svg_end(struct kho_svg *svg, char **ret);

/* A line of text at the left; @style: attributes. */
void kho_svg_line(struct kho_svg *svg, int height, const char *style, const char *text);

/* @end_ms > @begin_ms is made so. Ticks are counted from @zero_ms on. */
void kho_svg_plot_begin(struct kho_svg *svg, const char *name, uint64_t begin_ms,
			uint64_t end_ms);
void kho_svg_plot_end(struct kho_svg *svg, uint64_t zero_ms);

/* Begins a row; bars are in it. */
void kho_svg_row(struct kho_svg *svg, const char *name);
void kho_svg_bar(struct kho_svg *svg, const struct kho_svg_bar *bar);

/* Behind (or, for lack of room, before) what ends at @end_ms in this row. */
void kho_svg_note(struct kho_svg *svg, uint64_t start_ms, uint64_t end_ms, const char *text);

#endif
