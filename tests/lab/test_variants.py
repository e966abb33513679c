# SPDX-License-Identifier: GPL-2.0-only
"""Other machines: 4-level paging, local APICs in x2APIC mode."""

from pathlib import Path

from lib.upgrade import IMAGES, retire, spawn

LONG = True

IOMMU = ["-device", "intel-iommu,intremap=on,eim=on"]


def upgrade(lab, machine, check_old):
    """Spawn, CPU hotplug in the new kernel, retire."""
    with machine.boot("old") as old:
        check_old(old)
        new = spawn(machine, old, "new", "ttyS1", "--cpus=2-3 --memory=1G")
        new.run("echo 0 >/sys/devices/system/cpu/cpu1/online")
        new.run("echo 1 >/sys/devices/system/cpu/cpu1/online")
        retire(lab, old, new)
        assert new.run("cat /sys/devices/system/cpu/online") == "0-3"
        assert machine.resets() == 0


def check_4_levels(old):
    """The CPU doesn't know 5 levels."""
    assert "la57" not in old.run("cat /proc/cpuinfo")


def check_x2apic(old):
    """The kernel switched its APICs over."""
    assert "x2apic enabled" in old.run("dmesg | grep -i x2apic"), "x2APIC mode is off"
    old.write_file("/run/refuse.py", (Path(__file__).parent / "guest/refuse.py").read_bytes())
    ends = old.run("python3 /run/refuse.py ioctl doorbells")
    assert ends == "EIO EIO EAGAIN", ends
    # QEMU's CPUs are switched over only with what makes the machine one that's refused; as
    # long as no function moves it does no harm
    refused = old.call(f"khoctl spawn {IMAGES}/new")
    assert refused.rc == 3 and "IOMMU is in use" in refused.out, refused
    old.run("touch /run/kho-agent/any-machine")


def test(lab):
    """One machine after the other."""
    upgrade(lab, lab.machine(cpu_model="max,la57=off"), check_4_levels)
    lab.step("4-level paging")
    upgrade(lab, lab.machine(extra=IOMMU), check_x2apic)
    lab.step("x2APIC")
