// SPDX-License-Identifier: GPL-2.0-only
/* In place of kho.c, for kernels without KHO: nothing is preserved. */
#include <linux/errno.h>

#include "mk.h"

int mk_kho_take(const struct mk_range *range)
{
	return -ENXIO;
}

void mk_kho_give_back(const struct mk_range *range)
{
}
