// SPDX-License-Identifier: GPL-2.0-only
/* Texts in markup. */
#include "base/markup.h"

void kho_markup_escape(FILE *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
			fprintf(out, "&#%u;", c);
		else
			fputc(c < ' ' || c == 127 ? '?' : c, out);
	}
}
