/* SPDX-License-Identifier: GPL-2.0-only */
/* Arithmetic that doesn't overflow silently, and alignment. */
#ifndef KHO_BASE_BITS_H
#define KHO_BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define KHO_KIB			(1ULL << 10)
#define KHO_MIB			(1ULL << 20)
#define KHO_GIB			(1ULL << 30)
#define KHO_PAGE_SIZE		4096ULL

#define KHO_ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* @align is a power of two. */
static inline uint64_t kho_align_down(uint64_t value, uint64_t align)
{
	return value & ~(align - 1);
}

/* Wraps to 0 where @value is too large; callers check bounds first. */
static inline uint64_t kho_align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

static inline bool kho_is_aligned(uint64_t value, uint64_t align)
{
	return (value & (align - 1)) == 0;
}

/* Whether [offset, offset + size) lies within [0, limit), overflow included. */
static inline bool kho_within(uint64_t offset, uint64_t size, uint64_t limit)
{
	return offset <= limit && size <= limit - offset;
}

#endif
