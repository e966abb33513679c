# SPDX-License-Identifier: GPL-2.0-only
"""A kernel with our patches needs no workarounds: what it prints is seen from its first line on,
once, whether it comes up or not; its ACPI tables list real CPUs only; it takes PCI functions in by
itself; and with the module loaded a panic stops a CPU that has its interrupts off."""

from lib.qemu import Disk
from lib.upgrade import IMAGES, spawn, wait_status

TIME_LIMIT = 600
ROOM = "--cpus=2-3 --memory=1G"
MODULE = "/usr/lib/kho-lab/lab_hang.ko"


def console(shell):
    """All that was kept of the new kernel's console."""
    return shell.run("khoctl console")


def dies_early(lab, old):
    """Nothing of ours ever runs in it, and its last words are on the console all the same."""
    result = old.call(f"khoctl spawn {IMAGES}/kho {ROOM} --timeout=30 "
                      "--append='rdinit=/nothing root=/dev/nothing'", 150)
    assert result.rc == 5, result
    text = console(old)
    assert text.count("Linux version ") == 1, text
    assert "Kernel panic - not syncing: VFS: Unable to mount root fs" in text, text
    lab.step("seen of a kernel that died at boot: "
             + next(line for line in text.splitlines() if "Kernel panic" in line))


def comes_up(lab, old, new):
    """The early console ends where the module's begins."""
    log = new.run("dmesg")
    for bad in ("Crash kernel detected", "not the first enumerated", "cut here"):
        assert bad not in log, log
    assert new.run("cat /sys/devices/system/cpu/present") == "0-3"
    new.run("echo '<5>this is no early console' >/dev/kmsg")
    lab.reactor.wait(lambda: "this is no early console" in console(old), 30, "a late line")
    text = console(old)
    for line in ("Linux version ", "[memring0] enabled", "[memring0] disabled", "[ttyMK0] enabled"):
        assert text.count(line) == 1, (line, text)
    lab.step(f"{len(text.splitlines())} lines on the console, none of them twice")


def pci_functions(shell):
    """Addresses of all that the kernel knows of."""
    return shell.run("ls /sys/bus/pci/devices").split()


def takes_functions(lab, old, new):
    """They're the kernel's own, BARs and all, one by one, and nothing stays of them."""
    assert pci_functions(new) == []
    disks = [old.run(f"basename $(readlink -f /sys/block/vd{letter}/device/..)") for letter in "bc"]
    for count in (1, 2):
        old.run(f"khoctl grant {disks[count - 1]}", 60)
        new.wait_until(f"test $(ls -d /sys/block/vd* | wc -l) = {count}", 30)
        assert sorted(pci_functions(new)) == sorted(disks[:count])
    for disk in disks:
        assert int(new.run(f"stat -c %s /sys/bus/pci/devices/{disk}/config")) == 4096
        assert new.run(f"grep -c ' {disk}$' /proc/iomem") != "0"
        new.run(f"dd if=/dev/$(ls /sys/bus/pci/devices/{disk}/virtio*/block) of=/dev/null iflag=direct "
                "bs=64k count=16")
    for disk in disks:
        old.run(f"khoctl revoke {disk}", 60)
    assert pci_functions(new) == []
    assert not new.call(f"grep -E '{'|'.join(disks)}' /proc/iomem").out
    assert not new.call("dmesg | grep -E 'Oops|WARNING|can.t claim'").out
    lab.step(f"{', '.join(disks)} were taken in by the kernel itself, and given back")


def panics(lab, old, new):
    """What the kernel does by itself in a panic isn't replaced."""
    new.start(f"insmod {MODULE} then_panic=1")
    wait_status(lab, old, 90, phase="idle")
    text = console(old)
    assert "Shutting down cpus with NMI" in text, text[-3000:]
    lab.step("a CPU with interrupts off was stopped by an NMI in a panic")


def test(lab):
    """Stock 6.12 spawns it twice."""
    machine = lab.machine(disks=[Disk("near", "64M", behind_port=True), Disk("far", "96M", behind_port=True)])
    with machine.boot("old") as old:
        assert "\nboot-cpu = any\n" in old.run(f"cat {IMAGES}/kho/manifest")
        assert "boot-cpu" not in old.run(f"cat {IMAGES}/new/manifest")
        dies_early(lab, old)
        new = spawn(machine, old, "kho", "ttyS1", ROOM)
        comes_up(lab, old, new)
        takes_functions(lab, old, new)
        panics(lab, old, new)
        assert machine.resets() == 0
