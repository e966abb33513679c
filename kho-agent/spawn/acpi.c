// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACPI table builder (ACPI 6.5; chapter numbers in the comments are its own).
 *
 * One oddity deserves its story. Linux takes the first CPU of the MADT for the
 * machine's real boot CPU. If it runs on another one, it concludes that it's a
 * crash kernel and drops that first CPU, so as never to send INIT to it; if the
 * first CPU is the one it runs on, but isn't marked as boot CPU by hardware, it
 * gives up SMP altogether. So the list starts with an APIC id that doesn't exist,
 * which Linux drops, and all real CPUs stay. Kernels with kernel/patches/0003 believe
 * what they're told instead, and get the real CPUs only.
 */
#include "spawn/acpi.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/bits.h"
#include "base/err.h"

#define OFF_RSDP		0x000
#define OFF_XSDT		0x040
#define OFF_FADT		0x080
#define OFF_DSDT		0x1a0
#define OFF_MADT		0x200

#define OEM_ID			"MKERNL"
#define OEM_TABLE_ID		"MKSPAWN "
#define CREATOR_ID		"MKRN"

#define LAPIC_ADDRESS		0xfee00000u
#define LAPIC_ID_END		255u		/* ids from here on need x2APIC entries */
#define APIC_ID_BROADCAST	0xffffffffu
#define MADT_LAPIC		0x00
#define MADT_X2APIC		0x09
#define MADT_MP_WAKEUP		0x10
#define MADT_CPU_ENABLED	1u

#define FADT_RESET_SUPPORTED	(1u << 10)
#define FADT_HW_REDUCED		(1u << 20)
#define FADT_BOOT_NO_VGA	(1u << 2)
#define FADT_BOOT_NO_RTC	(1u << 5)
#define SPACE_MEMORY		0
#define SPACE_IO		1

/* 5.2.5.3 */
struct acpi_rsdp {
	char signature[8];
	uint8_t checksum;		/* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;	/* of all */
	uint8_t reserved[3];
} __attribute__((packed));

/* 5.2.6 */
struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

/* 5.2.3.2 */
struct acpi_gas {
	uint8_t space;
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access_size;		/* 1: byte */
	uint64_t address;
} __attribute__((packed));

/* 5.2.8 */
struct acpi_xsdt {
	struct acpi_header header;
	uint64_t fadt;
	uint64_t madt;
} __attribute__((packed));

/* 5.2.9; what hardware-reduced machines don't have is left out by offset */
struct acpi_fadt {
	struct acpi_header header;
	uint8_t unused_36[73];
	uint16_t boot_flags;		/* 109: IAPC_BOOT_ARCH */
	uint8_t unused_111;
	uint32_t flags;			/* 112 */
	struct acpi_gas reset;		/* 116 */
	uint8_t reset_value;		/* 128 */
	uint16_t arm_flags;
	uint8_t minor_revision;		/* 131 */
	uint64_t x_facs;
	uint64_t x_dsdt;		/* 140 */
	uint8_t unused_148[128];
} __attribute__((packed));

/* 5.2.12 */
struct acpi_madt {
	struct acpi_header header;
	uint32_t lapic_address;
	uint32_t flags;
	uint8_t entries[];
} __attribute__((packed));

struct madt_lapic {
	uint8_t type;
	uint8_t length;
	uint8_t uid;
	uint8_t id;
	uint32_t flags;
} __attribute__((packed));

struct madt_x2apic {
	uint8_t type;
	uint8_t length;
	uint16_t reserved;
	uint32_t id;
	uint32_t flags;
	uint32_t uid;
} __attribute__((packed));

struct madt_mp_wakeup {
	uint8_t type;
	uint8_t length;
	uint16_t version;
	uint32_t reserved;
	uint64_t mailbox;
	uint64_t reset_vector;
} __attribute__((packed));

_Static_assert(sizeof(struct acpi_rsdp) == 36, "ACPI 5.2.5.3");
_Static_assert(sizeof(struct acpi_header) == 36, "ACPI 5.2.6");
_Static_assert(sizeof(struct acpi_fadt) == 276, "ACPI 5.2.9, revision 6");
_Static_assert(offsetof(struct acpi_fadt, boot_flags) == 109, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, flags) == 112, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, x_dsdt) == 140, "ACPI 5.2.9");
_Static_assert(sizeof(struct madt_lapic) == 8, "ACPI 5.2.12.2");
_Static_assert(sizeof(struct madt_x2apic) == 16, "ACPI 5.2.12.12");
_Static_assert(sizeof(struct madt_mp_wakeup) == 24, "ACPI 5.2.12.19");
_Static_assert(OFF_XSDT + sizeof(struct acpi_xsdt) <= OFF_FADT, "tables overlap");
_Static_assert(OFF_FADT + sizeof(struct acpi_fadt) <= OFF_DSDT, "tables overlap");
_Static_assert(OFF_DSDT + sizeof(struct acpi_header) <= OFF_MADT, "tables overlap");

