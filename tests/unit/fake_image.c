// SPDX-License-Identifier: GPL-2.0-only
/* Makes the minimal bzImage of fake_image.h. */
#include "unit/fake_image.h"

#include <string.h>

struct setup_header *fake_image_header(struct fake_image *image)
{
	return (struct setup_header *)(image->data + 0x1f1);
}

static void fill_header(struct setup_header *hdr)
{
	hdr->setup_sects = 1;
	hdr->syssize = FAKE_KERNEL_SIZE / 16;
	hdr->boot_flag = 0xaa55;
	hdr->jump = 0x6aeb;		/* jmp to 0x26c: there the header ends */
	hdr->header = 0x53726448;
	hdr->version = 0x020f;
	hdr->kernel_version = FAKE_VERSION_OFFSET - 0x200;
	hdr->loadflags = LOADED_HIGH;
	hdr->initrd_addr_max = 0x7fffffff;
	hdr->kernel_alignment = 2u << 20;
	hdr->relocatable_kernel = 1;
	hdr->min_alignment = 21;
	hdr->xloadflags = XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G;
	hdr->cmdline_size = FAKE_CMDLINE_SIZE;
	hdr->payload_offset = 0x400;
	hdr->payload_length = 0x1000;
	hdr->pref_address = 16u << 20;
	hdr->init_size = FAKE_INIT_SIZE;
}

void fake_image_init(struct fake_image *image)
{
	uint8_t *data = image->data;

	memset(data, 0, sizeof(image->data));
	memcpy(data, "MZ", 2);
	data[0x3c] = FAKE_PE_OFFSET;
	memcpy(data + FAKE_PE_OFFSET, "PE\0\0\x64\x86", 6);
	fill_header(fake_image_header(image));
	memcpy(data + FAKE_VERSION_OFFSET, FAKE_VERSION, sizeof(FAKE_VERSION));
	for (size_t i = 0; i < FAKE_KERNEL_SIZE; i++)
		data[FAKE_SETUP_SIZE + i] = (uint8_t)(i * 31 + (i >> 8));
}
