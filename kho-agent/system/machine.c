// SPDX-License-Identifier: GPL-2.0-only
/* Facts about the machine; machine.h has the contract. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "system/machine.h"

#define CMDLINE_MAX	(64u << 10)
#define CPUINFO_MAX	(8u << 20)
#define INTERRUPTS_MAX	(16u << 20)	/* a line for each, a column for each CPU */
#define SMALL_MAX	4096u

/* ---- texts ---- */

/* "acpi,force": the kernel looks at the first letter of each word. */
static bool has_force(const char *value, size_t size)
{
	static const char panic[] = "panic_";
	const char *end = value + size, *comma;

	while (value < end) {
		if ((size_t)(end - value) > strlen(panic) &&
		    strncmp(value, panic, strlen(panic)) == 0)
			value += strlen(panic);
		if (*value == 'f')
			return true;
		comma = memchr(value, ',', (size_t)(end - value));
		value = comma ? comma + 1 : end;
	}
	return false;
}

bool kho_cmdline_forces_reboot(const char *cmdline)
{
	static const char key[] = "reboot=";
	size_t size;

	while (*cmdline) {
		cmdline += strspn(cmdline, " \t\n");
		size = strcspn(cmdline, " \t\n");
		/* what's behind it is for PID 1 */
		if (size == 2 && strncmp(cmdline, "--", 2) == 0)
			return false;
		if (size > strlen(key) && strncmp(cmdline, key, strlen(key)) == 0 &&
		    has_force(cmdline + strlen(key), size - strlen(key)))
			return true;
		cmdline += size;
	}
	return false;
}

bool kho_interrupts_are_remapped(const char *interrupts)
{
	return strstr(interrupts, " IR-");
}

bool kho_release_numbers(const char *release, unsigned int *ret_major, unsigned int *ret_minor)
{
	unsigned int numbers[2];
	const char *at = release;

	for (int i = 0; i < 2; i++) {
		unsigned int number = 0, digits = 0;

		for (; *at >= '0' && *at <= '9' && digits < 6; at++, digits++)
			number = number * 10 + (unsigned int)(*at - '0');
		if (!digits || (i == 0 && *at++ != '.'))
			return false;
		numbers[i] = number;
	}
	if (*at >= '0' && *at <= '9')
		return false;
	*ret_major = numbers[0];
	*ret_minor = numbers[1];
	return true;
}

/* Whether the first CPU's flags have @flag. */
static bool has_flag(const char *cpuinfo, const char *flag)
{
	const char *at = strstr(cpuinfo, "\nflags"), *end;
	size_t size = strlen(flag);

	if (!at)
		return false;
	at++;
	end = at + strcspn(at, "\n");
	for (; at < end; at += strcspn(at, " \n")) {
		at += strspn(at, " ");
		if (strncmp(at, flag, size) == 0 && strchr(" \n", at[size]))
			return true;
	}
	return false;
}

/* ---- reading ---- */

/* The whole text; "" if there's no such file. */
static int read_text(const char *base, const char *name, size_t max, char **ret,
		     struct kho_err *err)
{
	char path[KHO_SYSROOT_PATH];
	int r = kho_sysroot_path(path, base, err, "%s", name);

	if (r >= 0)
		r = kho_file_read_string(path, max, ret, err);
	if (r != -ENOENT)
		return r;
	*ret = strdup("");
	return *ret ? 0 : kho_fail(err, -ENOMEM, "no memory to read %s; free some", name);
}

static int read_word(const char *base, const char *name, char *ret, size_t size,
		     struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = read_text(base, name, SMALL_MAX, &text, err);

	if (r >= 0)
		snprintf(ret, size, "%s", text);
	return r;
}

static bool is_set(const struct kho_sysroot *root, const char *name)
{
	char text[8] = "";

	return read_word(root->sys, name, text, sizeof(text), NULL) >= 0 &&
	       strcmp(text, "1") == 0;
}

static bool is_there(const struct kho_sysroot *root, const char *name)
{
	char path[KHO_SYSROOT_PATH];

	return kho_sysroot_path(path, root->sys, NULL, "%s", name) >= 0 && kho_sysroot_exists(path);
}

/* What was set since the boot counts, where the kernel shows it. */
static int read_reboot(const struct kho_sysroot *root, struct kho_machine *ret,
		       struct kho_err *err)
{
	_cleanup_free_ char *cmdline = NULL;
	int r;

	if (is_there(root, "kernel/reboot/force")) {
		ret->reboot_force = is_set(root, "kernel/reboot/force");
		return 0;
	}
	r = read_text(root->proc, "cmdline", CMDLINE_MAX, &cmdline, err);
	if (r >= 0)
		ret->reboot_force = kho_cmdline_forces_reboot(cmdline);
	return r;
}

static int read_iommus(const struct kho_sysroot *root, struct kho_machine *ret,
		       struct kho_err *err)
{
	_cleanup_free_ char *interrupts = NULL;
	struct kho_names names = {};
	char path[KHO_SYSROOT_PATH];
	int r = kho_sysroot_path(path, root->sys, err, "class/iommu");

