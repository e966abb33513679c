// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every errno that uapi/multikernel.h documents becomes a message with a cause
 * and a remedy, whichever call it comes from.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "system/device.h"
#include "system/device_causes.h"
#include "unit/run.h"

static int result;			/* of every call */
static struct kho_err err;

static int fake_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	(void)ctx;
	(void)fd;
	(void)request;
	(void)arg;
	return result;
}

static const struct kho_device_ops ops = { .ioctl = fake_ioctl };
static const struct kho_device device = { .ops = &ops };

static void setup(void)
{
	err = (struct kho_err) { 0 };
}

/* "cause; remedy" */
static void assert_message(int code)
{
	const char *semicolon = strchr(err.msg, ';');

	ck_assert_int_eq(err.code, code);
	ck_assert_msg(semicolon && semicolon > err.msg + 10 && strlen(semicolon) > 6, "%s",
		      err.msg);
	ck_assert_ptr_null(strchr(err.msg, '\n'));
}

static int do_call(unsigned long request)
{
	struct mk_range range = { 0 };
	struct kho_pci_addr addr = { 0 };
	struct mk_region region;
	struct mk_cpu cpu;
	struct mk_info info;
	uint64_t added;

	switch (request) {
	case MK_IOC_INFO:
		return kho_device_info(&device, &info, &err);
	case MK_IOC_REGION_CLAIM:
		return kho_device_claim(&device, &(struct kho_claim) { .ranges = &range,
					.nr_ranges = 1 }, &region, &err);
	case MK_IOC_REGION_INFO:
		return kho_device_region(&device, 1, &region, &err);
	case MK_IOC_REGION_RELEASE:
		return kho_device_release(&device, 1, &err);
	case MK_IOC_REGION_TRIM:
		return kho_device_trim(&device, 1, 1, &err);
	case MK_IOC_CPU_START:
		return kho_device_cpu_start(&device, &(struct mk_cpu_start) { 0 }, &err);
	case MK_IOC_CPU_PARK:
		return kho_device_cpu_park(&device, &(struct mk_cpu_start) { 0 }, &err);
	case MK_IOC_CPU_STOP:
		return kho_device_cpu_stop(&device, 1, &err);
	case MK_IOC_CPU_STATE:
		return kho_device_cpu_state(&device, 1, &cpu, &err);
	case MK_IOC_LINK:
		return kho_device_link(&device, &(struct mk_link) { 0 }, &err);
	case MK_IOC_UNLINK:
		return kho_device_unlink(&device, 1, &err);
	case MK_IOC_RING:
		return kho_device_ring(&device, 1, &err);
	case MK_IOC_CONSOLE:
		return kho_device_console(&device, &(struct mk_console) { 0 }, &err);
	case MK_IOC_PCI_GRANT:
		return kho_device_pci_grant(&device, &addr, 0, &err);
	case MK_IOC_PCI_REVOKE:
		return kho_device_pci_revoke(&device, &addr, &err);
	case MK_IOC_RETIRE:
		return kho_device_retire(&device, &(struct mk_retire) { 0 }, &err);
	case MK_IOC_ABSORB:
		return kho_device_absorb(&device, &(struct kho_absorb) { .ranges = &range,
					 .nr_ranges = 1 }, &added, &err);
	case MK_IOC_POWER:
		return kho_device_power(&device, 1, &(struct mk_power) { 0 }, &err);
	}
	return 1;
}

