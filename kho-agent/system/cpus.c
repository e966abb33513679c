// SPDX-License-Identifier: GPL-2.0-only
/* CPUs: reading the list, offlining and onlining; cpus.h has the contract. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "system/cpus.h"

#define CPUINFO_MAX	(8u << 20)	/* about 1.5 KiB a CPU, flags included */
#define CPU_DIR		"devices/system/cpu"
#define BUSY_PAUSE_MS	100

/* ---- reading ---- */

static int read_cpus(const struct kho_sysroot *root, const char *name, struct kho_cpus *ret,
		     struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[KHO_SYSROOT_PATH];
	int r;

	r = kho_sysroot_path(path, root->sys, err, CPU_DIR "/%s", name);
	if (r == 0)
		r = kho_file_read_string(path, KHO_CPUS_TEXT, &text, err);
	if (r < 0)
		return r;
	r = kho_parse_cpus(text, ret, err);
	return r < 0 ? kho_wrap(err, r, "%s", path) : 0;
}

static int read_cpuinfo(const struct kho_sysroot *root, struct kho_cpuinfo *ret,
			struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[KHO_SYSROOT_PATH];
	size_t size = 0;
	int r;

	r = kho_sysroot_path(path, root->proc, err, "cpuinfo");
	if (r == 0)
		r = kho_file_read(path, CPUINFO_MAX, &text, &size, err);
	return r < 0 ? r : kho_cpuinfo_parse(text, size, ret, err);
}

/* A topology number of an online CPU; offline ones have none. */
static int32_t read_topology(const struct kho_sysroot *root, uint32_t cpu, const char *name)
{
	char path[KHO_SYSROOT_PATH];
	uint64_t value;

	if (kho_sysroot_path(path, root->sys, NULL, CPU_DIR "/cpu%u/topology/%s", cpu, name) < 0 ||
	    kho_file_read_u64(path, &value, NULL) < 0 || value > INT32_MAX)
		return -1;
	return (int32_t)value;
}

static bool is_hotpluggable(const struct kho_sysroot *root, uint32_t cpu)
{
	char path[KHO_SYSROOT_PATH];

	return kho_sysroot_path(path, root->sys, NULL, CPU_DIR "/cpu%u/online", cpu) == 0 &&
	       kho_sysroot_exists(path);
}

int kho_cpu_list_read(const struct kho_sysroot *root, struct kho_cpu_list *ret,
		      struct kho_err *err)
{
	struct kho_cpus present, online;
	struct kho_cpuinfo info;
	size_t nr = 0;
	unsigned int cpu;
	int r;

	r = read_cpus(root, "present", &present, err);
	if (r == 0)
		r = read_cpus(root, "online", &online, err);
	if (r == 0)
		r = read_cpuinfo(root, &info, err);
	if (r < 0)
		return r;
	for (cpu = kho_cpus_next(&present, 0); cpu < KHO_CPUS_MAX;
	     cpu = kho_cpus_next(&present, cpu + 1))
		ret->cpus[nr++] = (struct kho_cpu) {
			.cpu = cpu,
			.apic_id = kho_cpus_has(&info.known, cpu) ? info.apic_ids[cpu] :
				   KHO_APIC_UNKNOWN,
			.package = read_topology(root, cpu, "physical_package_id"),
			.core = read_topology(root, cpu, "core_id"),
			.online = kho_cpus_has(&online, cpu),
			.hotpluggable = is_hotpluggable(root, cpu),
		};
	ret->nr = nr;
	return 0;
}

/* ---- what a list knows ---- */

const struct kho_cpu *kho_cpu_list_find(const struct kho_cpu_list *list, uint32_t cpu)
{
	size_t i;

	for (i = 0; i < list->nr; i++)
		if (list->cpus[i].cpu == cpu)
			return &list->cpus[i];
	return NULL;
}

const struct kho_cpu *kho_cpu_list_find_apic(const struct kho_cpu_list *list, uint32_t apic_id)
{
	size_t i;

	for (i = 0; apic_id != KHO_APIC_UNKNOWN && i < list->nr; i++)
		if (list->cpus[i].apic_id == apic_id)
			return &list->cpus[i];
	return NULL;
}

static size_t count_unknown(const struct kho_cpu_list *list, struct kho_cpus *ret)
{
	struct kho_cpus unknown = { 0 };
	size_t i;

	for (i = 0; i < list->nr; i++)
		if (list->cpus[i].apic_id == KHO_APIC_UNKNOWN)
			kho_cpus_add(&unknown, list->cpus[i].cpu);
	*ret = unknown;
	return kho_cpus_count(&unknown);
}

/* Asks the module which CPU has @apic_id. -ENOENT, none, is an answer as well. */
static int ask_module(struct kho_cpu_list *list, const struct kho_device *device,
		      uint32_t apic_id, struct kho_err *err)
{
	struct kho_err refusal;
	struct mk_cpu answer;
	size_t i;
	int r;

	r = kho_device_cpu_state(device, apic_id, &answer, &refusal);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return kho_fail(err, r, "%s", refusal.msg);
	for (i = 0; i < list->nr; i++)
		if (answer.cpu >= 0 && list->cpus[i].cpu == (uint32_t)answer.cpu)
			list->cpus[i].apic_id = apic_id;
	return 0;
}

