# SPDX-License-Identifier: GPL-2.0-only
"""6.12 -> 7.x -> 6.12 -> 7.x on one machine that is never reset."""

from lib.upgrade import IMAGES, memory_share, retire, spawn, status, wait_status

# CPUs to give, by the numbers of the kernel that gives them, never the boot CPU's
STEPS = [("new", "ttyS1"), ("old", "ttyS2"), ("new", "ttyS3")]


def images_at(shell, first):
    """Where the target images are: on the disk that came with the last retirement."""
    if first:
        return IMAGES
    shell.wait_until("test -b /dev/vda", 30, "the root disk's driver")
    shell.run("mkdir -p /mnt && mount -t ext4 -o ro /dev/vda /mnt")
    return f"/mnt{IMAGES}"


def fail_to_spawn(shell, folder):
    """From a kernel that was spawned itself: all is back, and the next try isn't in its way."""
    result = shell.call(f"khoctl spawn {folder}/old --memory=1G --append=mem=1M --timeout=8", 180)
    assert result.rc == 5 and "not all could be taken back" not in result.out, result
    assert status(shell)["phase"] == "idle" and status(shell)["lentCpus"] == 0
    assert shell.run("cat /sys/devices/system/cpu/online") == "0-3"


def test(lab):
    """Three upgrades in a row."""
    machine = lab.machine()
    with machine.boot("old") as shell:
        for number, (target, port) in enumerate(STEPS, start=1):
            folder = images_at(shell, number == 1)
            if number == 2:
                fail_to_spawn(shell, folder)
                lab.step("2: a spawn that failed was taken back")
            new = spawn(machine, shell, target, port, "--memory=1G", folder)
            lab.step(f"{number}: hello from {new.run('uname -r')}")
            if number == 2:
                shell.run("killall -9 kho-agent")
                shell.wait_until("khoctl status", 30)
                wait_status(lab, shell, 60, phase="sync", connected=True)
            retire(lab, shell, new)
            assert new.run("uname -r") == lab.release(target)
            assert new.run("cat /sys/devices/system/cpu/online") == "0-3"
            assert memory_share(machine, new) >= 0.91
            assert status(new)["instance"] == number
            assert machine.resets() == 0
            lab.step(f"{number}: the machine is the new kernel's")
            shell = new
        shell.start("poweroff -f")
        machine.wait_end(60)
        assert machine.resets() == 0
