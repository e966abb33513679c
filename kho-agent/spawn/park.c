// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies the park page's image out of park.S and fills in what depends on where
 * it runs: addresses that are parameters, words to which the page's own address
 * is added, and the NMI gate, whose format scatters an address over three fields.
 */
#include "spawn/park.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "base/err.h"
#include "spawn/layout.h"

#define STUB_OFFSET	0x800ULL	/* as in park.S */
#define CODE_SEGMENT	0x10
#define GATE_INTERRUPT	0x8e		/* present, ring 0, 64-bit interrupt gate */

extern const uint8_t kho_park_image[];
extern const uint8_t kho_park_mailbox[], kho_park_pml4[], kho_park_pml5[];
extern const uint8_t kho_park_boot_params[], kho_park_kernel_entry[];
extern const uint8_t kho_park_nmi_gate[];
extern const uint32_t kho_park_relocs[], kho_park_relocs_end[];

struct gate {
	uint16_t offset_low;
	uint16_t selector;
	uint8_t ist;
	uint8_t type;
	uint16_t offset_middle;
	uint32_t offset_high;
	uint32_t reserved;
} __attribute__((packed));

_Static_assert(sizeof(struct gate) == 16, "x86-64");

static void put(uint8_t *page, const uint8_t *symbol, uint64_t value)
{
	memcpy(page + (symbol - kho_park_image), &value, sizeof(value));
}

static void relocate(uint8_t *page, uint64_t address)
{
	for (const uint32_t *offset = kho_park_relocs; offset < kho_park_relocs_end; offset++) {
		uint64_t word;

		memcpy(&word, page + *offset, sizeof(word));
		word += address;
		memcpy(page + *offset, &word, sizeof(word));
	}
}

/* The image has the handler's offset where the gate goes. */
static void build_nmi_gate(uint8_t *page, uint64_t address)
{
	uint8_t *at = page + (kho_park_nmi_gate - kho_park_image);
	struct gate gate = { .selector = CODE_SEGMENT, .type = GATE_INTERRUPT };
	uint64_t handler;

	memcpy(&handler, at, sizeof(handler));
	handler += address;
	gate.offset_low = (uint16_t)handler;
	gate.offset_middle = (uint16_t)(handler >> 16);
	gate.offset_high = (uint32_t)(handler >> 32);
	memcpy(at, &gate, sizeof(gate));
}

static int check_address(const char *name, uint64_t value, uint64_t align, struct kho_err *err)
{
	if (value && kho_is_aligned(value, align))
		return 0;
	return kho_fail(err, -EINVAL, "park page: %s at 0x%" PRIx64 " is missing or isn't a "
			"multiple of %" PRIu64 "; lay the region out again", name, value, align);
}

static int check_spec(const struct kho_park_spec *spec, struct kho_err *err)
{
	const struct {
		const char *name;
		uint64_t value;
		uint64_t align;
	} addresses[] = {
		{ "the page", spec->page, KHO_PAGE_SIZE },
		{ "the mailbox", spec->mailbox, KHO_PAGE_SIZE },
		{ "the PML4", spec->pml4, KHO_PAGE_SIZE },
		{ "the PML5", spec->pml5, KHO_PAGE_SIZE },
		{ "boot_params", spec->boot_params, 16 },
		{ "the kernel's entry", spec->kernel_entry, 16 },
	};

	for (size_t i = 0; i < KHO_ARRAY_SIZE(addresses); i++) {
		int r = check_address(addresses[i].name, addresses[i].value, addresses[i].align,
				      err);

		if (r < 0)
			return r;
	}
	return 0;
}

int kho_park_build(const struct kho_park_spec *spec, void *page, struct kho_err *err)
{
	int r;

	r = check_spec(spec, err);
	if (r < 0)
		return r;
	memcpy(page, kho_park_image, KHO_PARK_SIZE);
	relocate(page, spec->page);
	build_nmi_gate(page, spec->page);
	put(page, kho_park_mailbox, spec->mailbox);
	put(page, kho_park_pml4, spec->pml4);
	put(page, kho_park_pml5, spec->pml5);
	put(page, kho_park_boot_params, spec->boot_params);
	put(page, kho_park_kernel_entry, spec->kernel_entry);
	return 0;
}

uint64_t kho_park_entry(uint64_t page)
{
	return page;
}

uint64_t kho_boot_stub_entry(uint64_t page)
{
	return page + STUB_OFFSET;
}
