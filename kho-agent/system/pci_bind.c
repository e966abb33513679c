// SPDX-License-Identifier: GPL-2.0-only
/*
 * Giving a PCI function up and taking it back; pci.h has the contract.
 *
 * hold:     override := multikernel, unbind from its driver, bind to multikernel
 * release:  unbind from multikernel, override := as it was, probe
 *
 * So in between the override says whose it is: one who's killed leaves a function that the next
 * one finds (kho_pci_is_ours()) and releases.
 *
 * sysfs says little of what a bind did, so the driver is read again after it.
 */
#include <errno.h>
#include <string.h>

#include "system/pci.h"

#define PCI_BUS		"bus/pci"

bool kho_pci_is_held(const struct kho_pci_function *function)
{
	return strcmp(function->driver, KHO_PCI_DRIVER) == 0;
}

static bool is_promised(const struct kho_pci_function *function)
{
	return strcmp(function->override, KHO_PCI_DRIVER) == 0;
}

bool kho_pci_is_ours(const struct kho_pci_function *function)
{
	return kho_pci_is_held(function) || is_promised(function);
}

/* @override of "" means none: the kernel takes a lone newline for that. */
static int write_override(const struct kho_sysroot *root, const struct kho_pci_addr *addr,
			  const char *override, struct kho_err *err)
{
	char path[KHO_SYSROOT_PATH], name[KHO_PCI_TEXT];
	int r;

	kho_pci_format(addr, name);
	r = kho_sysroot_path(path, root->sys, err, PCI_BUS "/devices/%s/driver_override", name);
	if (r == 0)
		r = kho_sysroot_write(root, path, *override ? override : "\n", 0, err);
	return r;
}

/* Writes the function's name to bind or unbind of @driver. */
static int tell_driver(const struct kho_sysroot *root, const struct kho_pci_hold *hold,
		       const char *driver_file, unsigned int timeout_ms, struct kho_err *err)
{
	char path[KHO_SYSROOT_PATH], name[KHO_PCI_TEXT];
	int r;

	kho_pci_format(&hold->addr, name);
	r = kho_sysroot_path(path, root->sys, err, PCI_BUS "/%s", driver_file);
	if (r == 0)
		r = kho_sysroot_write(root, path, name, timeout_ms, err);
	return r;
}

static int unbind(const struct kho_sysroot *root, const struct kho_pci_hold *hold,
		  const char *driver, unsigned int timeout_ms, struct kho_err *err)
{
	char file[KHO_SYSROOT_PATH], name[KHO_PCI_TEXT];
	struct kho_pci_function now;
	int r;

	r = kho_sysroot_path(file, "drivers", err, "%s/unbind", driver);
	if (r == 0)
		r = tell_driver(root, hold, file, timeout_ms, err);
	if (r == 0)
		r = kho_pci_read(root, &hold->addr, &now, err);
	if (r < 0)
		return r;
	kho_pci_format(&hold->addr, name);
	if (now.driver[0])
		return kho_fail(err, -EIO, "%s is still bound to %s, though the kernel said it let "
				"go; see the kernel log", name, now.driver);
	return 0;
}

/* ---- hold ---- */

static int check_driver(const struct kho_sysroot *root, struct kho_err *err)
{
	char path[KHO_SYSROOT_PATH];
	int r;

	r = kho_sysroot_path(path, root->sys, err, PCI_BUS "/drivers/" KHO_PCI_DRIVER);
	if (r == 0 && !kho_sysroot_exists(path))
		return kho_fail(err, -ENOENT, "the driver multikernel isn't there; load it with "
				"modprobe multikernel");
	return r;
}

static int bind_ours(const struct kho_sysroot *root, const struct kho_pci_hold *hold,
		     unsigned int timeout_ms, struct kho_err *err)
{
	struct kho_pci_function now;
	char name[KHO_PCI_TEXT];
	int r;

	r = tell_driver(root, hold, "drivers/" KHO_PCI_DRIVER "/bind", timeout_ms, err);
	if (r == 0)
		r = kho_pci_read(root, &hold->addr, &now, err);
	if (r < 0)
		return r;
	kho_pci_format(&hold->addr, name);
	if (!kho_pci_is_held(&now))
		return kho_fail(err, -EIO, "%s isn't bound to multikernel, though the kernel said "
				"so; see the kernel log", name);
	return 0;
}

