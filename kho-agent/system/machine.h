/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the running kernel tells about the machine and itself that decides whether another
 * kernel can run beside it. Only facts: upgrade/preflight.h judges them.
 *
 * The parsers are pure, and take texts that may be damaged or cut off.
 */
#ifndef KHO_SYSTEM_MACHINE_H
#define KHO_SYSTEM_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "system/kmod.h"
#include "system/sysroot.h"

#define KHO_MACHINE_WORD	64	/* bytes of a name, with terminator */

struct kho_machine {
	char release[KHO_MACHINE_WORD + 1];	/* as uname -r */
	char clocksource[KHO_MACHINE_WORD];	/* in use; "": not known */
	bool constant_tsc, nonstop_tsc;
	unsigned int nr_iommus;			/* that are in use */
	char iommu[KHO_MACHINE_WORD];		/* the first one's name */
	bool has_dmar, has_ivrs;		/* firmware tells of Intel's, AMD's */
	bool remapped;				/* interrupts go through one */
	bool reboot_force;
	bool kexec_loaded, crash_loaded;
	bool module_loaded;			/* multikernel.ko */
	struct kho_trust trust;
};

/*
 * Reads all of it. What a kernel doesn't show is taken for not there. Errors of reading:
 * procfs or sysfs isn't mounted, or says what makes no sense (-EBADMSG).
 */
int kho_machine_read(const struct kho_sysroot *root, struct kho_machine *ret,
		     struct kho_err *err);

/* Whether reboot= has "f" or "force" among its words, as the kernel reads it. */
bool kho_cmdline_forces_reboot(const char *cmdline);

/* Whether a line of /proc/interrupts is of a remapped interrupt, "IR-PCI-MSI" and so on. */
bool kho_interrupts_are_remapped(const char *interrupts);

/* "6.12.117+deb13" is 6 and 12. False: it doesn't begin so. */
bool kho_release_numbers(const char *release, unsigned int *ret_major, unsigned int *ret_minor);

/* ---- room in a file system ---- */

struct kho_room {
	bool known;			/* some file systems don't say */
	bool has_inodes;
	uint64_t bytes, inodes;		/* that are free */
};

/* Of the one that @path, or the folder above it that's there, is in. */
int kho_room_read(const char *path, struct kho_room *ret, struct kho_err *err);

/* ---- what a PCI function needs a driver for ---- */

#define KHO_NEEDS	8		/* a function and the virtio devices on it */

struct kho_device_need {
	char modalias[256];
	char driver[KHO_MACHINE_WORD];	/* that has it here, by its module's name; "": none */
};

struct kho_device_needs {
	size_t nr;
	struct kho_device_need list[KHO_NEEDS];
};

/* Of the function @name ("0000:00:04.0"). -ENODEV: there's none. */
int kho_device_needs_read(const struct kho_sysroot *root, const char *name,
			  struct kho_device_needs *ret, struct kho_err *err);

#endif
