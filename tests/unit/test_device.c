// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/multikernel on a fake module: what each call passes, and that nothing which
 * comes back is believed unseen.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "system/device.h"
#include "unit/run.h"

#define FD	42

/* The fake module: it keeps what it was given and answers as told. */
static struct {
	int open_result;
	int result;			/* of each ioctl */
	int closed;
	int calls;
	unsigned long request;
	unsigned char arg[1024];	/* of the last ioctl, as it came in */
	const void *answer;		/* copied over the argument */
	size_t answer_size;
	int map_result;
	uint64_t map_offset;
	size_t map_size;
	void *unmapped;
	char path[64];
} module;

static struct kho_device device;
static struct kho_err err;
static char mapped[1];

static int fake_open(void *ctx, const char *path)
{
	(void)ctx;
	strncpy(module.path, path, sizeof(module.path) - 1);
	return module.open_result;
}

static void fake_close(void *ctx, int fd)
{
	(void)ctx;
	ck_assert_int_eq(fd, FD);
	module.closed++;
}

static int fake_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	size_t size = _IOC_SIZE(request);
	const struct mk_hdr *hdr = arg;

	(void)ctx;
	ck_assert_int_eq(fd, FD);
	ck_assert_uint_eq(hdr->size, size);
	ck_assert_uint_eq(hdr->abi, MK_ABI);
	ck_assert_uint_eq(hdr->reserved, 0);
	module.calls++;
	module.request = request;
	memcpy(module.arg, arg, size);
	if (module.answer)
		memcpy(arg, module.answer, module.answer_size);
	return module.result;
}

static int fake_map(void *ctx, int fd, uint64_t offset, size_t size, void **ret)
{
	(void)ctx;
	ck_assert_int_eq(fd, FD);
	module.map_offset = offset;
	module.map_size = size;
	if (module.map_result == 0)
		*ret = mapped;
	return module.map_result;
}

static void fake_unmap(void *ctx, void *mapping, size_t size)
{
	(void)ctx;
	module.unmapped = mapping;
	ck_assert_uint_eq(size, module.map_size);
}

static const struct kho_device_ops ops = {
	.open = fake_open,
	.close = fake_close,
	.ioctl = fake_ioctl,
	.map = fake_map,
	.unmap = fake_unmap,
};

static struct mk_info good_info(void)
{
	return (struct mk_info) {
		.hdr = { .size = sizeof(struct mk_info), .abi = MK_ABI },
		.memory_block_size = 128 * KHO_MIB,
		.tsc_khz = 2000000,
		.nr_regions = 1,
		.region_ids = { 7 },
	};
}

static struct mk_region good_region(void)
{
	return (struct mk_region) {
		.hdr = { .size = sizeof(struct mk_region), .abi = MK_ABI },
		.id = 7,
		.mmap_offset = 0x7000000000,
		.size = 256 * KHO_MIB,
		.nr_ranges = 2,
		.ranges = { { KHO_GIB, 128 * KHO_MIB }, { 2 * KHO_GIB, 128 * KHO_MIB } },
	};
}

static void answer(const void *data, size_t size)
{
	module.answer = data;
	module.answer_size = size;
}

static void setup(void)
{
	memset(&module, 0, sizeof(module));
	module.open_result = FD;
	err = (struct kho_err) { 0 };
	device = (struct kho_device) { .ops = &ops, .fd = FD };
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

/* ---- open, info ---- */

START_TEST(opens)
{
	struct mk_info info = good_info();
	struct kho_device opened = { .fd = 5 };

	answer(&info, sizeof(info));
	ck_assert_int_eq(kho_device_open(NULL, &ops, NULL, &opened, &err), 0);
	ck_assert_str_eq(module.path, "/dev/multikernel");
	ck_assert_int_eq(opened.fd, FD);
	ck_assert_uint_eq(module.request, MK_IOC_INFO);
	kho_device_close(&opened);
	kho_device_close(&opened);
	ck_assert_int_eq(module.closed, 1);
	ck_assert_int_lt(opened.fd, 0);
}
END_TEST

START_TEST(does_not_open)
{
	static const struct {
		int code;
		const char *remedy;
	} cases[] = {
		{ -ENOENT, "modprobe multikernel" },
		{ -ENODEV, "modprobe multikernel" },
		{ -ENXIO, "modprobe multikernel" },
		{ -EACCES, "run as root" },
		{ -EPERM, "run as root" },
		{ -EBUSY, "stop the other agent" },
		{ -EMFILE, "Too many open files" },
	};
	struct kho_device opened = { .fd = 5 };
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(cases); i++) {
		module.open_result = cases[i].code;
		ck_assert_int_eq(kho_device_open("/dev/x", &ops, NULL, &opened, &err),
				 cases[i].code);
		ck_assert_int_eq(err.code, cases[i].code);
		ck_assert_ptr_nonnull(strstr(err.msg, cases[i].remedy));
		ck_assert_ptr_nonnull(strstr(err.msg, "/dev/x"));
	}
	ck_assert_int_eq(module.calls, 0);
	ck_assert_int_eq(opened.fd, 5);
}
END_TEST