static int take_over(const struct kho_sysroot *root, const struct kho_pci_hold *hold,
		     unsigned int timeout_ms, struct kho_err *err)
{
	int r;

	r = write_override(root, &hold->addr, KHO_PCI_DRIVER, err);
	if (r == 0 && hold->driver[0])
		r = unbind(root, hold, hold->driver, timeout_ms, err);
	if (r == 0)
		r = bind_ours(root, hold, timeout_ms, err);
	return r;
}

int kho_pci_hold(const struct kho_sysroot *root, const struct kho_pci_addr *addr,
		 unsigned int timeout_ms, struct kho_pci_hold *ret, struct kho_err *err)
{
	struct kho_pci_hold hold = { .addr = *addr };
	struct kho_pci_function function;
	struct kho_err undo = { 0 };
	char name[KHO_PCI_TEXT];
	int r;

	kho_pci_format(addr, name);
	r = kho_pci_read(root, addr, &function, err);
	if (r < 0)
		return r;
	if (function.bridge)
		return kho_fail(err, -EINVAL, "%s is a bridge and stays with this kernel; give up "
				"the functions behind it", name);
	if (!kho_pci_is_held(&function)) {
		memcpy(hold.driver, function.driver, sizeof(hold.driver));
		if (!is_promised(&function))
			memcpy(hold.override, function.override, sizeof(hold.override));
		r = check_driver(root, err);
		if (r < 0)
			return r;
		r = take_over(root, &hold, timeout_ms, err);
		if (r < 0 && kho_pci_release(root, &hold, timeout_ms, &undo) < 0)
			return kho_wrap(err, r, "%s has no driver now (%.128s), since",
			name, undo.msg);
		if (r < 0)
			return kho_wrap(err, r, "%s can't be given up", name);
	}
	*ret = hold;
	return 0;
}

/* ---- release ---- */

static int probe(const struct kho_sysroot *root, const struct kho_pci_hold *hold,
		 unsigned int timeout_ms, struct kho_err *err)
{
	struct kho_pci_function now;
	char name[KHO_PCI_TEXT];
	int r;

	r = tell_driver(root, hold, "drivers_probe", timeout_ms, err);
	if (r == 0)
		r = kho_pci_read(root, &hold->addr, &now, err);
	if (r < 0)
		return r;
	kho_pci_format(&hold->addr, name);
	if (hold->driver[0] && strcmp(now.driver, hold->driver) != 0)
		return kho_fail(err, -ENOENT, "%s was driven by %s, which didn't take it back; "
				"load it with modprobe and write %s to /sys/bus/pci/drivers_probe",
				name,
				hold->driver, name);
	return 0;
}

int kho_pci_release(const struct kho_sysroot *root, const struct kho_pci_hold *hold,
		    unsigned int timeout_ms, struct kho_err *err)
{
	struct kho_pci_function function;
	char name[KHO_PCI_TEXT];
	int r;

	r = kho_pci_read(root, &hold->addr, &function, err);
	if (r < 0)
		return r;
	kho_pci_format(&hold->addr, name);
	if (function.driver[0] && !kho_pci_is_ours(&function) &&
	    strcmp(function.driver, hold->driver))
		return kho_fail(err, -EBUSY, "%s is driven by %s and not held; unbind it first",
		name,
				function.driver);
	if (kho_pci_is_held(&function))
		r = unbind(root, hold, KHO_PCI_DRIVER, timeout_ms, err);
	if (r >= 0)
		r = write_override(root, &hold->addr, hold->override, err);
	if (r < 0 || (function.driver[0] && !kho_pci_is_held(&function)))
		return r;
	return probe(root, hold, timeout_ms, err);
}
