// SPDX-License-Identifier: GPL-2.0-only
/*
 * bzImage parser.
 *
 * Two questions are asked in turn. What is this file? People give vmlinux,
 * the decompressed or doubly compressed file, or a kernel for another machine,
 * and each mistake has its own remedy. Then: does its header hold? The header is
 * copied out of the file (it sits at an odd offset), and no field of it is used
 * as an offset or a size before it was compared with the size of the file.
 */
#include "spawn/image.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "base/err.h"

#define HEADER_OFFSET		0x1f1
#define HEADER_MAX_END		0x290	/* what follows the header in struct boot_params */
#define JUMP_BASE		0x202	/* the jump instruction ends here, and starts.. */
#define JUMP_OFFSET		0x201	/* ..with its distance here: the header's end */
#define BOOT_FLAG		0xaa55
#define HDRS_MAGIC		0x53726448	/* "HdrS" */
#define PROTOCOL_MIN		0x020c	/* 2.12 brought xloadflags */
#define SECTOR			512u
#define DEFAULT_SETUP_SECTS	4
#define VERSION_BASE		0x200	/* kernel_version counts from here */
#define ALIGNMENT_MIN		KHO_PAGE_SIZE
#define ALIGNMENT_MAX		(KHO_GIB)
#define INIT_SIZE_MAX		(2 * KHO_GIB)
#define CMDLINE_MIN		256u
#define CMDLINE_MAX		65536u

#define PE_POINTER		0x3c
#define PE_MACHINE_X86_64	0x8664
#define PE_MACHINE_ARM64	0xaa64
#define PE_MACHINE_I386		0x014c

struct file_kind {
	size_t offset;
	uint8_t magic[8];
	size_t magic_size;
	const char *text;
};

#define GIVE_VMLINUZ "give the file that is installed as /boot/vmlinuz-<release>"

static const struct file_kind other_kinds[] = {
	{ 0, "\x7f" "ELF", 4, "an ELF file (vmlinux?), not a bzImage; " GIVE_VMLINUZ },
	{ 0, "\x1f\x8b", 2, "compressed by gzip as a whole; gunzip it, or " GIVE_VMLINUZ },
	{ 0, "\x28\xb5\x2f\xfd", 4, "compressed by zstd as a whole; unzstd it, or " GIVE_VMLINUZ },
	{ 0, "\xfd" "7zXZ", 6, "compressed by xz as a whole; unxz it, or " GIVE_VMLINUZ },
	{ 0x38, "ARM\x64", 4, "a kernel for ARM64, this machine is x86-64; " GIVE_VMLINUZ },
	{ 0x38, "RSC\x05", 4, "a kernel for RISC-V, this machine is x86-64; " GIVE_VMLINUZ },
	{ 4, "zimg", 4, "an EFI zboot kernel, not an x86-64 bzImage; " GIVE_VMLINUZ },
};

static uint16_t read_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t read_u32(const uint8_t *p)
{
	return read_u16(p) | (uint32_t)read_u16(p + 2) << 16;
}

static int refuse_other_kinds(const uint8_t *data, size_t size, struct kho_err *err)
{
	for (size_t i = 0; i < KHO_ARRAY_SIZE(other_kinds); i++) {
		const struct file_kind *kind = &other_kinds[i];

		if (kho_within(kind->offset, kind->magic_size, size) &&
		    !memcmp(data + kind->offset, kind->magic, kind->magic_size))
			return kho_fail(err, -ENOEXEC, "kernel image: it is %s", kind->text);
	}
	return 0;
}

