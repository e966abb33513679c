# SPDX-License-Identifier: GPL-2.0-only
"""A new kernel that fails gives everything back, and its log is kept.

It never gets anywhere, panics at boot, panics later, hangs with interrupts off,
or its agent never says hello. Then the same again and again: nothing may leak.
"""

import os
import re
from pathlib import Path

from lib.upgrade import IMAGES, memory_kib, spawn, status, wait_status

TIME_LIMIT = 900
LONG = True
CYCLES = int(os.environ.get("LAB_CYCLES", "3"))
# What is free wanders by 1 MiB as blocks go and come (watermarks). A leak grows with the
# cycles: twenty of them tell half a MiB each.
NOISE_KIB = 10240


def snapshot(shell):
    """What has to be the same afterwards."""
    return {
        "cpus": shell.run("cat /sys/devices/system/cpu/online"),
        "memory": memory_kib(shell),
        "blocks": shell.run("grep -l online /sys/devices/system/memory/memory*/state | wc -l"),
        "regions": status(shell)["lentCpus"],
    }


def fail_to_spawn(lab, old, append, seconds):
    """A spawn that gets no hello: undone at its deadline, exit code 5."""
    result = old.call(f"khoctl spawn {IMAGES}/new --cpus=2-3 --memory=1G "
                      f"--append='{append}' --timeout={seconds}", seconds + 120)
    lab.step(result.out.strip().splitlines()[-1])
    assert result.rc == 5, result
    assert status(old)["phase"] == "idle"


def never_starts(lab, old):
    """Stops in its first instructions: not even its own log exists."""
    fail_to_spawn(lab, old, "mem=1M", 8)


def panics_at_boot(lab, old):
    """No init: the panic is read out of its memory."""
    fail_to_spawn(lab, old, "rdinit=/nothing root=/dev/nothing", 30)
    log = old.run("khoctl dmesg")
    assert re.search("Kernel panic - not syncing: VFS: Unable to mount root fs", log), log[-2000:]


def says_nothing(lab, old):
    """The agent never starts."""
    fail_to_spawn(lab, old, "lab.mute", 30)
    assert "kho-init: " in old.run("khoctl dmesg")


def fails_by_itself(lab, old):
    """Nothing was added to the image's own command line: it isn't tried a second time."""
    old.write_file("/run/refuse.py", (Path(__file__).parent / "guest/refuse.py").read_bytes())
    old.run(f"python3 /run/refuse.py image {IMAGES}/new {IMAGES}/mute append=lab.mute", 120)
    spawn_mute = f"khoctl spawn {IMAGES}/mute --cpus=2-3 --memory=1G"
    assert old.call(spawn_mute, 300).rc == 5
    result = old.call(spawn_mute, 60)
    lab.step(result.out.strip().splitlines()[-1])
    assert result.rc == 7 and "was refused before (no-hello" in result.out, result
    assert "khoctl image clear" in old.run("khoctl image list", 60)


def panics_later(lab, machine, old):
    """Seen at once, by the status page."""
    new = spawn(machine, old, "new", "ttyS1", "--cpus=2-3 --memory=1G")
    new.start("echo c >/proc/sysrq-trigger")
    wait_status(lab, old, 30, phase="idle")
    assert "panicked (sysrq triggered crash)" in status(old)["message"]
    assert "sysrq triggered crash" in old.run("khoctl console")
    lab.step("a panic is answered")


def hangs(lab, machine, old):
    """All its CPUs spin with interrupts off: found by silence, ended by INIT."""
    new = spawn(machine, old, "new", "ttyS2", "--cpus=2-3 --memory=1G")
    new.start("insmod /usr/lib/kho-lab/lab_hang.ko")
    wait_status(lab, old, 90, phase="idle")
    assert "lab_hang: hanging now" in old.run("khoctl dmesg")
    lab.step("a hang is answered")


def cycle(lab, machine, old):
    """Spawns and reclaims on purpose."""
    old.run(f"khoctl spawn {IMAGES}/new --cpus=2-3 --memory=1G", 180)
    old.run("khoctl reclaim", 60)


def check_leaks(lab, machine, old):
    """Free memory and slab after the last cycle as after the first."""
    def used():
        old.run("sync; echo 3 >/proc/sys/vm/drop_caches")
        available, slab = old.run("awk '/^(MemAvailable|Slab)/{print $2}' /proc/meminfo").split()
        # free pages in lists of the CPUs count as used there, and come and go by tens of MiB
        listed = old.run("awk '/^ +count:/{n += $2} END {print n * 4}' /proc/zoneinfo")
        return int(available) + int(listed), int(slab)
    cycle(lab, machine, old)
    available, slab = used()
    for _ in range(CYCLES):
        cycle(lab, machine, old)
    available_now, slab_now = used()
    lab.step(f"{CYCLES} cycles: MemAvailable {available} -> {available_now} KiB, "
             f"slab {slab} -> {slab_now} KiB")
    assert available_now > available - NOISE_KIB and slab_now < slab + 8192


def test(lab):
    """Every way to fail, one after the other on one machine."""
    machine = lab.machine()
    with machine.boot("old") as old:
        before = snapshot(old)
        steps = [
            lambda: never_starts(lab, old),
            lambda: panics_at_boot(lab, old),
            lambda: says_nothing(lab, old),
            lambda: fails_by_itself(lab, old),
            lambda: panics_later(lab, machine, old),
            lambda: hangs(lab, machine, old),
            lambda: check_leaks(lab, machine, old),
        ]
        for step in steps:
            step()
            assert snapshot(old) == before, (snapshot(old), before)
        old.run("rmmod multikernel; systemctl stop kho-agent; rmmod multikernel && "
                "! lsmod | grep multikernel")
        assert machine.resets() == 0
