# SPDX-License-Identifier: GPL-2.0-only
"""make demo: a stock kernel boots another beside itself, hands over, disappears."""

from lib.upgrade import memory_kib, retire, spawn, status


def describe(lab, who, shell):
    """One line about a kernel, from its own mouth."""
    cpus = shell.run("cat /sys/devices/system/cpu/online")
    lab.step(f"{who}: Linux {shell.run('uname -r')}, CPUs {cpus}, "
             f"{memory_kib(shell) // 1024} MiB, phase {status(shell)['phase']}")


def test(lab):
    """One upgrade, told step by step."""
    machine = lab.machine()
    lab.step("starting a machine: Debian 13, 4 CPUs, 4 GiB")
    with machine.boot("old") as old:
        lab.step(f"its command line: {old.run('cat /proc/cmdline')}")
        describe(lab, "the running kernel", old)
        lab.step("khoctl spawn: 2 CPUs and 1 GiB go offline, the other kernel starts on them")
        new = spawn(machine, old, "new", "ttyS1", "--cpus=2-3 --memory=1G")
        describe(lab, "the old kernel", old)
        describe(lab, "the new kernel", new)
        lab.step("khoctl retire: the old kernel gives up its last CPU, memory and devices")
        retire(lab, old, new)
        describe(lab, "the new kernel, alone", new)
        lab.step(f"resets of the machine, seen from outside: {machine.resets()}")
        assert machine.resets() == 0
        assert new.run("nproc") == "4"
        new.start("poweroff -f")
        machine.wait_end(60)
        lab.step("powered off by the new kernel")
