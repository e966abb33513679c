/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Strict parsing of the small texts that users, sysfs and the command line give:
 * numbers, sizes, CPU lists, PCI addresses, UUIDs.
 *
 * Strict means: the whole text counts, so there's no leading or trailing space,
 * no sign, no empty text and no tail ("12abc"); what doesn't fit is an error
 * and never a wrapped number. kho_file_read_string() strips the newline that
 * sysfs puts behind everything. Nothing here does I/O or allocates.
 *
 * All return 0 or a negative errno and fill @err, which may be NULL; the
 * outputs are then left as they were.
 *   -EINVAL   not of this form
 *   -ERANGE   of this form, but too large
 */
#ifndef KHO_BASE_PARSE_H
#define KHO_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Decimal, or hexadecimal with 0x in front. A leading 0 does not mean octal. */
int kho_parse_u64(const char *text, uint64_t *ret, struct kho_err *err);
int kho_parse_u32(const char *text, uint32_t *ret, struct kho_err *err);

/* Hexadecimal with or without 0x, as sysfs and the kernel's notes print it. */
int kho_parse_hex64(const char *text, uint64_t *ret, struct kho_err *err);

/*
 * Bytes: a number as above, with one of K, M, G, T (or k, m, g, t) behind it for
 * powers of 1024.
 */
int kho_parse_size(const char *text, uint64_t *ret, struct kho_err *err);

/* ---- sets of CPUs ---- */

#define KHO_CPUS_MAX		512	/* CPU numbers are 0 to KHO_CPUS_MAX - 1 */
#define KHO_CPUS_TEXT		2560	/* any set as text, terminator included */

/* Zero-initialised it's the empty set. CPU @cpu is bit cpu % 64 of word cpu / 64. */
struct kho_cpus {
	uint64_t bits[KHO_CPUS_MAX / 64];
};

/* Numbers outside [0, KHO_CPUS_MAX) are never in a set and can't be added. */
void kho_cpus_add(struct kho_cpus *cpus, unsigned int cpu);
void kho_cpus_remove(struct kho_cpus *cpus, unsigned int cpu);
bool kho_cpus_has(const struct kho_cpus *cpus, unsigned int cpu);
unsigned int kho_cpus_count(const struct kho_cpus *cpus);

/*
 * The smallest member that is at least @cpu, or KHO_CPUS_MAX:
 *	for (n = kho_cpus_next(s, 0); n < KHO_CPUS_MAX; n = kho_cpus_next(s, n + 1))
 */
unsigned int kho_cpus_next(const struct kho_cpus *cpus, unsigned int cpu);

/*
 * A list of numbers and ranges as sysfs prints it: "0-3,5". The empty text is the
 * empty set. -EINVAL also for a range that runs backwards; naming a CPU twice is
 * no error.
 */
int kho_parse_cpus(const char *text, struct kho_cpus *ret, struct kho_err *err);

/*
 * Writes the set as the shortest list of ascending ranges. -ENOSPC, and an empty
 * text, if @size is too small for it; KHO_CPUS_TEXT is always enough.
 */
int kho_cpus_format(const struct kho_cpus *cpus, char *text, size_t size);

/* ---- PCI addresses ---- */

#define KHO_PCI_TEXT		16	/* "0000:00:04.0" and its terminator fit */

struct kho_pci_addr {
	uint16_t domain;
	uint8_t bus;
	uint8_t device;			/* 0 to 31 */
	uint8_t function;		/* 0 to 7 */
};

/*
 * "0000:00:04.0", exactly as in sysfs: four, two, two and one hexadecimal digits.
 * The domain may not be left out.
 */
int kho_parse_pci(const char *text, struct kho_pci_addr *ret, struct kho_err *err);
void kho_pci_format(const struct kho_pci_addr *addr, char text[KHO_PCI_TEXT]);

static inline uint8_t kho_pci_devfn(const struct kho_pci_addr *addr)
{
	return (uint8_t)(addr->device << 3 | addr->function);
}

static inline bool kho_pci_is_same(const struct kho_pci_addr *a, const struct kho_pci_addr *b)
{
	return a->domain == b->domain && a->bus == b->bus && kho_pci_devfn(a) == kho_pci_devfn(b);
}

/* ---- UUIDs ---- */

#define KHO_UUID_SIZE		16
#define KHO_UUID_TEXT		37	/* 36 characters and the terminator */

/* 8-4-4-4-12 hexadecimal digits; bytes are in the order of the text. */
int kho_parse_uuid(const char *text, uint8_t ret[KHO_UUID_SIZE], struct kho_err *err);
void kho_uuid_format(const uint8_t uuid[KHO_UUID_SIZE], char text[KHO_UUID_TEXT]);

#endif
