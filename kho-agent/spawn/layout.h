/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where things stand in a region.
 *
 * A region is one or more ranges of physical memory; region offsets count
 * through them in order. The first range starts with the control area, which
 * both kernels share and which the new kernel's memory map calls reserved. All
 * the rest is the new kernel's RAM. The new kernel learns these offsets from the
 * handover tree, never from this file: the two agents may be of different
 * versions.
 *
 *	offset     size      what                        written by
 *	0x00000000   4 KiB   header                      old agent
 *	0x00001000   4 KiB   status page of the old      old module
 *	0x00002000   4 KiB   status page of the new      new module
 *	0x00003000  52 KiB   record of ownership         both
 *	0x00010000   4 KiB   park loop and boot stub     old agent, then nobody
 *	0x00011000   4 KiB   ACPI wakeup mailbox         new kernel, park loop
 *	0x00012000   4 KiB   boot_params                 old agent
 *	0x00013000   4 KiB   command line                old agent
 *	0x00014000  16 KiB   setup_data                  old agent
 *	0x00018000  32 KiB   ACPI tables                 old agent
 *	0x00020000 640 KiB   identity page tables        old agent
 *	0x000c0000 320 KiB   console rings (256 + 64)    new module, old agent
 *	0x00110000 448 KiB   handover tree (KHO)         old agent
 *	0x00180000 512 KiB   (unused)
 *	0x00200000   2 MiB   control lanes, 1 MiB each   both agents
 *	0x00400000  12 MiB   bulk lanes, 6 MiB each      both agents
 *	0x01000000           end of the control area
 */
#ifndef KHO_SPAWN_LAYOUT_H
#define KHO_SPAWN_LAYOUT_H

#define KHO_OFF_HEADER		0x00000000ULL
#define KHO_OFF_STATUS_OLD	0x00001000ULL
#define KHO_OFF_STATUS_NEW	0x00002000ULL
#define KHO_OFF_OWNERS		0x00003000ULL
#define KHO_OFF_PARK		0x00010000ULL
#define KHO_OFF_MAILBOX		0x00011000ULL
#define KHO_OFF_BOOT_PARAMS	0x00012000ULL
#define KHO_OFF_CMDLINE		0x00013000ULL
#define KHO_OFF_SETUP_DATA	0x00014000ULL
#define KHO_OFF_ACPI		0x00018000ULL
#define KHO_OFF_PGTABLE		0x00020000ULL
#define KHO_OFF_CONSOLE_OUT	0x000c0000ULL
#define KHO_OFF_CONSOLE_IN	0x00100000ULL
#define KHO_OFF_TREE		0x00110000ULL
#define KHO_OFF_CONTROL		0x00200000ULL
#define KHO_OFF_BULK		0x00400000ULL
#define KHO_CONTROL_AREA_SIZE	0x01000000ULL

#define KHO_STATUS_SIZE		0x1000ULL
#define KHO_OWNERS_SIZE		0xd000ULL
#define KHO_PARK_SIZE		0x1000ULL
#define KHO_MAILBOX_SIZE	0x1000ULL
#define KHO_CMDLINE_SIZE	0x1000ULL
#define KHO_SETUP_DATA_SIZE	0x4000ULL
#define KHO_ACPI_SIZE		0x8000ULL
#define KHO_PGTABLE_SIZE	0xa0000ULL
#define KHO_CONSOLE_OUT_SIZE	0x40000ULL	/* ring header and data */
#define KHO_CONSOLE_IN_SIZE	0x10000ULL
#define KHO_TREE_SIZE		0x70000ULL
#define KHO_CONTROL_LANE_SIZE	0x100000ULL	/* old to new first, then new to old */
#define KHO_BULK_LANE_SIZE	0x600000ULL

/*
 * Low memory (below 1 MiB) a spawned kernel needs for its own real-mode code.
 * Two windows taken in turns, so that neighbours in a chain never share one.
 */
#define KHO_LOW_WINDOW_A	0x10000ULL
#define KHO_LOW_WINDOW_B	0x30000ULL
#define KHO_LOW_WINDOW_SIZE	0x20000ULL

#endif
