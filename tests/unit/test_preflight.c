// SPDX-License-Identifier: GPL-2.0-only
/*
 * What khoctl check says of a machine: its facts read from a fake /proc and /sys, hostile
 * texts included, and each judgement on them.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "unit/fake_tree.h"
#include "unit/run.h"
#include "upgrade/preflight.h"

#define CLOCK "sys/devices/system/clocksource/clocksource0/current_clocksource"
#define PCI   "sys/bus/pci/devices/0000:00:05.0"

static struct fake_tree tree;
static struct kho_findings findings;
static struct kho_machine machine;
static struct kho_err err;

/* A machine that nothing is wrong with. */
static void setup(void)
{
	fake_tree_init(&tree);
	fake_put(&tree, "proc/sys/kernel/osrelease", "6.12.117+deb13-cloud-amd64\n");
	fake_put(&tree, "proc/cmdline", "root=/dev/vda quiet\n");
	fake_put(&tree, "proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu constant_tsc nonstop_tsc\n");
	fake_put(&tree, "proc/interrupts", "  24: 0 PCI-MSIX-0000:00:02.0 0-edge virtio0\n");
	fake_put(&tree, CLOCK, "tsc\n");
	fake_dir(&tree, "sys/class/iommu");
	fake_dir(&tree, "sys/module/multikernel");
	findings = (struct kho_findings){};
	machine = (struct kho_machine){};
	err = (struct kho_err){};
}

static void teardown(void)
{
	fake_tree_done(&tree);
}

/* Reads and judges: how many findings there are. */
static unsigned int judge(void)
{
	findings = (struct kho_findings){};
	ck_assert_msg(kho_machine_read(&tree.root, &machine, &err) == 0, "%s", err.msg);
	kho_judge_machine(&machine, &findings);
	for (unsigned int i = 0; i < findings.nr; i++)
		ck_assert(*findings.list[i].cause && *findings.list[i].remedy);
	return findings.nr;
}

static void expect(enum kho_finding_kind kind, bool warning)
{
	ck_assert_uint_eq(judge(), 1);
	ck_assert_str_eq(kho_finding_name(findings.list[0].kind), kho_finding_name(kind));
	ck_assert_int_eq(findings.list[0].warning, warning);
	ck_assert_int_eq(kho_findings_block(&findings), !warning);
}

/* ---- the machine ---- */

START_TEST(a_good_machine)
{
	ck_assert_uint_eq(judge(), 0);
	ck_assert(!kho_findings_block(&findings));
	ck_assert_ptr_null(kho_findings_blocker(&findings));
}
END_TEST

START_TEST(clocks)
{
	fake_put(&tree, CLOCK, "hpet\n");
	expect(KHO_FINDING_CLOCK, false);
	ck_assert_ptr_nonnull(strstr(findings.list[0].cause, "hpet"));
	fake_remove(&tree, CLOCK);
	expect(KHO_FINDING_CLOCK, false);
	fake_put(&tree, CLOCK, "tsc-early\n");
	ck_assert_uint_eq(judge(), 0);
	fake_put(&tree, "proc/cpuinfo", "processor\t: 0\nflags\t\t: nonstop_tsc xconstant_tsc\n");
	expect(KHO_FINDING_CLOCK, true);
	ck_assert_ptr_nonnull(strstr(findings.list[0].cause, "no constant_tsc"));
	ck_assert_ptr_null(strstr(findings.list[0].cause, "nonstop_tsc"));
}
END_TEST

