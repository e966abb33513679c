# SPDX-License-Identifier: GPL-2.0-only
"""Disks and a NIC move old -> new -> old -> new; data stays whole, others run on. One of two
functions of a bus comes and goes while the configuration space of both is read."""

from lib.qemu import Disk, Nic
from lib.upgrade import spawn

ROUNDS = 5
PATTERN = "for i in $(seq 1 2048); do echo \"$1 line $i of some data that must stay\"; done"


def function_of(shell, device):
    """PCI address of a block or net device."""
    return shell.run(f"basename $(readlink -f /sys/{device}/device/..)")


def write(shell, disk, text):
    """Fills the start of the disk and says what it is then."""
    shell.run(f"set -- {text}; {{ {PATTERN}; }} | dd of=/dev/{disk} conv=fsync bs=64k 2>/dev/null")
    return digest(shell, disk)


def digest(shell, disk):
    """Of the first 64 KiB, past the cache."""
    return shell.run(f"dd if=/dev/{disk} iflag=direct bs=64k count=1 2>/dev/null | sha256sum")


def disk_name(shell, size_sectors):
    """The virtio disk of that size; empty while its driver hasn't found it."""
    return shell.run(f"grep -l '^{size_sectors}$' /sys/block/vd*/size 2>/dev/null | "
                     "cut -d/ -f4; true")


def wait_disk(lab, shell, sectors):
    """Waits for the disk to appear in a kernel."""
    return lab.reactor.wait(lambda: disk_name(shell, sectors), 30, "disk in the other kernel")


def move_disk(lab, old, new, sectors, address):
    """There and back again, with a write on each side."""
    expected = write(old, disk_name(old, sectors), "old")
    for turn in range(2):
        old.run(f"khoctl grant {address}", 60)
        assert not disk_name(old, sectors)
        disk = wait_disk(lab, new, sectors)
        assert digest(new, disk) == expected
        expected = write(new, disk, f"new{turn}")
        if turn:
            break
        old.run(f"khoctl revoke {address}", 60)
        disk = wait_disk(lab, old, sectors)
        assert digest(old, disk) == expected
        expected = write(old, disk, "old-again")
    lab.step(f"{address} moved three times, data whole")


def move_nic(lab, old, new, address):
    """The NIC's MAC address tells that it's the same one."""
    mac = old.run(f"cat /sys/bus/pci/devices/{address}/virtio*/net/*/address")
    for turn in range(2):
        old.run(f"khoctl grant {address}", 60)
        new.wait_until(f"grep -q {mac} /sys/class/net/*/address", 30)
        new.run(f"cd /sys/bus/pci/devices/{address}/virtio*/net/ && ip link set $(ls) up")
        if not turn:
            old.run(f"khoctl revoke {address}", 60)
            old.wait_until(f"grep -q {mac} /sys/class/net/*/address", 30)
    lab.step(f"{address} moved three times")


def move_while_read(lab, old, new, sectors, address):
    """Another function of its bus is there, too; data is whole in the end."""
    expected = digest(new, disk_name(new, sectors))
    reader = new.run_bg("while :; do cat /sys/bus/pci/devices/*/config; done")
    for _ in range(ROUNDS):
        old.run(f"khoctl revoke {address}", 60)
        wait_disk(lab, old, sectors)
        old.run(f"khoctl grant {address}", 60)
        disk = wait_disk(lab, new, sectors)
    new.run(f"kill {reader}")
    assert digest(new, disk) == expected
    new.run("! dmesg | grep -E 'Oops|corruption'")
    lab.step(f"{address} came and went {ROUNDS} times, while its bus was read")


def check_msix(new):
    """The moved functions use MSI-X in the new kernel."""
    assert "virtio" in new.run("grep -i msi /proc/interrupts || cat /proc/interrupts")


def check_refusals(old):
    """What's in use or no endpoint stays where it is, and says why."""
    root = function_of(old, "block/vda")
    result = old.call(f"khoctl grant {root}")
    assert result.rc == 3 and "mounted on /" in result.out, result
    bridge = old.run("cd /sys/bus/pci/devices; for f in *; do case $(cat $f/class) in "
                     "0x0604*) echo $f; break ;; esac; done")
    result = old.call(f"khoctl grant {bridge}")
    assert result.rc == 3 and "bridge" in result.out, result
    assert old.call("khoctl grant 0000:00:1d.7").rc == 3


def test(lab):
    """Two disks on the root bus, one disk and one NIC behind root ports."""
    machine = lab.machine(disks=[Disk("data", "64M"), Disk("beside", "32M"),
                                 Disk("far", "96M", behind_port=True)],
                          nics=[Nic(behind_port=True)])
    with machine.boot("old") as old:
        new = spawn(machine, old, "new", "ttyS1", "--cpus=2-3 --memory=1G")
        for size in (64, 32, 96):
            sectors = size * 2048
            address = function_of(old, f"block/{disk_name(old, sectors)}")
            move_disk(lab, old, new, sectors, address)
            if size == 32:
                move_while_read(lab, old, new, sectors, address)
        nic = old.run("basename $(dirname $(dirname $(dirname $(ls -d "
                      "/sys/bus/pci/devices/*/virtio*/net/*))))")
        move_nic(lab, old, new, nic)
        check_msix(new)
        check_refusals(old)
        # the old kernel's own disk never noticed
        assert "reset" not in old.run("dmesg | grep -i vda || true")
        old.run("khoctl reclaim", 60)
        assert old.run("ls /sys/block | grep -c vd") == "4"
        assert machine.resets() == 0
