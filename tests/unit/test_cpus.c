// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUs: the parser of /proc/cpuinfo, the list on a fake tree, which CPUs can be
 * spared, and offlining against a kernel that refuses in every way it can.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "system/cpus.h"
#include "unit/fake_tree.h"
#include "unit/run.h"

#define CPU_DIR	"sys/devices/system/cpu"

static struct fake_tree tree;
static struct kho_err err;

/* The machine: 4 CPUs, APIC ids 0, 2, 4, 6, CPU 3 offline, CPU 0 not hotpluggable. */
static const char cpuinfo[] =
	"processor\t: 0\nvendor_id\t: GenuineIntel\napicid\t\t: 0\ninitial apicid\t: 9\n\n"
	"processor\t: 1\nflags\t\t: fpu apicid\napicid\t\t: 2\ninitial apicid\t: 2\n\n"
	"processor\t: 2\npower management:\napicid\t\t: 4\ninitial apicid\t: 4\n\n";

static void put_cpu(unsigned int cpu, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), CPU_DIR "/cpu%u/%s", cpu, name);
	fake_put(&tree, path, text);
}

static void setup(void)
{
	unsigned int cpu;
	char core[8];

	fake_tree_init(&tree);
	fake_put(&tree, "proc/cpuinfo", cpuinfo);
	fake_put(&tree, CPU_DIR "/present", "0-3\n");
	fake_put(&tree, CPU_DIR "/online", "0-2\n");
	for (cpu = 0; cpu < 4; cpu++) {
		if (cpu > 0)
			put_cpu(cpu, "online", cpu < 3 ? "1\n" : "0\n");
		if (cpu == 3)
			continue;
		snprintf(core, sizeof(core), "%u\n", cpu * 2);
		put_cpu(cpu, "topology/physical_package_id", "0\n");
		put_cpu(cpu, "topology/core_id", core);
	}
	err = (struct kho_err) { 0 };
}

static void teardown(void)
{
	fake_tree_done(&tree);
}

/* ---- /proc/cpuinfo ---- */

START_TEST(cpuinfo_is_read)
{
	struct kho_cpuinfo info;

	ck_assert_int_eq(kho_cpuinfo_parse(cpuinfo, strlen(cpuinfo), &info, &err), 0);
	ck_assert_uint_eq(kho_cpus_count(&info.known), 3);
	ck_assert_uint_eq(info.apic_ids[0], 0);
	ck_assert_uint_eq(info.apic_ids[1], 2);
	ck_assert_uint_eq(info.apic_ids[2], 4);
}
END_TEST

START_TEST(cpuinfo_is_refused)
{
	static const struct {
		const char *text;
		int code;
	} cases[] = {
		{ "", -ENODATA },
		{ "processor\t: 0\n", -ENODATA },
		{ "apicid\t\t: 0\n", -EBADMSG },
		{ "processor\t: 0\napicid\t\t: x\n", -EBADMSG },
		{ "processor\t: 0\napicid\t\t:\n", -EBADMSG },
		{ "processor\t: -1\napicid\t\t: 0\n", -EBADMSG },
		{ "processor\t: 0\napicid\t\t: 4294967295\n", -EBADMSG },
		{ "processor\t: 0\napicid\t\t: 4294967296\n", -EBADMSG },
		{ "processor\t: 0\napicid\t\t: 11111111111111111111111\n", -EBADMSG },
		{ "processor\t: 512\napicid\t\t: 0\n", -ERANGE },
		{ "processor\t: 0\napicid\t\t: 0\napicid\t\t: 1\n", -EBADMSG },
		{ "processor\t: 0\napicid\t\t: 1\nprocessor\t: 0\napicid\t\t: 2\n", -EBADMSG },
		{ "processor\t: 0\napicid\t\t: 1\nprocessor\t: 1\napicid\t\t: 1\n", -EBADMSG },
	};
	struct kho_cpuinfo info = { .apic_ids = { 77 } };
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(cases); i++) {
		ck_assert_int_eq(kho_cpuinfo_parse(cases[i].text, strlen(cases[i].text), &info,
						   &err), cases[i].code);
		ck_assert_int_eq(err.code, cases[i].code);
		ck_assert_ptr_nonnull(strchr(err.msg, ';'));
		ck_assert_uint_eq(info.apic_ids[0], 77);
	}
	ck_assert_int_eq(kho_cpuinfo_parse("processor: 0\napicid: 1\0\n", 24, &info, NULL),
			 -EBADMSG);
}
END_TEST

