// SPDX-License-Identifier: GPL-2.0-only
/* What a kexec costs; kexec_cost.h has the rule. */
#include "base/bits.h"
#include "upgrade/kexec_cost.h"

#define COPY_PER_MS	(KHO_MIB / 4)		/* bytes of memory: 250 MiB in a second */
#define UNPACK_PER_MS	(KHO_MIB / 32)		/* bytes of an image: 30 MiB in a second */
#define DUMP_MS		1000u			/* whatever there is of memory */
#define BOOTS		2u

uint64_t kho_kexec_predict_ms(const struct kho_kexec_facts *facts)
{
	return DUMP_MS + BOOTS * facts->boot_ms + 2 * (facts->memory / COPY_PER_MS) +
	       facts->image / UNPACK_PER_MS;
}
