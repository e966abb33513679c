// SPDX-License-Identifier: GPL-2.0-only
/* All families in one text, and which of the two formats a client wants. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "metrics/metrics.h"

int kho_metrics_render(const struct kho_metrics *metrics, enum kho_metrics_format format,
		       char **ret)
{
	struct kho_exposition x;
	int r = kho_exposition_begin(&x, format);

	if (r < 0)
		return r;
	for (size_t i = 0; i < kho_metrics_table_size; i++) {
		kho_exposition_family(&x, &kho_metrics_table[i]);
		kho_metrics_table[i].fill(&x, metrics);
	}
	return kho_exposition_end(&x, ret);
}

const char *kho_metrics_content_type(enum kho_metrics_format format)
{
	return format == KHO_METRICS_OPENMETRICS ? KHO_METRICS_OPEN_TYPE : KHO_METRICS_TEXT_TYPE;
}

/* ---- Accept: ---- */

/* Thousandths, of "0.5"; what makes no sense counts as 0. */
static unsigned int parse_weight(const char *text)
{
	unsigned int weight = *text == '1' ? 1000 : 0, unit = 100;

	if (weight || *text != '0' || *++text != '.')
		return weight;
	for (text++; *text >= '0' && *text <= '9' && unit; text++, unit /= 10)
		weight += (unsigned int)(*text - '0') * unit;
	return weight;
}

struct range {
	const char *type;		/* not terminated */
	size_t len;
	unsigned int weight;		/* thousandths */
	bool version_fits;		/* 1.0.0 or none is asked for */
};

/* "type/sub;version=1.0.0;q=0.5", and goes on behind it. */
static const char *parse_range(const char *text, struct range *ret)
{
	text += strspn(text, " \t,");
	*ret = (struct range){ .type = text, .weight = 1000, .version_fits = true };
	ret->len = strcspn(text, " \t;,");
	text += ret->len;
	while (*(text += strspn(text, " \t")) == ';') {
		text += 1 + strspn(text + 1, " \t");
		if (strncasecmp(text, "q=", 2) == 0)
			ret->weight = parse_weight(text + 2);
		else if (strncasecmp(text, "version=", 8) == 0)
			ret->version_fits = strncmp(text + 8, "1.0.0", 5) == 0;
		text += strcspn(text, ";,");
	}
	return text + strcspn(text, ",");
}

static bool is_type(const struct range *range, const char *type)
{
	return range->len == strlen(type) && strncasecmp(range->type, type, range->len) == 0;
}

enum kho_metrics_format kho_metrics_negotiate(const char *accept)
{
	unsigned int open = 0, text = 0;
	struct range range;

	while (accept && *accept) {
		accept = parse_range(accept, &range);
		if (is_type(&range, "application/openmetrics-text") && range.version_fits &&
		    range.weight > open)
			open = range.weight;
		else if (is_type(&range, "text/plain") && range.weight > text)
			text = range.weight;
	}
	return open && open >= text ? KHO_METRICS_OPENMETRICS : KHO_METRICS_TEXT;
}