START_TEST(cpuinfo_cut_anywhere)
{
	struct kho_cpuinfo info;
	char *text;
	size_t size;
	int r;

	for (size = 0; size <= strlen(cpuinfo); size++) {
		/* exactly sized, so that a sanitizer sees a byte too much */
		text = malloc(size ? size : 1);
		memcpy(text, cpuinfo, size);
		r = kho_cpuinfo_parse(text, size, &info, NULL);
		ck_assert(r == 0 || r == -ENODATA || r == -EBADMSG);
		free(text);
	}
}
END_TEST

/* ---- the list ---- */

START_TEST(list_is_read)
{
	struct kho_cpu_list list;

	ck_assert_int_eq(kho_cpu_list_read(&tree.root, &list, &err), 0);
	ck_assert_uint_eq(list.nr, 4);
	ck_assert_uint_eq(list.cpus[0].cpu, 0);
	ck_assert(list.cpus[0].online && !list.cpus[0].hotpluggable);
	ck_assert_uint_eq(list.cpus[2].apic_id, 4);
	ck_assert_int_eq(list.cpus[2].core, 4);
	ck_assert_int_eq(list.cpus[2].package, 0);
	ck_assert(list.cpus[2].online && list.cpus[2].hotpluggable);
	ck_assert_uint_eq(list.cpus[3].apic_id, KHO_APIC_UNKNOWN);
	ck_assert_int_eq(list.cpus[3].core, -1);
	ck_assert(!list.cpus[3].online && list.cpus[3].hotpluggable);
	ck_assert_ptr_eq(kho_cpu_list_find(&list, 2), &list.cpus[2]);
	ck_assert_ptr_eq(kho_cpu_list_find_apic(&list, 4), &list.cpus[2]);
	ck_assert_ptr_null(kho_cpu_list_find(&list, 4));
	ck_assert_ptr_null(kho_cpu_list_find_apic(&list, KHO_APIC_UNKNOWN));
}
END_TEST

START_TEST(list_fails_with_its_sources)
{
	struct kho_cpu_list list = { .nr = 77 };

	fake_put(&tree, CPU_DIR "/present", "0-600\n");
	ck_assert_int_eq(kho_cpu_list_read(&tree.root, &list, &err), -ERANGE);
	ck_assert_ptr_nonnull(strstr(err.msg, "/present"));
	fake_put(&tree, CPU_DIR "/present", "junk\n");
	ck_assert_int_eq(kho_cpu_list_read(&tree.root, &list, &err), -EINVAL);
	fake_remove(&tree, CPU_DIR "/present");
	ck_assert_int_eq(kho_cpu_list_read(&tree.root, &list, &err), -ENOENT);
	ck_assert_uint_eq(list.nr, 77);
}
END_TEST

/* A module whose CPU n has APIC id 2n. */
static int fake_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	struct mk_cpu *cpu = arg;
	int *broken = ctx;

	(void)fd;
	ck_assert_uint_eq(request, MK_IOC_CPU_STATE);
	if (*broken)
		return *broken;
	if (cpu->apic_id % 2 || cpu->apic_id > 6)
		return -ENOENT;
	cpu->cpu = (int)cpu->apic_id / 2;
	cpu->state = MK_CPU_OFFLINE;
	return 0;
}

START_TEST(list_asks_the_module)
{
	static const struct kho_device_ops ops = { .ioctl = fake_ioctl };
	int broken = 0;
	struct kho_device device = { .ops = &ops, .ctx = &broken };
	struct kho_cpu_list list;

	ck_assert_int_eq(kho_cpu_list_read(&tree.root, &list, &err), 0);
	ck_assert_int_eq(kho_cpu_list_resolve(&list, &device, 6, &err), -ENODATA);
	ck_assert_ptr_nonnull(strstr(err.msg, "CPUs 3 "));
	broken = -EPERM;
	ck_assert_int_eq(kho_cpu_list_resolve(&list, &device, 64, &err), -EPERM);
	broken = 0;
	err = (struct kho_err) { 0 };
	ck_assert_int_eq(kho_cpu_list_resolve(&list, &device, 64, &err), 0);
	ck_assert_int_eq(err.code, 0);
	ck_assert_uint_eq(list.cpus[3].apic_id, 6);
}
END_TEST

/* ---- sparing ---- */