int kho_cpu_list_resolve(struct kho_cpu_list *list, const struct kho_device *device,
			 uint32_t apic_ids, struct kho_err *err)
{
	char text[KHO_CPUS_TEXT];
	struct kho_cpus unknown;
	uint32_t apic_id;
	int r;

	for (apic_id = 0; apic_id < apic_ids && count_unknown(list, &unknown); apic_id++) {
		if (kho_cpu_list_find_apic(list, apic_id))
			continue;
		r = ask_module(list, device, apic_id, err);
		if (r < 0)
			return r;
	}
	if (!count_unknown(list, &unknown))
		return 0;
	(void)kho_cpus_format(&unknown, text, sizeof(text));
	return kho_fail(err, -ENODATA, "the APIC ids of CPUs %.128s aren't known; online them once",
			text);
}

/* ---- offline, online ---- */

static int fail_write(uint32_t cpu, const char *value, int code, struct kho_err *err)
{
	const char *what = *value == '0' ? "offlined" : "onlined";

	switch (code) {
	case -EBUSY:
		return kho_fail(err, code, "CPU %u can't be %s: the kernel says it's busy; see "
				"that no deadline task or real-time reservation needs it, that CPU "
				"hotplug isn't disabled, and that it isn't lent", cpu, what);
	case -ENOENT:
		return kho_fail(err, -EOPNOTSUPP, "CPU %u can't be %s: this kernel has no switch "
				"for it; choose another CPU", cpu, what);
	default:
		return kho_wrap(err, code, "CPU %u can't be %s", cpu, what);
	}
}

static int check_offline(const struct kho_cpus *online, uint32_t cpu, struct kho_err *err)
{
	if (cpu == 0)
		return kho_fail(err, -EINVAL, "CPU 0 can't be offlined: it's the kernel's boot "
				"CPU; choose another CPU");
	if (kho_cpus_count(online) == 1)
		return kho_fail(err, -EINVAL, "CPU %u can't be offlined: it's the only one online; "
				"online another CPU first", cpu);
	return 0;
}

/* Whether @cpu is online, in *@ret_online; and all that are. */
static int look_at(const struct kho_sysroot *root, uint32_t cpu, struct kho_cpus *ret_online,
		   struct kho_err *err)
{
	struct kho_cpus present;
	int r;

	r = read_cpus(root, "present", &present, err);
	if (r < 0)
		return r;
	if (!kho_cpus_has(&present, cpu))
		return kho_fail(err, -ENOENT, "this machine has no CPU %u; list its CPUs", cpu);
	return read_cpus(root, "online", ret_online, err);
}

/*
 * The kernel says -EBUSY as well while something else, as the probe of a PCI device,
 * holds CPU hotplug up: that passes.
 */
static int write_until_taken(const struct kho_sysroot *root, const char *path, const char *value,
			     unsigned int timeout_ms, struct kho_err *err)
{
	uint64_t begin = root->ops->now_ms(root->ctx), used = 0;
	int r;

	do {
		r = kho_sysroot_write(root, path, value, timeout_ms - (unsigned int)used, err);
		if (r != -EBUSY)
			return r;
		root->ops->pause(root->ctx, BUSY_PAUSE_MS);
		used = root->ops->now_ms(root->ctx) - begin;
	} while (used < timeout_ms);
	return r;
}

static int switch_cpu(const struct kho_sysroot *root, uint32_t cpu, const char *value,
		      unsigned int timeout_ms, struct kho_err *err)
{
	char path[KHO_SYSROOT_PATH];
	struct kho_cpus online;
	int r;

	r = kho_sysroot_path(path, root->sys, err, CPU_DIR "/cpu%u/online", cpu);
	if (r < 0)
		return r;
	r = write_until_taken(root, path, value, timeout_ms, err);
	if (r < 0)
		return fail_write(cpu, value, r, err);
	r = read_cpus(root, "online", &online, err);
	if (r < 0)
		return r;
	if (kho_cpus_has(&online, cpu) != (*value == '1'))
		return kho_fail(err, -EIO, "CPU %u is %s still, though the kernel accepted the "
				"change; see the kernel log",
				cpu, *value == '1' ? "offline" : "online");
	return 0;
}

int kho_cpu_offline(const struct kho_sysroot *root, uint32_t cpu, unsigned int timeout_ms,
		    struct kho_err *err)
{
	struct kho_cpus online;
	int r;

	r = look_at(root, cpu, &online, err);
	if (r < 0 || !kho_cpus_has(&online, cpu))
		return r;
	r = check_offline(&online, cpu, err);
	return r < 0 ? r : switch_cpu(root, cpu, "0", timeout_ms, err);
}

int kho_cpu_online(const struct kho_sysroot *root, uint32_t cpu, unsigned int timeout_ms,
		   struct kho_err *err)
{
	struct kho_cpus online;
	int r;

	r = look_at(root, cpu, &online, err);
	if (r < 0 || kho_cpus_has(&online, cpu))
		return r;
	return switch_cpu(root, cpu, "1", timeout_ms, err);
}