START_TEST(does_not_open_another_version)
{
	struct mk_info info = good_info();
	struct kho_device opened = { .fd = 5 };

	module.result = -EPROTONOSUPPORT;
	ck_assert_int_eq(kho_device_open(NULL, &ops, NULL, &opened, &err), -EPROTONOSUPPORT);
	assert_message(-EPROTONOSUPPORT);
	module.result = 0;
	info.hdr.abi = MK_ABI + 1;
	answer(&info, sizeof(info));
	ck_assert_int_eq(kho_device_open(NULL, &ops, NULL, &opened, &err), -EPROTONOSUPPORT);
	assert_message(-EPROTONOSUPPORT);
	ck_assert_ptr_nonnull(strstr(err.msg, "version 2 and this program version 1"));
	ck_assert_int_eq(module.closed, 2);
	ck_assert_int_eq(opened.fd, 5);
}
END_TEST

START_TEST(info_is_checked)
{
	struct mk_info info = good_info(), ret = { .tsc_khz = 77 };

	answer(&info, sizeof(info));
	info.nr_regions = MK_MAX_REGIONS + 1;
	ck_assert_int_eq(kho_device_info(&device, &ret, &err), -EPROTO);
	assert_message(-EPROTO);
	info = good_info();
	info.memory_block_size = 0;
	ck_assert_int_eq(kho_device_info(&device, &ret, &err), -EPROTO);
	info.memory_block_size = 3 * KHO_MIB;
	ck_assert_int_eq(kho_device_info(&device, &ret, &err), -EPROTO);
	ck_assert_uint_eq(ret.tsc_khz, 77);
	info = good_info();
	ck_assert_int_eq(kho_device_info(&device, &ret, &err), 0);
	ck_assert_uint_eq(ret.tsc_khz, 2000000);
}
END_TEST

/* ---- regions ---- */

START_TEST(claims)
{
	struct mk_region region = good_region(), ret = { .id = 77 };
	struct kho_claim claim = {
		.kind = MK_REGION_RESERVED, .ranges = region.ranges, .nr_ranges = 2,
	};
	const struct mk_region *sent = (const void *)module.arg;

	answer(&region, sizeof(region));
	ck_assert_int_eq(kho_device_claim(&device, &claim, &ret, &err), 0);
	ck_assert_uint_eq(module.request, MK_IOC_REGION_CLAIM);
	ck_assert_uint_eq(sent->kind, MK_REGION_RESERVED);
	ck_assert_uint_eq(sent->id, 0);
	ck_assert_uint_eq(sent->nr_ranges, 2);
	ck_assert_uint_eq(sent->ranges[1].start, 2 * KHO_GIB);
	ck_assert_uint_eq(sent->ranges[2].start, 0);
	ck_assert_uint_eq(ret.id, 7);
}
END_TEST

START_TEST(claims_nothing_impossible)
{
	struct mk_range ranges[MK_MAX_RANGES + 1] = { 0 };
	struct kho_claim claim = { .ranges = ranges };
	struct mk_region ret = { .id = 77 };

	ck_assert_int_eq(kho_device_claim(&device, &claim, &ret, &err), -EINVAL);
	assert_message(-EINVAL);
	claim.nr_ranges = MK_MAX_RANGES + 1;
	ck_assert_int_eq(kho_device_claim(&device, &claim, &ret, &err), -EINVAL);
	assert_message(-EINVAL);
	ck_assert_int_eq(module.calls, 0);
	ck_assert_uint_eq(ret.id, 77);
}
END_TEST

START_TEST(region_is_checked)
{
	struct mk_region region = good_region(), ret = { .id = 77 };

	answer(&region, sizeof(region));
	ck_assert_int_eq(kho_device_region(&device, 7, &ret, &err), 0);
	ck_assert_uint_eq(((const struct mk_region *)(const void *)module.arg)->id, 7);
	ck_assert_uint_eq(ret.size, 256 * KHO_MIB);
	ret.id = 77;

	region.nr_ranges = 0;
	ck_assert_int_eq(kho_device_region(&device, 7, &ret, &err), -EPROTO);
	region.nr_ranges = MK_MAX_RANGES + 1;
	ck_assert_int_eq(kho_device_region(&device, 7, &ret, &err), -EPROTO);
	region = good_region();
	region.id = 0;
	ck_assert_int_eq(kho_device_region(&device, 7, &ret, &err), -EPROTO);
	region = good_region();
	region.size++;
	ck_assert_int_eq(kho_device_region(&device, 7, &ret, &err), -EPROTO);
	assert_message(-EPROTO);
	region = good_region();
	region.ranges[0].size = UINT64_MAX;
	region.ranges[1].size = 2;
	region.size = 1;
	ck_assert_int_eq(kho_device_region(&device, 7, &ret, &err), -EPROTO);
	ck_assert_uint_eq(ret.id, 77);
}
END_TEST

