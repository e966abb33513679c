// SPDX-License-Identifier: GPL-2.0-only
/* The peer's log; dmesg.h has the contract. */
#include <ctype.h>

#include "agent/dmesg.h"

void kho_text_printable(char *text)
{
	for (; *text; text++)
		if (*text == '\r')
			*text = ' ';
		else if (!isprint((unsigned char)*text) && *text != '\n' && *text != '\t')
			*text = '?';
}