START_TEST(iommus)
{
	fake_dir(&tree, "sys/class/iommu/dmar0");
	fake_dir(&tree, "sys/class/iommu/dmar1");
	fake_put(&tree, "sys/firmware/acpi/tables/DMAR", "DMAR");
	expect(KHO_FINDING_IOMMU, false);
	ck_assert_str_eq(findings.list[0].where, "dmar0");
	ck_assert_ptr_nonnull(strstr(findings.list[0].cause, "2 IOMMUs are"));
	ck_assert_ptr_nonnull(strstr(findings.list[0].cause, "DMAR"));
	fake_put(&tree, "proc/interrupts", "  1: 9 IR-IO-APIC 1-edge i8042\n");
	ck_assert_uint_eq(judge(), 2);
	ck_assert_int_eq(findings.list[1].kind, KHO_FINDING_INTERRUPT_REMAPPING);
	/* a table that nobody uses is no harm */
	fake_remove(&tree, "sys/class/iommu/dmar0");
	fake_remove(&tree, "sys/class/iommu/dmar1");
	fake_put(&tree, "proc/interrupts", "");
	ck_assert_uint_eq(judge(), 0);
	/* without the class there's none */
	fake_remove(&tree, "sys/class/iommu");
	ck_assert_uint_eq(judge(), 0);
}
END_TEST

START_TEST(ways_to_restart)
{
	fake_put(&tree, "proc/cmdline", "quiet reboot=force\n");
	expect(KHO_FINDING_REBOOT_FORCE, false);
	/* what holds now counts, not what was at boot */
	fake_put(&tree, "sys/kernel/reboot/force", "0\n");
	ck_assert_uint_eq(judge(), 0);
	fake_put(&tree, "proc/cmdline", "quiet\n");
	fake_put(&tree, "sys/kernel/reboot/force", "1\n");
	expect(KHO_FINDING_REBOOT_FORCE, false);
	fake_put(&tree, "sys/kernel/reboot/force", "0\n");
	fake_put(&tree, "sys/kernel/kexec_loaded", "1\n");
	expect(KHO_FINDING_KEXEC, false);
	fake_put(&tree, "sys/kernel/kexec_loaded", "0\n");
	fake_put(&tree, "sys/kernel/kexec_crash_loaded", "1\n");
	expect(KHO_FINDING_KDUMP, true);
}
END_TEST

START_TEST(versions)
{
	fake_put(&tree, "proc/sys/kernel/osrelease", "6.11.10-amd64\n");
	expect(KHO_FINDING_KERNEL_VERSION, false);
	fake_put(&tree, "proc/sys/kernel/osrelease", "5.99.1\n");
	expect(KHO_FINDING_KERNEL_VERSION, false);
	fake_put(&tree, "proc/sys/kernel/osrelease", "7.0\n");
	ck_assert_uint_eq(judge(), 0);
	fake_put(&tree, "proc/sys/kernel/osrelease", "next-20261126\n");
	expect(KHO_FINDING_KERNEL_VERSION, true);
}
END_TEST