/* A kernel without EFI stub has no PE header: only what's there is checked. */
static int check_pe(const uint8_t *data, size_t size, struct kho_err *err)
{
	uint32_t pe;
	uint16_t machine;

	if (memcmp(data, "MZ", 2))
		return 0;
	pe = read_u32(data + PE_POINTER);
	if (!kho_within(pe, 6, size) || memcmp(data + pe, "PE\0", 4))
		return kho_fail(err, -EBADMSG,
				"kernel image: MZ without a PE header at 0x%" PRIx32
				": the file is damaged; install the kernel package again", pe);
	machine = read_u16(data + pe + 4);
	if (machine == PE_MACHINE_X86_64)
		return 0;
	return kho_fail(err, -ENOEXEC,
			"kernel image: it is for %s (PE machine 0x%04x), not for x86-64; %s",
			machine == PE_MACHINE_ARM64 ? "ARM64" :
			machine == PE_MACHINE_I386 ? "32-bit x86" : "another machine",
			machine, GIVE_VMLINUZ);
}

static int check_magic(const uint8_t *data, size_t size, struct kho_err *err)
{
	if (size < HEADER_OFFSET + sizeof(struct setup_header))
		return kho_fail(err, -ENODATA,
				"kernel image: %zu bytes are less than a bzImage's header; %s",
				size, GIVE_VMLINUZ);
	if (read_u16(data + offsetof(struct boot_params, hdr.boot_flag)) == BOOT_FLAG &&
	    read_u32(data + offsetof(struct boot_params, hdr.header)) == HDRS_MAGIC)
		return 0;
	if (!memcmp(data, "MZ", 2))
		return kho_fail(err, -ENOEXEC,
				"kernel image: an EFI program without a Linux setup header "
				"(a unified kernel image?); %s", GIVE_VMLINUZ);
	return kho_fail(err, -ENOEXEC, "kernel image: not a bzImage, its boot flag or "
			"\"HdrS\" is missing; %s", GIVE_VMLINUZ);
}

static int check_mode(const struct setup_header *hdr, struct kho_err *err)
{
	if (hdr->version < PROTOCOL_MIN)
		return kho_fail(err, -ENOEXEC,
				"kernel image: boot protocol %u.%02u is older than 2.12; "
				"take Linux 3.8 or later", hdr->version >> 8, hdr->version & 0xff);
	if (!(hdr->xloadflags & XLF_KERNEL_64))
		return kho_fail(err, -ENOEXEC, "kernel image: a 32-bit kernel; "
				"take one for amd64");
	if (!(hdr->xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G) || !hdr->relocatable_kernel)
		return kho_fail(err, -ENOEXEC,
				"kernel image: it can't run at any address; "
				"take one built with CONFIG_RELOCATABLE");
	if (!(hdr->loadflags & LOADED_HIGH))
		return kho_fail(err, -ENOEXEC, "kernel image: a zImage that loads low; "
				"take a bzImage");
	return 0;
}

static int check_limits(const struct setup_header *hdr, struct kho_err *err)
{
	uint32_t align = hdr->kernel_alignment;

	if (align < ALIGNMENT_MIN || align > ALIGNMENT_MAX || (align & (align - 1)))
		return kho_fail(err, -EBADMSG,
				"kernel image: kernel_alignment 0x%" PRIx32 " is no power of two "
				"from 4 KiB to 1 GiB: the file is damaged; install it again", align);
	if (hdr->init_size < KHO_PAGE_SIZE || hdr->init_size > INIT_SIZE_MAX)
		return kho_fail(err, -EBADMSG,
				"kernel image: init_size 0x%" PRIx32 " makes no sense: "
				"the file is damaged; install it again", hdr->init_size);
	if (hdr->cmdline_size < CMDLINE_MIN || hdr->cmdline_size > CMDLINE_MAX)
		return kho_fail(err, -EBADMSG,
				"kernel image: cmdline_size %" PRIu32 " makes no sense: "
				"the file is damaged; install it again", hdr->cmdline_size);
	if (hdr->pref_address > (1ULL << 46))
		return kho_fail(err, -EBADMSG,
				"kernel image: pref_address 0x%llx makes no sense: "
				"the file is damaged; install it again",
				(unsigned long long)hdr->pref_address);
	return 0;
}