static void assert_chosen(const struct kho_cpu_list *list, const struct kho_spare *spare,
			  const char *expected)
{
	char text[KHO_CPUS_TEXT];
	struct kho_cpus chosen;

	ck_assert_msg(kho_cpu_choose_spare(list, spare, &chosen, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(kho_cpus_format(&chosen, text, sizeof(text)), 0);
	ck_assert_str_eq(text, expected);
}

/* Eight CPUs; CPU n and n + 4 are threads of core n; APIC ids are 2n and 2n + 1. */
static struct kho_cpu_list threads(void)
{
	struct kho_cpu_list list = { .nr = 8 };
	unsigned int cpu;

	for (cpu = 0; cpu < 8; cpu++)
		list.cpus[cpu] = (struct kho_cpu) {
			.cpu = cpu,
			.apic_id = cpu % 4 * 2 + cpu / 4,
			.core = (int)cpu % 4,
			.online = true,
			.hotpluggable = cpu != 0,
		};
	return list;
}

START_TEST(spare_cpus_without_threads)
{
	struct kho_cpu_list list;
	struct kho_cpus chosen = { { 77 } };

	ck_assert_int_eq(kho_cpu_list_read(&tree.root, &list, &err), 0);
	assert_chosen(&list, &(struct kho_spare) { .nr = 1, .boot_apic_id = ~0u }, "2");
	assert_chosen(&list, &(struct kho_spare) { .nr = 2, .boot_apic_id = ~0u }, "1-2");
	/* the machine's boot CPU isn't always CPU 0 */
	assert_chosen(&list, &(struct kho_spare) { .nr = 1, .boot_apic_id = 4 }, "1");
	ck_assert_int_eq(kho_cpu_choose_spare(&list, &(struct kho_spare) {
				.nr = 2, .boot_apic_id = 4 }, &chosen, &err), -ENOSPC);
	ck_assert_int_eq(kho_cpu_choose_spare(&list, &(struct kho_spare) {
				.nr = 3, .boot_apic_id = ~0u }, &chosen, &err), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.msg, "only 2 of 3"));
	ck_assert_int_eq(kho_cpu_choose_spare(&list, &(struct kho_spare) {
				.nr = 2, .min_left = 2 }, &chosen, &err), -ENOSPC);
	ck_assert_int_eq(kho_cpu_choose_spare(&list, &(struct kho_spare) {
				.nr = 1, .min_left = 9 }, &chosen, &err), -ENOSPC);
	ck_assert_int_eq(kho_cpu_choose_spare(&list, &(struct kho_spare) { 0 }, &chosen, &err),
			 -EINVAL);
	ck_assert_uint_eq(chosen.bits[0], 77);
}
END_TEST

START_TEST(spare_cpus_are_whole_cores)
{
	struct kho_cpu_list list = threads();

	assert_chosen(&list, &(struct kho_spare) { .nr = 2, .boot_apic_id = ~0u }, "3,7");
	assert_chosen(&list, &(struct kho_spare) { .nr = 4, .boot_apic_id = ~0u }, "2-3,6-7");
	/* CPU 4 is on CPU 0's core: last */
	assert_chosen(&list, &(struct kho_spare) { .nr = 6, .boot_apic_id = ~0u }, "1-3,5-7");
	assert_chosen(&list, &(struct kho_spare) { .nr = 7, .boot_apic_id = ~0u }, "1-7");
	/* the boot CPU's core (APIC 6 is CPU 3) is split last, before CPU 0's */
	assert_chosen(&list, &(struct kho_spare) { .nr = 2, .boot_apic_id = 6 }, "2,6");
	assert_chosen(&list, &(struct kho_spare) { .nr = 5, .boot_apic_id = 6 }, "1-2,5-7");
	/* an offline thread doesn't make a core less whole */
	list.cpus[7].online = false;
	assert_chosen(&list, &(struct kho_spare) { .nr = 1, .boot_apic_id = ~0u }, "3");
	/* one whose APIC id is not known can't be spared, and splits its core */
	list.cpus[6].apic_id = KHO_APIC_UNKNOWN;
	assert_chosen(&list, &(struct kho_spare) { .nr = 3, .boot_apic_id = ~0u }, "1,3,5");
}
END_TEST

/* ---- offline, online ---- */

/* A kernel that does as it's told, or says *data and does nothing. */
static int cpu_kernel(struct fake_tree *t, const char *path, const char *value)
{
	struct kho_cpus online;
	char text[KHO_CPUS_TEXT];
	unsigned int cpu;
	int *answer = t->data;

	if (*answer < 0)
		return *answer;
	if (*answer > 0)
		return 0;
	ck_assert_int_eq(sscanf(path, CPU_DIR "/cpu%u/online", &cpu), 1);
	(void)kho_parse_cpus("0-2", &online, NULL);
	if (*value == '1')
		kho_cpus_add(&online, cpu);
	else
		kho_cpus_remove(&online, cpu);
	ck_assert_int_eq(kho_cpus_format(&online, text, sizeof(text)), 0);
	fake_put(t, CPU_DIR "/online", text);
	return 0;
}

START_TEST(cpu_goes_off_and_on)
{
	int answer = 0;

	tree.on_write = cpu_kernel;
	tree.data = &answer;
	ck_assert_int_eq(kho_cpu_offline(&tree.root, 2, 1000, &err), 0);
	ck_assert_int_eq(kho_cpu_offline(&tree.root, 2, 1000, &err), 0);
	ck_assert_str_eq(tree.log, CPU_DIR "/cpu2/online=0\n");
	ck_assert_int_eq(kho_cpu_online(&tree.root, 2, 1000, &err), 0);
	ck_assert_int_eq(kho_cpu_online(&tree.root, 2, 1000, &err), 0);
	ck_assert_int_eq(kho_cpu_online(&tree.root, 3, 1000, &err), 0);
	ck_assert_str_eq(tree.log, CPU_DIR "/cpu2/online=0\n" CPU_DIR "/cpu2/online=1\n"
			 CPU_DIR "/cpu3/online=1\n");
}
END_TEST

START_TEST(cpu_stays)
{
	int answer = 0;

	tree.on_write = cpu_kernel;
	tree.data = &answer;
	ck_assert_int_eq(kho_cpu_offline(&tree.root, 0, 1000, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "boot CPU"));
	ck_assert_int_eq(kho_cpu_offline(&tree.root, 4, 1000, &err), -ENOENT);
	ck_assert_int_eq(kho_cpu_online(&tree.root, 600, 1000, &err), -ENOENT);
	ck_assert_str_eq(tree.log, "");

	fake_put(&tree, CPU_DIR "/online", "2\n");
	ck_assert_int_eq(kho_cpu_offline(&tree.root, 2, 1000, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "only one online"));
	fake_put(&tree, CPU_DIR "/online", "0-2\n");

	answer = 1;
	ck_assert_int_eq(kho_cpu_offline(&tree.root, 1, 1000, &err), -EIO);
	ck_assert_int_eq(kho_cpu_online(&tree.root, 3, 1000, &err), -EIO);
	answer = -EBUSY;
	ck_assert_int_eq(kho_cpu_offline(&tree.root, 1, 1000, &err), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err.msg, "CPU 1 can't be offlined"));
	answer = -ENOENT;
	ck_assert_int_eq(kho_cpu_offline(&tree.root, 1, 1000, &err), -EOPNOTSUPP);
	answer = -EPERM;
	ck_assert_int_eq(kho_cpu_offline(&tree.root, 1, 1000, &err), -EPERM);
	ck_assert_ptr_nonnull(strstr(err.msg, "root"));
	tree.ms_per_write = 2000;
	ck_assert_int_eq(kho_cpu_online(&tree.root, 3, 1000, &err), -ETIMEDOUT);
}
END_TEST

