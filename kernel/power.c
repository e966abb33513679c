// SPDX-License-Identifier: GPL-2.0-only
/*
 * Switching the machine off and resetting it.
 *
 * The first kernel knows how from ACPI. A spawned kernel's own tables say
 * nothing about it, so it's told (MK_IOC_POWER), and passes it on to the next
 * one. It acts on it only once its peer has retired (ipi.c sees to that).
 */
#include <linux/acpi.h>
#include <linux/io.h>
#include <linux/reboot.h>

#include "mk.h"

#define PM1_SLP_TYP_SHIFT	10
#define PM1_SLP_TYP_MASK	(7 << PM1_SLP_TYP_SHIFT)
#define PM1_SLP_EN		(1 << 13)

static struct mk_power power;
static struct sys_off_handler *off_handler;

static void ask_acpi_for_off(void)
{
	u8 type_a, type_b;

	if (acpi_gbl_FADT.flags & ACPI_FADT_HW_REDUCED || !acpi_gbl_FADT.pm1a_control_block)
		return;
	if (ACPI_FAILURE(acpi_get_sleep_type_data(ACPI_STATE_S5, &type_a, &type_b)))
		return;
	power.pm1a_port = acpi_gbl_FADT.pm1a_control_block;
	power.pm1b_port = acpi_gbl_FADT.pm1b_control_block;
	power.slp_typ_a = type_a;
	power.slp_typ_b = type_b;
	power.flags |= MK_POWER_OFF_VALID;
}

static void ask_acpi_for_reset(void)
{
	const struct acpi_generic_address *reg = &acpi_gbl_FADT.reset_register;

	if (!(acpi_gbl_FADT.flags & ACPI_FADT_RESET_REGISTER))
		return;
	if (reg->space_id != ACPI_ADR_SPACE_SYSTEM_IO || reg->address > 0xffff)
		return;
	power.reset_space = reg->space_id;
	power.reset_address = reg->address;
	power.reset_value = acpi_gbl_FADT.reset_value;
	power.flags |= MK_POWER_RESET_VALID;
}

static void write_pm1(u16 port, u8 type)
{
	u16 value = inw(port) & ~PM1_SLP_TYP_MASK;

	outw(value | type << PM1_SLP_TYP_SHIFT | PM1_SLP_EN, port);
}

static int switch_off(struct sys_off_data *data)
{
	if (!(power.flags & MK_POWER_OFF_VALID))
		return NOTIFY_DONE;
	write_pm1(power.pm1a_port, power.slp_typ_a);
	if (power.pm1b_port)
		write_pm1(power.pm1b_port, power.slp_typ_b);
	return NOTIFY_DONE;
}

void mk_power_reset(void)
{
	if (power.flags & MK_POWER_RESET_VALID)
		outb(power.reset_value, power.reset_address);
}

static bool is_sane(const struct mk_power *p)
{
	if (p->flags & ~(MK_POWER_OFF_VALID | MK_POWER_RESET_VALID) || p->reserved)
		return false;
	if (p->flags & MK_POWER_OFF_VALID &&
	    (!p->pm1a_port || p->slp_typ_a > 7 || p->slp_typ_b > 7))
		return false;
	return !(p->flags & MK_POWER_RESET_VALID) ||
	       (p->reset_space == ACPI_ADR_SPACE_SYSTEM_IO && p->reset_address <= 0xffff);
}

int mk_power_set(void *arg)
{
	const struct mk_power_set *req = arg;

	if (req->reserved || !is_sane(&req->power))
		return -EINVAL;
	if (!mk_is_spawned())
		return -EPERM;
	if (!mk_link_is_up(req->region))
		return -ENOTCONN;
	power = req->power;
	if (off_handler || !(power.flags & MK_POWER_OFF_VALID))
		return 0;
	off_handler = register_sys_off_handler(SYS_OFF_MODE_POWER_OFF, SYS_OFF_PRIO_FIRMWARE,
					       switch_off, NULL);
	if (IS_ERR(off_handler)) {
		int ret = PTR_ERR(off_handler);

		off_handler = NULL;
		return ret;
	}
	return 0;
}

void mk_power_describe(struct mk_power *out)
{
	*out = power;
}

int mk_power_init(void)
{
	ask_acpi_for_off();
	ask_acpi_for_reset();
	return 0;
}

void mk_power_exit(void)
{
	if (off_handler)
		unregister_sys_off_handler(off_handler);
}
