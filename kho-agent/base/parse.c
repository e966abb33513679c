// SPDX-License-Identifier: GPL-2.0-only
/*
 * Strict text parsing; parse.h has the contract.
 *
 * Everything is built on scan_digits(), which eats the digits at the front of a
 * span and refuses to overflow. Spans instead of terminated strings let lists be
 * parsed in place, with no copies and no writable input.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/parse.h"

/* What is left to parse. */
struct span {
	const char *at;
	const char *end;
};

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Eats digits of @base. -EINVAL: there's none; -ERANGE: more than 64 bits. */
static int scan_digits(struct span *span, unsigned int base, uint64_t *ret)
{
	const char *first = span->at;
	uint64_t value = 0;
	int digit;

	for (; span->at < span->end; span->at++) {
		digit = digit_value(*span->at);
		if (digit < 0 || digit >= (int)base)
			break;
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)digit, &value))
			return -ERANGE;
	}
	if (span->at == first)
		return -EINVAL;
	*ret = value;
	return 0;
}

static bool skip_0x(struct span *span)
{
	if (span->end - span->at < 2 || span->at[0] != '0')
		return false;
	if (span->at[1] != 'x' && span->at[1] != 'X')
		return false;
	span->at += 2;
	return true;
}

static int scan_number(struct span *span, uint64_t *ret)
{
	return scan_digits(span, skip_0x(span) ? 16 : 10, ret);
}

static struct span span_of(const char *text)
{
	return (struct span) { text, text + strlen(text) };
}

int kho_parse_u64(const char *text, uint64_t *ret, struct kho_err *err)
{
	struct span span = span_of(text);
	uint64_t value;
	int r;

	r = scan_number(&span, &value);
	if (r == -ERANGE)
		return kho_fail(err, r, "number \"%.64s\" is too large; give less than 2^64", text);
	if (r < 0 || span.at != span.end)
		return kho_fail(err, -EINVAL,
				"\"%.64s\" is not a number; give decimal or 0x and hex digits",
				text);
	*ret = value;
	return 0;
}

int kho_parse_u32(const char *text, uint32_t *ret, struct kho_err *err)
{
	uint64_t value;
	int r;

	r = kho_parse_u64(text, &value, err);
	if (r < 0)
		return r;
	if (value > UINT32_MAX)
		return kho_fail(err, -ERANGE, "number \"%.64s\" is too large; give less than 2^32",
				text);
	*ret = (uint32_t)value;
	return 0;
}

int kho_parse_hex64(const char *text, uint64_t *ret, struct kho_err *err)
{
	struct span span = span_of(text);
	uint64_t value;
	int r;

	skip_0x(&span);
	r = scan_digits(&span, 16, &value);
	if (r == -ERANGE)
		return kho_fail(err, r, "hex number \"%.64s\" is too large; give at most 16 digits",
				text);
	if (r < 0 || span.at != span.end)
		return kho_fail(err, -EINVAL,
				"\"%.64s\" is not a hex number; give hex digits only", text);
	*ret = value;
	return 0;
}

/* The power of two a suffix stands for, or -1. */
static int suffix_shift(char c)
{
	switch (c) {
	case 'k':
	case 'K':
		return 10;
	case 'm':
	case 'M':
		return 20;
	case 'g':
	case 'G':
		return 30;
	case 't':
	case 'T':
		return 40;
	default:
		return -1;
	}
}

int kho_parse_size(const char *text, uint64_t *ret, struct kho_err *err)
{
	struct span span = span_of(text);
	uint64_t value = 0;
	int r, shift = 0;

	r = scan_number(&span, &value);
	if (r == 0 && span.at != span.end)
		shift = suffix_shift(*span.at++);
	if (r == -EINVAL || shift < 0 || (r == 0 && span.at != span.end))
		return kho_fail(err, -EINVAL,
				"\"%.64s\" is not a size; give one like 4096, 64K or 2G", text);
	if (r < 0 || value > UINT64_MAX >> shift)
		return kho_fail(err, -ERANGE, "size \"%.64s\" is too large; give less than 16 EiB",
				text);
	*ret = value << shift;
	return 0;
}

void kho_cpus_add(struct kho_cpus *cpus, unsigned int cpu)
{
	if (cpu < KHO_CPUS_MAX)
		cpus->bits[cpu / 64] |= 1ULL << cpu % 64;
}

void kho_cpus_remove(struct kho_cpus *cpus, unsigned int cpu)
{
	if (cpu < KHO_CPUS_MAX)
		cpus->bits[cpu / 64] &= ~(1ULL << cpu % 64);
}

bool kho_cpus_has(const struct kho_cpus *cpus, unsigned int cpu)
{
	return cpu < KHO_CPUS_MAX && cpus->bits[cpu / 64] >> cpu % 64 & 1;
}

unsigned int kho_cpus_count(const struct kho_cpus *cpus)
{
	unsigned int i, count = 0;

	for (i = 0; i < KHO_ARRAY_SIZE(cpus->bits); i++)
		count += (unsigned int)__builtin_popcountll(cpus->bits[i]);
	return count;
}

unsigned int kho_cpus_next(const struct kho_cpus *cpus, unsigned int cpu)
{
	while (cpu < KHO_CPUS_MAX && !kho_cpus_has(cpus, cpu))
		cpu++;
	return cpu < KHO_CPUS_MAX ? cpu : KHO_CPUS_MAX;
}