static int check_sizes(const struct setup_header *hdr, const struct kho_image *image,
		       struct kho_err *err)
{
	uint64_t need = (uint64_t)image->setup_size + image->kernel_size;

	if (need > image->size)
		return kho_fail(err, -ENODATA,
				"kernel image: truncated, the header promises %" PRIu64
				" bytes and the file has %zu; copy it again", need, image->size);
	if (image->kernel_size <= KHO_IMAGE_ENTRY_64 || image->kernel_size > hdr->init_size)
		return kho_fail(err, -EBADMSG,
				"kernel image: %zu bytes of code don't fit init_size %" PRIu32
				": the file is damaged; install it again",
				image->kernel_size, hdr->init_size);
	if (!hdr->payload_length ||
	    !kho_within(hdr->payload_offset, hdr->payload_length, image->kernel_size))
		return kho_fail(err, -EBADMSG,
				"kernel image: the payload (%" PRIu32 " bytes at 0x%" PRIx32
				") lies outside the kernel: the file is damaged; install it again",
				hdr->payload_length, hdr->payload_offset);
	return 0;
}

/* Copies the printable text at @offset; false: it's missing or not all text. */
static bool read_version(const uint8_t *data, size_t limit, size_t offset, struct kho_image *ret)
{
	size_t n = 0;
	size_t release;

	if (offset >= limit)
		return false;
	while (n < sizeof(ret->version) - 1 && n < limit - offset) {
		uint8_t c = data[offset + n];

		if (!c)
			break;
		if (c < ' ' || c > '~')
			return false;
		ret->version[n++] = (char)c;
	}
	ret->version[n] = '\0';
	release = strcspn(ret->version, " ");
	if (!release || release >= sizeof(ret->release))
		return false;
	memcpy(ret->release, ret->version, release);
	ret->release[release] = '\0';
	return true;
}

static int parse_header(const struct setup_header *hdr, struct kho_image *image,
			struct kho_err *err)
{
	size_t sectors = hdr->setup_sects ? hdr->setup_sects : DEFAULT_SETUP_SECTS;
	size_t end = JUMP_BASE + image->data[JUMP_OFFSET];

	if (end < HEADER_OFFSET + offsetof(struct setup_header, handover_offset) ||
	    end > HEADER_MAX_END)
		return kho_fail(err, -EBADMSG,
				"kernel image: the setup header ends at 0x%zx, outside of what "
				"boot protocol 2.12 and later allow: the file is damaged; "
				"install it again", end);
	image->header_size = end - HEADER_OFFSET;
	image->setup_size = (sectors + 1) * SECTOR;
	image->kernel_size = (size_t)hdr->syssize * 16;
	image->pref_address = hdr->pref_address;
	image->init_size = hdr->init_size;
	image->alignment = hdr->kernel_alignment;
	image->cmdline_size = hdr->cmdline_size;
	image->protocol = hdr->version;
	return check_sizes(hdr, image, err);
}

int kho_image_parse(const void *data, size_t size, struct kho_image *ret, struct kho_err *err)
{
	struct kho_image image = { .data = data, .size = size };
	struct setup_header hdr;
	int r;

	r = refuse_other_kinds(data, size, err);
	if (r < 0)
		return r;
	r = check_magic(data, size, err);
	if (r < 0)
		return r;
	r = check_pe(data, size, err);
	if (r < 0)
		return r;
	memcpy(&hdr, image.data + HEADER_OFFSET, sizeof(hdr));
	r = check_mode(&hdr, err);
	if (r < 0)
		return r;
	r = check_limits(&hdr, err);
	if (r < 0)
		return r;
	r = parse_header(&hdr, &image, err);
	if (r < 0)
		return r;
	if (!read_version(image.data, image.setup_size,
			  (size_t)hdr.kernel_version + VERSION_BASE, &image))
		return kho_fail(err, -EBADMSG,
				"kernel image: no readable version text at 0x%x: "
				"the file is damaged; install it again",
				hdr.kernel_version + VERSION_BASE);
	*ret = image;
	return 0;
}
