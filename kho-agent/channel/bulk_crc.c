// SPDX-License-Identifier: GPL-2.0-only
/* CRC32C in three strands; bulk_crc.h says why. */
#include <stdbool.h>
#include <string.h>

#include "base/crc32c.h"
#include "channel/bulk_crc.h"

#define STRAND	1024u			/* bytes of one third of a block */
#define BLOCK	(3 * STRAND)

/*
 * shift[n]: what the register with only bit n set becomes by STRAND bytes of
 * zeros. A CRC is linear: that of any register is the sum over its bits.
 */
static const uint32_t shift[32] = {
	0xfe314258, 0xf98ef241, 0xf6f19273, 0xe80f5217, 0xd5f2d2df, 0xae09d34f,
	0x59ffd06f, 0xb3ffa0de, 0x6213374d, 0xc4266e9a, 0x8da0abc5, 0x1ead217b,
	0x3d5a42f6, 0x7ab485ec, 0xf5690bd8, 0xef3e6141, 0xdb90b473, 0xb2cd1e17,
	0x60764adf, 0xc0ec95be, 0x84355d8d, 0x0d86cdeb, 0x1b0d9bd6, 0x361b37ac,
	0x6c366f58, 0xd86cdeb0, 0xb535cb91, 0x6f87e1d3, 0xdf0fc3a6, 0xbbf3f1bd,
	0x720b958b, 0xe4172b16,
};

#ifdef __x86_64__
static bool have_instruction(void)
{
	return __builtin_cpu_supports("sse4.2");
}

/* @sum as it is after STRAND bytes of zeros. */
static uint32_t past_strand(uint32_t sum)
{
	uint32_t result = 0;

	for (int bit = 0; bit < 32; bit++)
		result ^= shift[bit] & -(sum >> bit & 1);
	return result;
}

static uint64_t word_at(const uint8_t *data)
{
	uint64_t word;

	memcpy(&word, data, sizeof(word));
	return word;
}

/* @sum is the register itself, not inverted. */
__attribute__((target("sse4.2")))
static uint32_t add_block(uint32_t sum, const uint8_t *data)
{
	uint64_t a = sum, b = 0, c = 0;

	for (size_t i = 0; i < STRAND; i += sizeof(a)) {
		a = __builtin_ia32_crc32di(a, word_at(data + i));
		b = __builtin_ia32_crc32di(b, word_at(data + STRAND + i));
		c = __builtin_ia32_crc32di(c, word_at(data + 2 * STRAND + i));
	}
	return past_strand(past_strand((uint32_t)a) ^ (uint32_t)b) ^ (uint32_t)c;
}
#else
static bool have_instruction(void)
{
	return false;
}

static uint32_t add_block(uint32_t sum, const uint8_t *data)
{
	return ~kho_crc32c_add(~sum, data, BLOCK);
}
#endif

uint32_t kho_bulk_crc_add(uint32_t crc, const void *data, size_t size)
{
	const uint8_t *from = data;
	uint32_t sum = ~crc;

	if (have_instruction())
		for (; size >= BLOCK; size -= BLOCK, from += BLOCK)
			sum = add_block(sum, from);
	return kho_crc32c_add(~sum, from, size);
}
