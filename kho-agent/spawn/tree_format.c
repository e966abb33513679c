// SPDX-License-Identifier: GPL-2.0-only
/* The handover tree's nodes and properties; tree_format.h says how they are used. */
#include "base/bits.h"
#include "spawn/tree_format.h"

#define MEMBER_SIZE(member) sizeof(((struct kho_handover *)0)->member)

#define VALUE(node_, name_, member) \
	{ .name = name_, .node = node_, .kind = KHO_TREE_VALUE, \
	  .size = MEMBER_SIZE(member), .offset = offsetof(struct kho_handover, member) }
#define TEXT(node_, name_, member) \
	{ .name = name_, .node = node_, .kind = KHO_TREE_TEXT, \
	  .size = MEMBER_SIZE(member), .offset = offsetof(struct kho_handover, member) }
#define ARRAY(node_, name_, member, nr_member) \
	{ .name = name_, .node = node_, .kind = KHO_TREE_ARRAY, \
	  .size = MEMBER_SIZE(member[0]), .max = MEMBER_SIZE(member) / MEMBER_SIZE(member[0]), \
	  .offset = offsetof(struct kho_handover, member), \
	  .nr_offset = offsetof(struct kho_handover, nr_member) }

const char *const kho_tree_node_names[KHO_TREE_NODES] = {
	[KHO_TREE_ROOT] = "",
	[KHO_TREE_SOURCE] = "source",
	[KHO_TREE_REGION] = "region",
	[KHO_TREE_CPUS] = "cpus",
	[KHO_TREE_LOW] = "low-memory",
	[KHO_TREE_CLOCK] = "clock",
	[KHO_TREE_POWER] = "power",
	[KHO_TREE_MACHINE] = "machine",
};

const struct kho_tree_field kho_tree_fields[] = {
	VALUE(KHO_TREE_ROOT, "protocol-major", major),
	VALUE(KHO_TREE_ROOT, "protocol-minor", minor),
	VALUE(KHO_TREE_ROOT, "upgrade-id", upgrade_id),
	VALUE(KHO_TREE_ROOT, "epoch", epoch),
	VALUE(KHO_TREE_ROOT, "instance", instance),
	TEXT(KHO_TREE_SOURCE, "kernel-release", source_release),
	TEXT(KHO_TREE_SOURCE, "agent-version", source_agent),
	ARRAY(KHO_TREE_REGION, "extents", ranges, nr_ranges),
	VALUE(KHO_TREE_CPUS, "boot-apic-id", boot_apic_id),
	ARRAY(KHO_TREE_CPUS, "own", own_cpus, nr_own_cpus),
	ARRAY(KHO_TREE_CPUS, "later", later_cpus, nr_later_cpus),
	VALUE(KHO_TREE_LOW, "own", low_own),
	ARRAY(KHO_TREE_LOW, "later", low_later, nr_low_later),
	VALUE(KHO_TREE_CLOCK, "tsc", clock.tsc),
	VALUE(KHO_TREE_CLOCK, "realtime-ns", clock.realtime_ns),
	VALUE(KHO_TREE_CLOCK, "monotonic-ns", clock.monotonic_ns),
	VALUE(KHO_TREE_CLOCK, "window", clock.window),
	VALUE(KHO_TREE_CLOCK, "tsc-khz", clock.tsc_khz),
	VALUE(KHO_TREE_POWER, "flags", power.flags),
	VALUE(KHO_TREE_POWER, "pm1a-port", power.pm1a_port),
	VALUE(KHO_TREE_POWER, "pm1b-port", power.pm1b_port),
	VALUE(KHO_TREE_POWER, "slp-typ-a", power.slp_typ_a),
	VALUE(KHO_TREE_POWER, "slp-typ-b", power.slp_typ_b),
	VALUE(KHO_TREE_POWER, "reset-value", power.reset_value),
	VALUE(KHO_TREE_POWER, "reset-space", power.reset_space),
	VALUE(KHO_TREE_POWER, "reset-address", power.reset_address),
	ARRAY(KHO_TREE_MACHINE, "ram", ram, nr_ram),
	ARRAY(KHO_TREE_MACHINE, "ecam", ecam, nr_ecam),
};

const size_t kho_tree_nr_fields = KHO_ARRAY_SIZE(kho_tree_fields);
