/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The screen of khoctl watch: a pure function of what's shown and the size.
 *
 *	 6.12.117 -> 7.3.4                                       soak, 23 s left
 *	 check  spawn  move  [soak]  retire
 *	 move: settle (soak), forward
 *
 *	 WORKLOAD         STATE       ROUNDS    MEMORY    DIRTY/s  PREDICTED   BLACKOUT
 *	 redis            moved            4   120 MiB  5.2 MiB/s     120 ms     134 ms
 *
 *	 16:40:02 the old kernel stands by for 30 s
 *	 q quits; what's under way goes on
 *
 * Of a small screen the log goes first, then columns and workloads; nothing is ever
 * written beyond its edges. It's all ASCII, and makes sense without any attribute.
 */
#ifndef KHO_VIEW_LAYOUT_H
#define KHO_VIEW_LAYOUT_H

#include "view/view.h"

#define KHO_SCREEN_WIDTH	400u	/* at most; what's larger stays empty */
#define KHO_SCREEN_HEIGHT	200u

enum kho_attr {
	KHO_ATTR_PLAIN = 0,
	KHO_ATTR_TITLE,
	KHO_ATTR_HEAD,
	KHO_ATTR_CURRENT,
	KHO_ATTR_DIM,
	KHO_ATTR_GOOD,
	KHO_ATTR_WARN,
	KHO_ATTR_BAD,
	_KHO_ATTR_MAX,
};

struct kho_screen {
	unsigned int width, height;
	char text[KHO_SCREEN_HEIGHT][KHO_SCREEN_WIDTH + 1];	/* @width characters and NUL */
	unsigned char attr[KHO_SCREEN_HEIGHT][KHO_SCREEN_WIDTH];	/* enum kho_attr each */
};

/* Fills all of @ret but its size, which is the caller's. The message came @age_ms ago. */
void kho_layout(const struct kho_view *view, uint64_t age_ms, struct kho_screen *ret);

#endif