	if (r >= 0)
		r = kho_sysroot_list(path, &names, err);
	if (r == -ENOENT)
		r = 0;
	ret->nr_iommus = (unsigned int)names.nr;
	if (names.nr)
		snprintf(ret->iommu, sizeof(ret->iommu), "%s", names.names[0]);
	kho_names_done(&names);
	ret->has_dmar = is_there(root, "firmware/acpi/tables/DMAR");
	ret->has_ivrs = is_there(root, "firmware/acpi/tables/IVRS");
	if (r >= 0)
		r = read_text(root->proc, "interrupts", INTERRUPTS_MAX, &interrupts, err);
	if (r >= 0)
		ret->remapped = kho_interrupts_are_remapped(interrupts);
	return r;
}

static int read_clock(const struct kho_sysroot *root, struct kho_machine *ret,
		      struct kho_err *err)
{
	_cleanup_free_ char *cpuinfo = NULL;
	int r = read_word(root->sys, "devices/system/clocksource/clocksource0/current_clocksource",
			  ret->clocksource, sizeof(ret->clocksource), err);

	if (r >= 0)
		r = read_text(root->proc, "cpuinfo", CPUINFO_MAX, &cpuinfo, err);
	if (r < 0)
		return r;
	ret->constant_tsc = has_flag(cpuinfo, "constant_tsc");
	ret->nonstop_tsc = has_flag(cpuinfo, "nonstop_tsc");
	return 0;
}

int kho_machine_read(const struct kho_sysroot *root, struct kho_machine *ret,
		     struct kho_err *err)
{
	struct kho_machine machine = {
		.kexec_loaded = is_set(root, "kernel/kexec_loaded"),
		.crash_loaded = is_set(root, "kernel/kexec_crash_loaded"),
		.module_loaded = is_there(root, "module/multikernel"),
	};
	int r = read_word(root->proc, "sys/kernel/osrelease", machine.release,
			  sizeof(machine.release), err);

	if (r >= 0)
		r = read_clock(root, &machine, err);
	if (r >= 0)
		r = read_iommus(root, &machine, err);
	if (r >= 0)
		r = read_reboot(root, &machine, err);
	if (r >= 0)
		r = kho_trust_read(root, &machine.trust, err);
	if (r >= 0)
		*ret = machine;
	return r;
}

/* ---- room ---- */

/* To the folder above it; false: there's none. */
static bool go_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || strcmp(path, "/") == 0)
		return false;
	slash[slash == path] = '\0';
	return true;
}

int kho_room_read(const char *path, struct kho_room *ret, struct kho_err *err)
{
	char there[PATH_MAX];
	struct statvfs st;
	int r;

	snprintf(there, sizeof(there), "%s", path);
	while ((r = statvfs(there, &st) < 0 ? -errno : 0) == -ENOENT && go_up(there))
		;
	if (r < 0)
		return kho_fail_errno(err, r, "%s can't be looked at", there);
	*ret = (struct kho_room){
		.known = st.f_blocks > 0,
		.has_inodes = st.f_files > 0,
		.bytes = (uint64_t)st.f_bavail * st.f_frsize,
		.inodes = st.f_favail,
	};
	return 0;
}

/* ---- devices ---- */

/* The module's name of the driver that has the device; without a module, the driver's. */
static void read_driver(const char *device, char ret[KHO_MACHINE_WORD])
{
	char path[KHO_SYSROOT_PATH];

	*ret = '\0';
	if (kho_sysroot_path(path, device, NULL, "driver/module") < 0 ||
	    kho_sysroot_link_name(path, ret, KHO_MACHINE_WORD) == 0)
		return;
	*ret = '\0';
	if (kho_sysroot_path(path, device, NULL, "driver") == 0 &&
	    kho_sysroot_link_name(path, ret, KHO_MACHINE_WORD) < 0)
		*ret = '\0';
}

static int add_need(const char *device, struct kho_device_needs *needs, struct kho_err *err)
{
	struct kho_device_need *need = &needs->list[needs->nr];
	int r;

	if (needs->nr == KHO_NEEDS)
		return 0;
	r = read_word(device, "modalias", need->modalias, sizeof(need->modalias), err);
	if (r < 0 || !*need->modalias)
		return r;
	read_driver(device, need->driver);
	needs->nr++;
	return 0;
}

int kho_device_needs_read(const struct kho_sysroot *root, const char *name,
			  struct kho_device_needs *ret, struct kho_err *err)
{
	struct kho_names names = {};
	char path[KHO_SYSROOT_PATH], child[KHO_SYSROOT_PATH];
	int r = kho_sysroot_path(path, root->sys, err, "bus/pci/devices/%s", name);

	*ret = (struct kho_device_needs){};
	if (r >= 0 && !kho_sysroot_exists(path))
		r = kho_fail(err, -ENODEV, "there's no PCI function %s; lspci -D lists those there "
			     "are", name);
	if (r >= 0)
		r = add_need(path, ret, err);
	if (r >= 0)
		r = kho_sysroot_list(path, &names, err);
	for (size_t i = 0; r >= 0 && i < names.nr; i++) {
		if (strncmp(names.names[i], "virtio", 6) != 0)
			continue;
		r = kho_sysroot_path(child, path, err, "%s", names.names[i]);
		if (r >= 0)
			r = add_need(child, ret, err);
	}
	kho_names_done(&names);
	return r;
}