START_TEST(trust)
{
	fake_put(&tree, "sys/module/module/parameters/sig_enforce", "Y\n");
	ck_assert_uint_eq(judge(), 0);
	fake_remove(&tree, "sys/module/multikernel");
	expect(KHO_FINDING_LOCKDOWN, false);
	fake_put(&tree, "sys/module/module/parameters/sig_enforce", "N\n");
	expect(KHO_FINDING_MODULE, false);
	fake_dir(&tree, "sys/module/multikernel");
	fake_put(&tree, "sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
	expect(KHO_FINDING_LOCKDOWN, true);
	fake_put(&tree, "sys/kernel/security/lockdown", "nonsense\n");
	ck_assert_int_eq(kho_machine_read(&tree.root, &machine, &err), -EBADMSG);
}
END_TEST

/* ---- texts ---- */

START_TEST(reboot_options)
{
	static const struct {
		const char *text;
		bool forced;
	} cases[] = {
		{ "", false },
		{ "reboot=", false },
		{ "reboot=,", false },
		{ "reboot=force", true },
		{ "reboot=f", true },
		{ "a reboot=acpi,force b", true },
		{ "reboot=panic_force", true },
		{ "reboot=panic_", false },
		{ "reboot=acpi reboot=f", true },
		{ "reboot=acpi,,f", true },
		{ "reboot=off,cf", false },
		{ "xreboot=force", false },
		{ "reboot = force", false },
		{ "quiet\treboot=w,f\n", true },
		{ "quiet -- reboot=force", false },
		{ "init=/x,reboot=force", false },
	};

	for (size_t i = 0; i < KHO_ARRAY_SIZE(cases); i++)
		ck_assert_msg(kho_cmdline_forces_reboot(cases[i].text) == cases[i].forced, "%s",
			      cases[i].text);
}
END_TEST

START_TEST(release_texts)
{
	static const char *const bad[] = {
		"", "6", "6.", ".12", "6.x", "-6.12", " 6.12", "6 .12", "v6.12", "6,12",
		"9999999.1", "6.9999999",
	};
	unsigned int major = 7, minor = 7;

	for (size_t i = 0; i < KHO_ARRAY_SIZE(bad); i++)
		ck_assert_msg(!kho_release_numbers(bad[i], &major, &minor), "%s", bad[i]);
	ck_assert(major == 7 && minor == 7);
	ck_assert(kho_release_numbers("6.12.117+deb13", &major, &minor));
	ck_assert(major == 6 && minor == 12);
	ck_assert(kho_release_numbers("7.3", &major, &minor));
	ck_assert(major == 7 && minor == 3);
}
END_TEST

/* Files that are cut off, empty or no text are survived. */
START_TEST(damaged_files)
{
	static const char *const names[] = {
		"proc/sys/kernel/osrelease", "proc/cmdline", "proc/cpuinfo", "proc/interrupts", CLOCK,
	};
	static const char *const texts[] = {
		"", "\n", "flags", "\nflags", "\nflags\t: constant_tsc", " IR-", "reboot=",
		"\xff\xfe\xfd", "\nflags\nflags\nflags",
	};
	char *large = malloc(70000);

	memset(large, 'x', 69999);
	large[69999] = '\0';
	for (size_t i = 0; i < KHO_ARRAY_SIZE(names); i++) {
		for (size_t n = 0; n < KHO_ARRAY_SIZE(texts); n++) {
			teardown();
			setup();
			fake_put(&tree, names[i], texts[n]);
			judge();
		}
		fake_put(&tree, names[i], large);
		if (kho_machine_read(&tree.root, &machine, &err) < 0)
			ck_assert_int_eq(err.code, -EFBIG);
		teardown();
		setup();
		fake_put_data(&tree, names[i], "a\0b", 3);
		ck_assert_int_eq(kho_machine_read(&tree.root, &machine, &err), -EINVAL);
		teardown();
		setup();
	}
	free(large);
}
END_TEST

/* ---- room ---- */

START_TEST(room)
{
	const struct kho_room_need need = { "/var", "it", 4096, 10, false };
	struct kho_room_need soft = need;
	struct kho_room here = { .known = true, .has_inodes = true, .bytes = 4096, .inodes = 10 };

	kho_judge_room(&here, &need, &findings);
	ck_assert_uint_eq(findings.nr, 0);
	here.bytes = 4095;
	kho_judge_room(&here, &need, &findings);
	ck_assert_uint_eq(findings.nr, 1);
	ck_assert(!findings.list[0].warning);
	ck_assert_str_eq(findings.list[0].where, "/var");
	here.inodes = 9;
	soft.warning = true;
	kho_judge_room(&here, &soft, &findings);
	ck_assert_uint_eq(findings.nr, 3);
	ck_assert(findings.list[1].warning && findings.list[2].warning);
	here.has_inodes = false;
	here.bytes = UINT64_MAX;
	kho_judge_room(&here, &need, &findings);
	here.known = false;
	here.bytes = 0;
	kho_judge_room(&here, &need, &findings);
	ck_assert_uint_eq(findings.nr, 3);
}
END_TEST

START_TEST(room_of_a_path)
{
	struct kho_room here, above;
	char path[200];

	snprintf(path, sizeof(path), "%s/not/there", tree.dir);
	ck_assert_int_eq(kho_room_read(tree.dir, &here, &err), 0);
	ck_assert_int_eq(kho_room_read(path, &above, &err), 0);
	ck_assert_int_eq(here.known, above.known);
	ck_assert_int_eq(kho_room_read("/nonesuch", &above, &err), 0);
	ck_assert_int_eq(kho_room_read("nonesuch", &above, &err), -ENOENT);
	snprintf(path, sizeof(path), "%s/proc/cmdline/x", tree.dir);
	ck_assert_int_eq(kho_room_read(path, &above, &err), -ENOTDIR);
}
END_TEST

/* ---- CPUs and memory ---- */

START_TEST(cpus)
{
	static struct kho_cpu_list list = {
		.nr = 5,
		.cpus = {
			{ .cpu = 0, .online = true },
			{ .cpu = 1, .online = true, .hotpluggable = true },
			{ .cpu = 2, .online = true },
			{ .cpu = 3, .online = false, .hotpluggable = true },
			{ .cpu = 4, .online = false, .hotpluggable = true },
		},
	};

	kho_judge_cpus(&list, &findings);
	ck_assert_uint_eq(findings.nr, 2);
	ck_assert(!kho_findings_block(&findings));
	ck_assert_str_eq(findings.list[0].where, "CPUs 3-4");
	ck_assert_str_eq(findings.list[1].where, "CPUs 2");
}
END_TEST

START_TEST(memory)
{
	struct kho_mem_block blocks[] = {
		{ 0, KHO_MEM_ONLINE, KHO_ZONE_DMA32, true },	/* never the first */
		{ 1, KHO_MEM_ONLINE, KHO_ZONE_DMA32, true },
		{ 2, KHO_MEM_ONLINE, KHO_ZONE_NORMAL, false },
		{ 3, KHO_MEM_OFFLINE, KHO_ZONE_NORMAL, true },
		{ 4, KHO_MEM_CHANGING, KHO_ZONE_NORMAL, true },
		{ 5, KHO_MEM_ONLINE, KHO_ZONE_NONE, true },
		{ 6, KHO_MEM_ONLINE, KHO_ZONE_MOVABLE, true },
	};
	const struct kho_mem_map map = { 128 * KHO_MIB, KHO_ARRAY_SIZE(blocks), blocks };
	struct kho_lendable lendable = { .available = 2 * KHO_GIB, .kept = 256 * KHO_MIB };

	kho_lendable_count(&map, &lendable);
	ck_assert_uint_eq(lendable.blocks, 256 * KHO_MIB);
	ck_assert_uint_eq(lendable.movable, 128 * KHO_MIB);
	ck_assert_uint_eq(lendable.most, 256 * KHO_MIB);
	lendable.available = 256 * KHO_MIB + 200 * KHO_MIB;
	kho_lendable_count(&map, &lendable);
	ck_assert_uint_eq(lendable.most, 128 * KHO_MIB);
	lendable.available = 1;
	kho_lendable_count(&map, &lendable);
	ck_assert_uint_eq(lendable.most, 0);
}
END_TEST

/* ---- drivers ---- */

static void put_function(void)
{
	fake_put(&tree, PCI "/modalias", "pci:v00001AF4d00001041sv00001AF4sd00001100bc02sc00i00\n");
	fake_put(&tree, PCI "/virtio3/modalias", "virtio:d00000001v00001AF4\n");
	fake_dir(&tree, "sys/bus/pci/drivers/virtio-pci");
	fake_link(&tree, PCI "/driver", "../../drivers/virtio-pci");
	fake_dir(&tree, "sys/bus/virtio/drivers/virtio_net");
	fake_link(&tree, "sys/bus/virtio/drivers/virtio_net/module", "/x/virtio_net");
	fake_link(&tree, PCI "/virtio3/driver", "../../../../virtio/drivers/virtio_net");
}

START_TEST(needs_of_a_function)
{
	struct kho_device_needs needs;

	ck_assert_int_eq(kho_device_needs_read(&tree.root, "0000:00:05.0", &needs, &err), -ENODEV);
	put_function();
	ck_assert_int_eq(kho_device_needs_read(&tree.root, "0000:00:05.0", &needs, &err), 0);
	ck_assert_uint_eq(needs.nr, 2);
	ck_assert_str_eq(needs.list[0].driver, "virtio-pci");
	ck_assert_str_eq(needs.list[1].modalias, "virtio:d00000001v00001AF4");
	ck_assert_str_eq(needs.list[1].driver, "virtio_net");
}
END_TEST

START_TEST(drivers)
{
	struct kho_manifest manifest = { .has_devices = true };
	struct kho_given given = { .name = "0000:00:05.0", .granted = true };

	put_function();
	ck_assert_int_eq(kho_device_needs_read(&tree.root, given.name, &given.needs, &err), 0);
	kho_judge_drivers(&manifest, &given, 1, "img", &findings);
	ck_assert_uint_eq(findings.nr, 1);
	ck_assert(!findings.list[0].warning && strstr(findings.list[0].cause, "virtio-pci"));
	/* built in without patterns: known by its name */
	kho_strset_add(&manifest.builtin, "virtio_pci", 0);
	kho_judge_drivers(&manifest, &given, 1, "img", &findings);
	ck_assert_uint_eq(findings.nr, 2);
	ck_assert_ptr_nonnull(strstr(findings.list[1].cause, "virtio:d00000001"));
	/* that comes at the end only */
	given.granted = false;
	kho_judge_drivers(&manifest, &given, 1, "img", &findings);
	ck_assert_uint_eq(findings.nr, 3);
	ck_assert(findings.list[2].warning && strstr(findings.list[2].cause, "virtio_net"));
	kho_strset_add(&manifest.devices, "virtio:d00000001v*", 0);
	kho_judge_drivers(&manifest, &given, 1, "img", &findings);
	ck_assert_uint_eq(findings.nr, 3);
	manifest.has_devices = false;
	kho_judge_drivers(&manifest, &given, 1, "img", &findings);
	ck_assert_uint_eq(findings.nr, 4);
	ck_assert(findings.list[3].warning && strstr(findings.list[3].cause, "isn't known"));
	kho_manifest_done(&manifest);
}
END_TEST

START_TEST(many_that_come_at_the_end)
{
	static struct kho_given given[100];
	struct kho_manifest manifest = { .has_devices = true };

	for (size_t i = 0; i < KHO_ARRAY_SIZE(given); i++) {
		snprintf(given[i].name, sizeof(given[i].name), "0000:00:%02zx.0", i);
		given[i].needs.nr = 1;
		snprintf(given[i].needs.list[0].modalias, 16, "pci:%zu", i);
		/* every other one isn't used here either */
		snprintf(given[i].needs.list[0].driver, 16, "%s", i & 1 ? "x" : "");
	}
	kho_judge_drivers(&manifest, given, KHO_ARRAY_SIZE(given), "img", &findings);
	ck_assert_uint_eq(findings.nr, 1);
	ck_assert_ptr_nonnull(strstr(findings.list[0].cause, "50 functions"));
	ck_assert_ptr_nonnull(strstr(findings.list[0].cause, "0000:00:01.0 (x)"));
}
END_TEST

/* ---- findings ---- */

START_TEST(messages_and_severities)
{
	kho_found_message(&findings, KHO_FINDING_CPUS, "w", "a; b; do c");
	ck_assert_str_eq(findings.list[0].cause, "a; b");
	ck_assert_str_eq(findings.list[0].remedy, "do c");
	kho_found_message(&findings, KHO_FINDING_CPUS, "", "a");
	ck_assert_ptr_nonnull(strstr(findings.list[1].remedy, "--cpus="));
	findings = (struct kho_findings){};
	for (int i = 0; i < KHO_FINDINGS + 3; i++)
		kho_found_warning(&findings, KHO_FINDING_KDUMP, "", "%d", i);
	ck_assert(!kho_findings_block(&findings));
	kho_found(&findings, KHO_FINDING_KEXEC, 0, "", "x");
	ck_assert(kho_findings_block(&findings));
	ck_assert_ptr_null(kho_findings_blocker(&findings));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_good_machine, clocks, iommus, ways_to_restart, versions, trust, reboot_options,
		release_texts, damaged_files, room, room_of_a_path, cpus, memory,
		needs_of_a_function, drivers, many_that_come_at_the_end, messages_and_severities,
	};
	Suite *suite = suite_create("preflight");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	for (size_t i = 0; i < KHO_ARRAY_SIZE(tests); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