static uint8_t checksum(const void *data, size_t size)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (size--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

/* Fills the header of a table that is otherwise complete. */
static void finish_table(struct acpi_header *header, const char *signature, size_t length,
			 uint8_t revision)
{
	memcpy(header->signature, signature, sizeof(header->signature));
	header->length = (uint32_t)length;
	header->revision = revision;
	memcpy(header->oem_id, OEM_ID, sizeof(header->oem_id));
	memcpy(header->oem_table_id, OEM_TABLE_ID, sizeof(header->oem_table_id));
	header->oem_revision = 1;
	memcpy(header->creator_id, CREATOR_ID, sizeof(header->creator_id));
	header->creator_revision = 1;
	header->checksum = 0;
	header->checksum = checksum(header, length);
}

/* The CPUs as one list: own ones, then later ones. */
static uint32_t cpu_at(const struct kho_acpi_spec *spec, size_t i)
{
	return i < spec->nr_cpus ? spec->cpus[i] : spec->later_cpus[i - spec->nr_cpus];
}

static bool has_cpu_before(const struct kho_acpi_spec *spec, size_t end, uint32_t id)
{
	for (size_t i = 0; i < end; i++)
		if (cpu_at(spec, i) == id)
			return true;
	return false;
}

int kho_acpi_check_cpus(const struct kho_acpi_spec *spec, struct kho_err *err)
{
	if (!spec->nr_cpus)
		return kho_fail(err, -EINVAL, "CPUs: none was given to the new kernel; "
				"give it at least one");
	if (spec->nr_cpus > KHO_ACPI_MAX_CPUS ||
	    spec->nr_later_cpus > KHO_ACPI_MAX_CPUS - spec->nr_cpus)
		return kho_fail(err, -E2BIG, "CPUs: %zu own and %zu later ones are more than %d; "
				"leave some of the later ones out", spec->nr_cpus,
				spec->nr_later_cpus, KHO_ACPI_MAX_CPUS);
	for (size_t i = 0; i < spec->nr_cpus + spec->nr_later_cpus; i++) {
		uint32_t id = cpu_at(spec, i);

		if (id == APIC_ID_BROADCAST)
			return kho_fail(err, -EINVAL, "CPUs: APIC id 0x%" PRIx32 " means all "
					"CPUs; give the id of one", id);
		if (has_cpu_before(spec, i, id))
			return kho_fail(err, -EINVAL, "CPUs: APIC id %" PRIu32 " is listed twice; "
					"list each CPU once, as own or as later", id);
	}
	return 0;
}

/* An id no CPU has. With 512 CPUs at most there's always one to find. */
static uint32_t absent_id(const struct kho_acpi_spec *spec)
{
	size_t nr = spec->nr_cpus + spec->nr_later_cpus;
	uint32_t id = LAPIC_ID_END - 1;

	while (id && has_cpu_before(spec, nr, id))
		id--;
	if (!has_cpu_before(spec, nr, id))
		return id;
	for (id = LAPIC_ID_END; has_cpu_before(spec, nr, id); id++)
		;
	return id;
}

/* The processor UID means nothing without objects in the DSDT: it's the id. */
static size_t put_cpu(uint8_t *entry, uint32_t id)
{
	struct madt_lapic lapic = {
		.type = MADT_LAPIC, .length = sizeof(lapic), .uid = (uint8_t)id,
		.id = (uint8_t)id, .flags = MADT_CPU_ENABLED,
	};
	struct madt_x2apic x2apic = {
		.type = MADT_X2APIC, .length = sizeof(x2apic), .uid = id,
		.id = id, .flags = MADT_CPU_ENABLED,
	};

	if (id < LAPIC_ID_END) {
		memcpy(entry, &lapic, sizeof(lapic));
		return sizeof(lapic);
	}
	memcpy(entry, &x2apic, sizeof(x2apic));
	return sizeof(x2apic);
}

static size_t cpu_entry_size(uint32_t id)
{
	return id < LAPIC_ID_END ? sizeof(struct madt_lapic) : sizeof(struct madt_x2apic);
}

static size_t madt_size(const struct kho_acpi_spec *spec)
{
	size_t size = sizeof(struct acpi_madt) + sizeof(struct madt_mp_wakeup);

	if (!spec->any_boot_cpu)
		size += cpu_entry_size(absent_id(spec));
	for (size_t i = 0; i < spec->nr_cpus + spec->nr_later_cpus; i++)
		size += cpu_entry_size(cpu_at(spec, i));
	return size;
}

static void build_madt(const struct kho_acpi_spec *spec, uint8_t *area)
{
	struct acpi_madt *madt = (struct acpi_madt *)(area + OFF_MADT);
	struct madt_mp_wakeup wakeup = {
		.type = MADT_MP_WAKEUP, .length = sizeof(wakeup), .version = 1,
		.mailbox = spec->mailbox, .reset_vector = spec->park_entry,
	};
	uint8_t *entry = madt->entries;

	madt->lapic_address = LAPIC_ADDRESS;
	if (!spec->any_boot_cpu)
		entry += put_cpu(entry, absent_id(spec));
	for (size_t i = 0; i < spec->nr_cpus + spec->nr_later_cpus; i++)
		entry += put_cpu(entry, cpu_at(spec, i));
	memcpy(entry, &wakeup, sizeof(wakeup));
	entry += sizeof(wakeup);
	finish_table(&madt->header, "APIC", (size_t)(entry - (uint8_t *)madt), 5);
}

static void set_reset_register(struct acpi_fadt *fadt, const struct mk_power *power)
{
	if (!power || !(power->flags & MK_POWER_RESET_VALID) || power->reset_space > SPACE_IO)
		return;
	fadt->flags |= FADT_RESET_SUPPORTED;
	fadt->reset = (struct acpi_gas){
		.space = power->reset_space, .bit_width = 8, .access_size = 1,
		.address = power->reset_address,
	};
	fadt->reset_value = power->reset_value;
}

static void build_fadt(const struct kho_acpi_spec *spec, uint8_t *area)
{
	struct acpi_fadt *fadt = (struct acpi_fadt *)(area + OFF_FADT);

	fadt->boot_flags = FADT_BOOT_NO_VGA | FADT_BOOT_NO_RTC;
	fadt->flags = FADT_HW_REDUCED;
	fadt->x_dsdt = spec->phys + OFF_DSDT;
	set_reset_register(fadt, spec->power);
	finish_table(&fadt->header, "FACP", sizeof(*fadt), 6);
}

static void build_roots(const struct kho_acpi_spec *spec, uint8_t *area)
{
	struct acpi_rsdp *rsdp = (struct acpi_rsdp *)(area + OFF_RSDP);
	struct acpi_xsdt *xsdt = (struct acpi_xsdt *)(area + OFF_XSDT);

	xsdt->fadt = spec->phys + OFF_FADT;
	xsdt->madt = spec->phys + OFF_MADT;
	finish_table(&xsdt->header, "XSDT", sizeof(*xsdt), 1);

	memcpy(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature));
	memcpy(rsdp->oem_id, OEM_ID, sizeof(rsdp->oem_id));
	rsdp->revision = 2;
	rsdp->length = sizeof(*rsdp);
	rsdp->xsdt = spec->phys + OFF_XSDT;
	rsdp->checksum = checksum(rsdp, offsetof(struct acpi_rsdp, length));
	rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));
}

int kho_acpi_build(const struct kho_acpi_spec *spec, void *area, size_t size,
		   uint64_t *ret_rsdp, struct kho_err *err)
{
	struct acpi_header *dsdt;
	size_t need;
	int r;

	r = kho_acpi_check_cpus(spec, err);
	if (r < 0)
		return r;
	need = OFF_MADT + madt_size(spec);
	if (need > size)
		return kho_fail(err, -ENOSPC, "ACPI tables: %zu bytes don't fit %zu; "
				"leave some of the later CPUs out", need, size);
	memset(area, 0, size);
	dsdt = (struct acpi_header *)((uint8_t *)area + OFF_DSDT);
	finish_table(dsdt, "DSDT", sizeof(*dsdt), 2);
	build_fadt(spec, area);
	build_madt(spec, area);
	build_roots(spec, area);
	*ret_rsdp = spec->phys + OFF_RSDP;
	return 0;
}