/* Every errno that the UAPI header documents for a call of its own. */
static const struct {
	unsigned long request;
	int code;
	const char *says;
} documented[] = {
	{ MK_IOC_REGION_CLAIM, -EINVAL, "unaligned" },
	{ MK_IOC_REGION_CLAIM, -EEXIST, "overlaps" },
	{ MK_IOC_REGION_CLAIM, -EBUSY, "offline its memory block" },
	{ MK_IOC_REGION_CLAIM, -ENXIO, "wrong kind" },
	{ MK_IOC_REGION_CLAIM, -ENOSPC, "release one" },
	{ MK_IOC_REGION_INFO, -ENOENT, "no such region" },
	{ MK_IOC_REGION_RELEASE, -ENOENT, "no such region" },
	{ MK_IOC_REGION_RELEASE, -EBUSY, "stop its CPUs" },
	{ MK_IOC_REGION_TRIM, -ENOENT, "no such region" },
	{ MK_IOC_REGION_TRIM, -EINVAL, "preserved" },
	{ MK_IOC_REGION_TRIM, -EBUSY, "unmap it" },
	{ MK_IOC_CPU_START, -ENOENT, "no such CPU" },
	{ MK_IOC_CPU_START, -EBUSY, "offline it" },
	{ MK_IOC_CPU_START, -EPERM, "boot CPU" },
	{ MK_IOC_CPU_START, -ERANGE, "outside the region" },
	{ MK_IOC_CPU_START, -ETIMEDOUT, "in time" },
	{ MK_IOC_CPU_STOP, -ENOENT, "no such CPU" },
	{ MK_IOC_CPU_STOP, -EINVAL, "isn't lent" },
	{ MK_IOC_CPU_STOP, -EPERM, "boot CPU" },
	{ MK_IOC_CPU_PARK, -ENOENT, "no such CPU" },
	{ MK_IOC_CPU_PARK, -EBUSY, "offline it" },
	{ MK_IOC_CPU_PARK, -EPERM, "boot CPU" },
	{ MK_IOC_CPU_PARK, -ERANGE, "outside the region" },
	{ MK_IOC_CPU_PARK, -ETIMEDOUT, "in time" },
	{ MK_IOC_CPU_STATE, -ENOENT, "no such CPU" },
	{ MK_IOC_LINK, -ENOENT, "no such region" },
	{ MK_IOC_LINK, -ERANGE, "page aligned" },
	{ MK_IOC_LINK, -EEXIST, "has a link" },
	{ MK_IOC_LINK, -EBADF, "eventfd" },
	{ MK_IOC_RING, -ENOTCONN, "no link" },
	{ MK_IOC_RING, -EAGAIN, "polls" },
	{ MK_IOC_RING, -EIO, "makes no sense" },
	{ MK_IOC_UNLINK, -ENOTCONN, "no link" },
	{ MK_IOC_UNLINK, -EBUSY, "disarm" },
	{ MK_IOC_CONSOLE, -EEXIST, "registered already" },
	{ MK_IOC_CONSOLE, -ERANGE, "outside the region" },
	{ MK_IOC_CONSOLE, -EINVAL, "magic" },
	{ MK_IOC_PCI_GRANT, -EEXIST, "granted already" },
	{ MK_IOC_PCI_GRANT, -ENODEV, "nothing answers" },
	{ MK_IOC_PCI_GRANT, -EADDRINUSE, "BAR" },
	{ MK_IOC_PCI_GRANT, -EPERM, "pci=off" },
	{ MK_IOC_PCI_REVOKE, -ENOENT, "isn't granted" },
	{ MK_IOC_RETIRE, -EBUSY, "other CPUs" },
	{ MK_IOC_RETIRE, -ENOTCONN, "no link" },
	{ MK_IOC_RETIRE, -ERANGE, "outside the region" },
	{ MK_IOC_RETIRE, -EALREADY, "already" },
	{ MK_IOC_POWER, -EPERM, "not spawned" },
	{ MK_IOC_POWER, -ENOTCONN, "no link" },
	{ MK_IOC_ABSORB, -EBUSY, "has not retired" },
};

START_TEST(documented_errors_are_explained)
{
	size_t i = (size_t)_i;

	result = documented[i].code;
	ck_assert_int_eq(do_call(documented[i].request), documented[i].code);
	assert_message(documented[i].code);
	ck_assert_msg(strstr(err.msg, documented[i].says) != NULL, "%s", err.msg);
}
END_TEST

static const unsigned long requests[] = {
	MK_IOC_INFO, MK_IOC_REGION_CLAIM, MK_IOC_REGION_INFO, MK_IOC_REGION_RELEASE,
	MK_IOC_REGION_TRIM,
	MK_IOC_CPU_START, MK_IOC_CPU_STOP, MK_IOC_CPU_STATE, MK_IOC_CPU_PARK, MK_IOC_LINK,
	MK_IOC_RING, MK_IOC_UNLINK, MK_IOC_CONSOLE, MK_IOC_PCI_GRANT, MK_IOC_PCI_REVOKE,
	MK_IOC_RETIRE, MK_IOC_ABSORB, MK_IOC_POWER,
};

/* Those common to all calls, and one that no header knows of. */
START_TEST(common_errors_are_explained)
{
	static const int codes[] = {
		-EPERM, -EPROTONOSUPPORT, -EINVAL, -E2BIG, -EFAULT, -ENOTTY, -EXDEV,
	};
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(codes); i++) {
		err = (struct kho_err) { 0 };
		result = codes[i];
		ck_assert_int_eq(do_call(requests[_i]), codes[i]);
		assert_message(codes[i]);
	}
	ck_assert_ptr_nonnull(strstr(err.msg, "Invalid cross-device link"));
	ck_assert_ptr_null(kho_device_cause(requests[_i], -EXDEV));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("device_errors");
	TCase *tc = tcase_create("device_errors");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, documented_errors_are_explained, 0, KHO_ARRAY_SIZE(documented));
	tcase_add_loop_test(tc, common_errors_are_explained, 0, KHO_ARRAY_SIZE(requests));
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
