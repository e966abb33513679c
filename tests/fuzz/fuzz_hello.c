// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes what a hello may say: unpack, check, negotiate. Both sides of a
 * negotiation must come to the same end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "channel/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int condition)
{
	if (!condition)
		abort();
}

static struct kho_hello own_offer(void)
{
	struct kho_hello hello = {
		.protocol_min = 1, .protocol_max = 3, .role = KHO_ROLE_NEW,
		.upgrade_id = "0123456789abcde", .epoch = 4, .nonce = 1,
	};

	check(kho_features_add(&hello.features, "bulk-crc") == 0);
	check(kho_features_add(&hello.features, "doorbell") == 0);
	return hello;
}

static void check_texts(const struct kho_hello *hello, const struct kho_refusal *refusal)
{
	check(memchr(hello->agent_version, 0, KHO_HELLO_TEXT_SIZE) != NULL);
	check(memchr(hello->kernel_release, 0, KHO_HELLO_TEXT_SIZE) != NULL);
	check(memchr(refusal->reason, 0, KHO_REFUSAL_TEXT_SIZE) != NULL);
	check(memchr(refusal->remedy, 0, KHO_REFUSAL_TEXT_SIZE) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Kho__Hello *message = kho__hello__unpack(NULL, size, data);
	struct kho_hello mine = own_offer(), peer = { .nonce = 0 };
	struct kho_refusal refusal = { .reason = "" };
	struct kho_agreement a, b;
	int r, s;

	if (message && kho_hello_read(message, &peer, &refusal) == 0) {
		r = kho_hello_negotiate(&mine, &peer, &a, &refusal);
		s = kho_hello_negotiate(&peer, &mine, &b, &refusal);
		check(r == s);
		check(r < 0 || (a.protocol == b.protocol &&
				kho_features_equal(&a.features, &b.features)));
	}
	check_texts(&peer, &refusal);
	kho__hello__free_unpacked(message, NULL);
	return 0;
}