/* Eats "N" or "N-M" and adds it. */
static int scan_cpu_range(struct span *span, struct kho_cpus *cpus)
{
	uint64_t first, last;
	int r;

	r = scan_digits(span, 10, &first);
	if (r < 0)
		return r;
	last = first;
	if (span->at < span->end && *span->at == '-') {
		span->at++;
		r = scan_digits(span, 10, &last);
		if (r < 0)
			return r;
	}
	if (first > last)
		return -EINVAL;
	if (last >= KHO_CPUS_MAX)
		return -ERANGE;
	for (; first <= last; first++)
		kho_cpus_add(cpus, (unsigned int)first);
	return 0;
}

static int scan_cpu_list(struct span *span, struct kho_cpus *cpus)
{
	int r;

	while (span->at < span->end) {
		r = scan_cpu_range(span, cpus);
		if (r < 0)
			return r;
		if (span->at == span->end)
			return 0;
		if (*span->at++ != ',' || span->at == span->end)
			return -EINVAL;
	}
	return 0;
}

int kho_parse_cpus(const char *text, struct kho_cpus *ret, struct kho_err *err)
{
	struct span span = span_of(text);
	struct kho_cpus cpus = { 0 };
	int r;

	r = scan_cpu_list(&span, &cpus);
	if (r == -ERANGE)
		return kho_fail(err, r, "CPU list \"%.64s\" goes beyond CPU %d, the limit; cut it",
				text, KHO_CPUS_MAX - 1);
	if (r < 0)
		return kho_fail(err, r, "\"%.64s\" is not a CPU list; give one like 0-3,5", text);
	*ret = cpus;
	return 0;
}

/* The last CPU of the run of members that starts at @cpu. */
static unsigned int run_end(const struct kho_cpus *cpus, unsigned int cpu)
{
	while (kho_cpus_has(cpus, cpu + 1))
		cpu++;
	return cpu;
}

int kho_cpus_format(const struct kho_cpus *cpus, char *text, size_t size)
{
	unsigned int first, last;
	const char *comma = "";
	size_t used = 0;
	int n;

	if (!size)
		return -ENOSPC;
	text[0] = '\0';
	for (first = kho_cpus_next(cpus, 0); first < KHO_CPUS_MAX;
	     first = kho_cpus_next(cpus, last + 1)) {
		last = run_end(cpus, first);
		if (first == last)
			n = snprintf(text + used, size - used, "%s%u", comma, first);
		else
			n = snprintf(text + used, size - used, "%s%u-%u", comma, first, last);
		used += (size_t)n;
		if (used >= size) {
			text[0] = '\0';
			return -ENOSPC;
		}
		comma = ",";
	}
	return 0;
}

/* Eats exactly @digits hex digits. */
static bool eat_hex(struct span *span, unsigned int digits, uint64_t *ret)
{
	struct span field;

	if (span->end - span->at < (ptrdiff_t)digits)
		return false;
	field = (struct span) { span->at, span->at + digits };
	if (scan_digits(&field, 16, ret) < 0 || field.at != field.end)
		return false;
	span->at = field.end;
	return true;
}

static bool eat_char(struct span *span, char c)
{
	if (span->at == span->end || *span->at != c)
		return false;
	span->at++;
	return true;
}

int kho_parse_pci(const char *text, struct kho_pci_addr *ret, struct kho_err *err)
{
	struct span span = span_of(text);
	uint64_t domain, bus, device, function;

	if (!eat_hex(&span, 4, &domain) || !eat_char(&span, ':') ||
	    !eat_hex(&span, 2, &bus) || !eat_char(&span, ':') ||
	    !eat_hex(&span, 2, &device) || !eat_char(&span, '.') ||
	    !eat_hex(&span, 1, &function) || span.at != span.end)
		return kho_fail(err, -EINVAL,
				"\"%.64s\" is not a PCI address; give one like 0000:00:04.0", text);
	if (device > 31 || function > 7)
		return kho_fail(err, -ERANGE,
				"PCI address \"%.64s\" is too large; it ends at 1f.7",
				text);
	*ret = (struct kho_pci_addr) {
		.domain = (uint16_t)domain,
		.bus = (uint8_t)bus,
		.device = (uint8_t)device,
		.function = (uint8_t)function,
	};
	return 0;
}

void kho_pci_format(const struct kho_pci_addr *addr, char text[KHO_PCI_TEXT])
{
	snprintf(text, KHO_PCI_TEXT, "%04x:%02x:%02x.%x", addr->domain, addr->bus,
		 addr->device & 31u, addr->function & 7u);
}

/* Whether a dash stands before byte @i of a UUID. */
static bool dash_before(unsigned int i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

int kho_parse_uuid(const char *text, uint8_t ret[KHO_UUID_SIZE], struct kho_err *err)
{
	struct span span = span_of(text);
	uint8_t uuid[KHO_UUID_SIZE];
	uint64_t byte = 0;
	bool good = true;
	unsigned int i;

	for (i = 0; good && i < KHO_UUID_SIZE; i++) {
		good = (!dash_before(i) || eat_char(&span, '-')) && eat_hex(&span, 2, &byte);
		uuid[i] = (uint8_t)byte;
	}
	if (!good || span.at != span.end)
		return kho_fail(err, -EINVAL,
				"\"%.64s\" is not a UUID; give 8-4-4-4-12 hex digits", text);
	memcpy(ret, uuid, sizeof(uuid));
	return 0;
}

void kho_uuid_format(const uint8_t uuid[KHO_UUID_SIZE], char text[KHO_UUID_TEXT])
{
	static const char hex[] = "0123456789abcdef";
	unsigned int i;

	for (i = 0; i < KHO_UUID_SIZE; i++) {
		if (dash_before(i))
			*text++ = '-';
		*text++ = hex[uuid[i] >> 4];
		*text++ = hex[uuid[i] & 15];
	}
	*text = '\0';
}