START_TEST(maps)
{
	struct mk_region region = good_region();
	struct kho_mapping mapping = { 0 };

	ck_assert_int_eq(kho_device_map(&device, &region, &mapping, &err), 0);
	ck_assert_ptr_eq(mapping.data, mapped);
	ck_assert_uint_eq(mapping.size, 256 * KHO_MIB);
	ck_assert_uint_eq(module.map_offset, 0x7000000000);
	kho_device_unmap(&device, &mapping);
	ck_assert_ptr_eq(module.unmapped, mapped);
	ck_assert_ptr_null(mapping.data);
	module.unmapped = NULL;
	kho_device_unmap(&device, &mapping);
	ck_assert_ptr_null(module.unmapped);

	module.map_result = -ENOMEM;
	ck_assert_int_eq(kho_device_map(&device, &region, &mapping, &err), -ENOMEM);
	assert_message(-ENOMEM);
	module.map_result = -ENXIO;
	ck_assert_int_eq(kho_device_map(&device, &region, &mapping, &err), -ENXIO);
	assert_message(-ENXIO);
	module.map_size = 77;
	region.mmap_offset = 1;
	ck_assert_int_eq(kho_device_map(&device, &region, &mapping, &err), -EINVAL);
	region.mmap_offset = 1ull << 63;
	ck_assert_int_eq(kho_device_map(&device, &region, &mapping, &err), -EINVAL);
	region.mmap_offset = INT64_MAX & ~0xfffull;
	ck_assert_int_eq(kho_device_map(&device, &region, &mapping, &err), -EINVAL);
	region = good_region();
	region.size = 0;
	ck_assert_int_eq(kho_device_map(&device, &region, &mapping, &err), -EINVAL);
	ck_assert_uint_eq(module.map_size, 77);
	ck_assert_ptr_null(mapping.data);
}
END_TEST

/* ---- the other calls pass what they're given ---- */

START_TEST(cpu_calls)
{
	struct mk_cpu_start start = {
		.hdr = { .size = 1, .abi = 99 }, .apic_id = 2, .flags = MK_CPU_MAILBOX,
		.region = 7, .timeout_ms = 500, .pgtable = 0x1000, .entry = 0x2000, .arg = 0x3000,
		.mailbox = 0x4000,
	};
	const struct mk_cpu_start *started = (const void *)module.arg;
	const struct mk_cpu *cpu = (const void *)module.arg;
	struct mk_cpu state = { .apic_id = 2, .state = MK_CPU_LENT, .region = 7, .cpu = 3 };
	struct mk_cpu ret = { .cpu = 77 };

	ck_assert_int_eq(kho_device_cpu_start(&device, &start, &err), 0);
	ck_assert_uint_eq(module.request, MK_IOC_CPU_START);
	ck_assert_uint_eq(started->entry, 0x2000);
	ck_assert_uint_eq(started->arg, 0x3000);
	ck_assert_uint_eq(started->timeout_ms, 500);

	ck_assert_uint_eq(started->mailbox, 0x4000);
	ck_assert_int_eq(kho_device_cpu_park(&device, &start, &err), 0);
	ck_assert_uint_eq(module.request, MK_IOC_CPU_PARK);
	ck_assert_uint_eq(started->flags, MK_CPU_MAILBOX);

	ck_assert_int_eq(kho_device_cpu_stop(&device, 2, &err), 0);
	ck_assert_uint_eq(module.request, MK_IOC_CPU_STOP);
	ck_assert_uint_eq(cpu->apic_id, 2);

	answer(&state, sizeof(state));
	ck_assert_int_eq(kho_device_cpu_state(&device, 2, &ret, &err), 0);
	ck_assert_int_eq(ret.cpu, 3);
	ret.cpu = 77;
	state.state = 3;
	ck_assert_int_eq(kho_device_cpu_state(&device, 2, &ret, &err), -EPROTO);
	ck_assert_int_eq(ret.cpu, 77);
}
END_TEST

