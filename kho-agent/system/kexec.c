// SPDX-License-Identifier: GPL-2.0-only
/* Kexec; kexec.h has the contract. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "system/kexec.h"

int kho_kexec_check(struct kho_err *err)
{
	uint64_t value;
	int r = kho_file_read_u64("/proc/sys/kernel/kexec_load_disabled", &value, err);

	if (r < 0)
		return kho_wrap(err, r, "this kernel can't kexec");
	if (value)
		return kho_fail(err, -EPERM, "kernel.kexec_load_disabled is set; boot without it, or "
				"upgrade by a spawn");
	r = kho_file_read_u64("/sys/kernel/kexec_loaded", &value, err);
	if (r >= 0 && value)
		return kho_fail(err, -EBUSY, "a kernel is loaded for kexec by somebody else; unload it "
				"with kexec -u");
	return r;
}

/* The kernel takes files, and no file that's open for writing. */
static int file_of(const void *data, size_t size, struct kho_err *err)
{
	_cleanup_close_ int fd = kho_file_in_memory("kho-kexec", data, size, err);
	char path[64];
	int r;

	if (fd < 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = open(path, O_RDONLY | O_CLOEXEC);
	return r < 0 ? kho_fail_errno(err, -errno, "a copy of the image") : r;
}

int kho_kexec_load(const struct kho_kexec_image *image, struct kho_err *err)
{
	_cleanup_close_ int kernel = -EBADF, initramfs = -EBADF;

	kernel = file_of(image->kernel, image->kernel_size, err);
	if (kernel < 0)
		return kernel;
	initramfs = file_of(image->initramfs, image->initramfs_size, err);
	if (initramfs < 0)
		return initramfs;
	if (syscall(SYS_kexec_file_load, kernel, initramfs, strlen(image->cmdline) + 1,
		    image->cmdline, 0UL) == 0)
		return 0;
	if (errno == EADDRNOTAVAIL)
		return kho_fail(err, -ENOSPC, "kernel and initramfs (%zu MiB) don't fit into KHO's "
				"scratch memory; boot with more of it, as kho_scratch=64M,%zuM,64M",
				(image->kernel_size + image->initramfs_size) >> 20,
				2 * (image->initramfs_size >> 20) + 256);
	return kho_fail_errno(err, -errno, "the kernel doesn't load the image");
}

void kho_kexec_unload(void)
{
	(void)syscall(SYS_kexec_file_load, -1, -1, 0UL, NULL, (unsigned long)KEXEC_FILE_UNLOAD);
}

int kho_kexec_jump(struct kho_err *err)
{
	(void)syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		      LINUX_REBOOT_CMD_KEXEC, NULL);
	return kho_fail_errno(err, -errno, "the kexec was refused by the kernel, whose log says more");
}
