// SPDX-License-Identifier: GPL-2.0-only
/* What is configured on a NIC, as the other kernel says it. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "migrate/net/nic_state.h"
#include "migrate/net/nl.h"

#define INDEX	77

/* What is made is sound, whatever it's made from. */
static int look(void *ctx, struct nlmsghdr *message)
{
	(void)ctx;
	if (!mnl_nlmsg_ok(message, (int)message->nlmsg_len) || message->nlmsg_len > 512)
		__builtin_trap();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct kho_nic_state state;
	struct kho_err err;

	if (size > KHO_NIC_STATE_MAX)
		return 0;
	memcpy(state.messages, data, size);
	state.size = size;
	kho_nic_state_walk(&state, INDEX, look, NULL, &err);
	return 0;
}