START_TEST(link_calls)
{
	struct mk_link link = { .region = 7, .event_fd = -1, .own_status = 1, .peer_status = 2 };
	struct mk_console console = { .region = 7, .out_ring = 1, .in_ring = 2 };

	ck_assert_int_eq(kho_device_link(&device, &link, &err), 0);
	ck_assert_uint_eq(module.request, MK_IOC_LINK);
	ck_assert_int_eq(((const struct mk_link *)(const void *)module.arg)->event_fd, -1);
	ck_assert_int_eq(kho_device_ring(&device, 7, &err), 0);
	ck_assert_uint_eq(module.request, MK_IOC_RING);
	ck_assert_uint_eq(((const struct mk_ring *)(const void *)module.arg)->region, 7);
	ck_assert_int_eq(kho_device_unlink(&device, 7, &err), 0);
	ck_assert_uint_eq(module.request, MK_IOC_UNLINK);
	ck_assert_int_eq(kho_device_console(&device, &console, &err), 0);
	ck_assert_uint_eq(module.request, MK_IOC_CONSOLE);
	ck_assert_uint_eq(((const struct mk_console *)(const void *)module.arg)->in_ring, 2);
}
END_TEST

START_TEST(pci_calls)
{
	struct kho_pci_addr addr = { .domain = 1, .bus = 2, .device = 31, .function = 7 };
	const struct mk_pci *pci = (const void *)module.arg;

	ck_assert_int_eq(kho_device_pci_grant(&device, &addr, 0xb0000000, &err), 0);
	ck_assert_uint_eq(module.request, MK_IOC_PCI_GRANT);
	ck_assert_uint_eq(pci->domain, 1);
	ck_assert_uint_eq(pci->bus, 2);
	ck_assert_uint_eq(pci->devfn, 0xff);
	ck_assert_uint_eq(pci->config, 0xb0000000);
	ck_assert_int_eq(kho_device_pci_revoke(&device, &addr, &err), 0);
	ck_assert_uint_eq(module.request, MK_IOC_PCI_REVOKE);
	ck_assert_uint_eq(pci->config, 0);
	module.result = -ENOENT;
	ck_assert_int_eq(kho_device_pci_revoke(&device, &addr, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "revoke 0001:02:1f.7"));
}
END_TEST

START_TEST(retire_calls)
{
	struct mk_retire retire = { .region = 7, .action = MK_RETIRE_ARM, .park_entry = 0x1000 };
	struct mk_range range = { KHO_GIB, 128 * KHO_MIB };
	struct kho_absorb absorb = { .region = 7, .ranges = &range, .nr_ranges = 1 };
	struct mk_absorb added = { .added = 42 };
	struct mk_power power = { .pm1a_port = 0x604 };
	uint64_t bytes = 77;

	ck_assert_int_eq(kho_device_retire(&device, &retire, &err), 0);
	ck_assert_uint_eq(module.request, MK_IOC_RETIRE);
	ck_assert_uint_eq(((const struct mk_retire *)(const void *)module.arg)->park_entry, 0x1000);
	ck_assert_int_eq(kho_device_power(&device, 7, &power, &err), 0);
	ck_assert_uint_eq(module.request, MK_IOC_POWER);
	ck_assert_uint_eq(((const struct mk_power_set *)(const void *)module.arg)->power.pm1a_port,
			  0x604);
	answer(&added, sizeof(added));
	ck_assert_int_eq(kho_device_absorb(&device, &absorb, &bytes, &err), 0);
	ck_assert_uint_eq(module.request, MK_IOC_ABSORB);
	ck_assert_uint_eq(((const struct mk_absorb *)(const void *)module.arg)->ranges[0].start,
			  KHO_GIB);
	ck_assert_uint_eq(bytes, 42);
	absorb.nr_ranges = 0;
	ck_assert_int_eq(kho_device_absorb(&device, &absorb, &bytes, &err), -EINVAL);
	module.result = -EBUSY;
	absorb.nr_ranges = 1;
	ck_assert_int_eq(kho_device_absorb(&device, &absorb, &bytes, &err), -EBUSY);
	ck_assert_uint_eq(bytes, 42);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("device");
	TCase *tc = tcase_create("device");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, opens);
	tcase_add_test(tc, does_not_open);
	tcase_add_test(tc, does_not_open_another_version);
	tcase_add_test(tc, info_is_checked);
	tcase_add_test(tc, claims);
	tcase_add_test(tc, claims_nothing_impossible);
	tcase_add_test(tc, region_is_checked);
	tcase_add_test(tc, maps);
	tcase_add_test(tc, cpu_calls);
	tcase_add_test(tc, link_calls);
	tcase_add_test(tc, pci_calls);
	tcase_add_test(tc, retire_calls);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
