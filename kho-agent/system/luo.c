// SPDX-License-Identifier: GPL-2.0-only
/*
 * LUO's ioctls; luo.h has the contract. They're written down here, as linux/liveupdate.h
 * has them: the headers of older kernels don't know that one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "system/luo.h"

#define NAME_SIZE	64

struct luo_session {			/* liveupdate_ioctl_create_session, _retrieve_session */
	uint32_t size;
	int32_t fd;
	char name[NAME_SIZE];
};

struct luo_file {			/* liveupdate_session_preserve_fd, _retrieve_fd */
	uint32_t size;
	int32_t fd;
	uint64_t token __attribute__((aligned(8)));
};

struct luo_finish {			/* liveupdate_session_finish */
	uint32_t size;
	uint32_t reserved;
};

#define LUO_TYPE	0xba
#define LUO_CREATE	_IO(LUO_TYPE, 0x00)
#define LUO_RETRIEVE	_IO(LUO_TYPE, 0x01)
#define LUO_PRESERVE	_IO(LUO_TYPE, 0x40)
#define LUO_FETCH	_IO(LUO_TYPE, 0x41)
#define LUO_FINISH	_IO(LUO_TYPE, 0x42)

_Static_assert(sizeof(struct luo_session) == 72, "as the kernel has it");
_Static_assert(sizeof(struct luo_file) == 16, "as the kernel has it");

int kho_luo_open(struct kho_err *err)
{
	int fd = open(KHO_LUO_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
		return kho_fail(err, -ENOENT, "this kernel has no " KHO_LUO_DEVICE "; boot one that "
				"is built with CONFIG_LIVEUPDATE, with kho=on liveupdate=on");
	case EBUSY:
		return kho_fail(err, -EBUSY, KHO_LUO_DEVICE " is in use by another program; end it");
	default:
		return kho_fail_errno(err, -errno, KHO_LUO_DEVICE);
	}
}

static int session(int device, unsigned long request, const char *name)
{
	struct luo_session luo = { .size = sizeof(luo), .fd = -1 };

	if (snprintf(luo.name, sizeof(luo.name), "%s", name) >= (int)sizeof(luo.name))
		return -EINVAL;
	return ioctl(device, request, &luo) < 0 ? -errno : luo.fd;
}

int kho_luo_create(int device, const char *name, struct kho_err *err)
{
	int r = session(device, LUO_CREATE, name);

	return r < 0 ? kho_fail_errno(err, r, "no session %s to keep files in", name) : r;
}

int kho_luo_retrieve(int device, const char *name, struct kho_err *err)
{
	int r = session(device, LUO_RETRIEVE, name);

	if (r == -ENOENT)
		return kho_fail(err, r, "the kernel before has left nothing");
	return r < 0 ? kho_fail_errno(err, r, "the session %s can't be had", name) : r;
}

int kho_luo_preserve(int device, int fd, uint64_t token, struct kho_err *err)
{
	struct luo_file luo = { .size = sizeof(luo), .fd = fd, .token = token };

	if (ioctl(device, LUO_PRESERVE, &luo) < 0)
		return kho_fail_errno(err, -errno, "the kernel doesn't keep file %llu; is there "
				      "memory for all of it?", (unsigned long long)token);
	return 0;
}

int kho_luo_fetch(int device, uint64_t token, struct kho_err *err)
{
	struct luo_file luo = { .size = sizeof(luo), .fd = -1, .token = token };

	if (ioctl(device, LUO_FETCH, &luo) < 0)
		return kho_fail_errno(err, -errno, "file %llu of the kernel before",
				      (unsigned long long)token);
	fcntl(luo.fd, F_SETFD, FD_CLOEXEC);
	return luo.fd;
}

int kho_luo_finish(int device, struct kho_err *err)
{
	struct luo_finish luo = { .size = sizeof(luo) };

	return ioctl(device, LUO_FINISH, &luo) < 0 ?
		kho_fail_errno(err, -errno, "what the kernel before has left isn't let go of") : 0;
}