static int busy_at_first(struct fake_tree *fake, const char *path, const char *value)
{
	int *times = fake->data;

	(void)path;
	if ((*times)-- > 0)
		return -EBUSY;
	fake_put(fake, CPU_DIR "/online", *value == '0' ? "0,2\n" : "0-2\n");
	return 0;
}

/* CPU hotplug is held up for a while; or for longer than there's time. */
START_TEST(busy_passes)
{
	int times = 3;

	tree.on_write = busy_at_first;
	tree.data = &times;
	ck_assert_int_eq(kho_cpu_offline(&tree.root, 1, 1000, &err), 0);
	ck_assert_int_eq(times, -1);
	times = 1000;
	ck_assert_int_eq(kho_cpu_online(&tree.root, 1, 1000, &err), -EBUSY);
	ck_assert_int_ge(times, 980);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cpus");
	TCase *cpus = tcase_create("cpus");

	tcase_add_checked_fixture(cpus, setup, teardown);
	tcase_add_test(cpus, cpuinfo_is_read);
	tcase_add_test(cpus, cpuinfo_is_refused);
	tcase_add_test(cpus, cpuinfo_cut_anywhere);
	tcase_add_test(cpus, list_is_read);
	tcase_add_test(cpus, list_fails_with_its_sources);
	tcase_add_test(cpus, list_asks_the_module);
	tcase_add_test(cpus, spare_cpus_without_threads);
	tcase_add_test(cpus, spare_cpus_are_whole_cores);
	tcase_add_test(cpus, cpu_goes_off_and_on);
	tcase_add_test(cpus, cpu_stays);
	tcase_add_test(cpus, busy_passes);
	suite_add_tcase(s, cpus);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
