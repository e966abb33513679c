// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log reader, on 32 KiB of memory that is the input, filled up with zeros. A
 * limit on reads stands in for patience: a ring may claim a million records.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "spawn/dmesg.h"

#define MEMORY_SIZE	(32u * 1024)
#define MEMORY_PHYS	0x40000000ULL
#define MAX_READS	100000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t memory[MEMORY_SIZE];
static unsigned int reads;

static int read_memory(void *ctx, uint64_t phys, void *buf, size_t size)
{
	(void)ctx;
	if (++reads > MAX_READS || phys < MEMORY_PHYS ||
	    !kho_within(phys - MEMORY_PHYS, size, MEMORY_SIZE))
		return -EFAULT;
	memcpy(buf, memory + (phys - MEMORY_PHYS), size);
	return 0;
}

static void check_text(const struct kho_dmesg_text *text)
{
	size_t i;

	if (text->size > 4096 || strlen(text->text) != text->size)
		abort();
	for (i = 0; i < text->size; i++)
		if ((text->text[i] < ' ' && text->text[i] != '\n' && text->text[i] != '\t') ||
		    text->text[i] > '~')
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mk_range range = { MEMORY_PHYS, MEMORY_SIZE };
	struct kho_dmesg_source source = {
		.reader = { read_memory, NULL },
		.ranges = &range,
		.nr_ranges = 1,
	};
	struct kho_dmesg_text text;
	struct kho_err err;

	if (size > MEMORY_SIZE)
		return 0;
	memset(memory, 0, sizeof(memory));
	memcpy(memory, data, size);
	reads = 0;
	if (kho_dmesg_text(&source, 4096, &text, &err) < 0)
		return 0;
	check_text(&text);
	free(text.text);
	return 0;
}
