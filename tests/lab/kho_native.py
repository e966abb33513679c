# SPDX-License-Identifier: GPL-2.0-only
"""A spawned kernel with KHO takes the handover tree in by itself, keeps what it preserves
under memory pressure, and gets the lanes back to use when the old kernel has retired."""

import json

from lib.upgrade import IMAGES, retire, status

TIME_LIMIT = 900
TOOL = "/usr/lib/kho-lab/kho.py"


def pages(shell):
    """What has become of the control area's pages."""
    return json.loads(shell.run(f"python3 {TOOL} flags"))


SCANNED = "awk '/^pgscan_(direct|kswapd) /{n += $2} END {print n}' /proc/vmstat"
LEFT_KIB = 96 << 10


def press(shell):
    """
    Fills memory and reads until the kernel has to reclaim; to be undone by umount. Each CPU takes its
    share, since each has a list of pages that were freed by it and that no other one is given.
    """
    before = int(shell.run(SCANNED))
    free = int(shell.run("awk '/^MemAvailable/{print $2}' /proc/meminfo"))
    cpus = int(shell.run("nproc"))
    shell.run("mkdir -p /run/press && mount -t tmpfs -o size=100% press /run/press")
    for cpu in range(cpus):
        shell.run(f"taskset -c {cpu} dd if=/dev/zero of=/run/press/{cpu} bs=64K "
                  f"count={(free - LEFT_KIB) // 64 // cpus} 2>&1", 300)
    shell.run("find /usr -xdev -type f -exec cat {} + >/dev/null 2>&1; true", 300)
    after = int(shell.run(SCANNED))
    assert after > before, f"no reclaim was needed: {before} pages scanned, then {after}"
    return after - before


def test(lab):
    """Stock 6.12 spawns a kernel with KHO; pressure; retirement."""
    machine = lab.machine()
    with machine.boot("old") as old:
        manifest = old.run(f"cat {IMAGES}/kho-system/manifest")
        assert "\nkho = kho-v4\n" in manifest, manifest
        assert "\nkho = none\n" in old.run(f"cat {IMAGES}/new/manifest")
        old.run(f"khoctl spawn {IMAGES}/kho-system --append=lab.port=ttyS1 "
                "--cpus=2-3 --memory=1G", 240)
        new = machine.shell("ttyS1", "kho").wait_ready(90)
        log = new.run("dmesg")
        assert "KHO: found kexec handover data" in log, log
        for bad in ("disabling KHO revival", "cut here", "Failed to extend scratch"):
            assert bad not in log, log
        lab.step("the kernel has found the tree: " + new.run("dmesg | grep 'KHO:'"))

        area = pages(new)
        assert area["lanes"] == {"pages": 3584, "free": 0, "used": 0}, area
        assert area["tree"] == {"pages": 240, "free": 0, "used": 0}, area
        new.run("mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug")
        content = new.run(f"python3 {TOOL} content")
        # or the agent couldn't map pages that others have mapped together with the rest
        kind = new.run(f"python3 {TOOL} type")
        assert kind in ("write-back", "uncached-minus"), kind
        lab.step(f"the reserved part is {kind} as a whole")
        scanned = press(new)
        assert pages(new) == area, pages(new)
        assert new.run(f"python3 {TOOL} content") == content
        assert status(old)["connected"] and status(new)["connected"]
        lab.step(f"nothing of it was touched while {scanned} pages were scanned: {content}")
        new.run("umount /run/press")

        retire(lab, old, new)
        # pages that were freed just now may wait in a CPU's list: somebody has to want them
        press(new)
        area = pages(new)
        new.run("umount /run/press")
        assert area["tree"] == {"pages": 240, "free": 0, "used": 0}, area
        assert area["lanes"]["free"] + area["lanes"]["used"] > 3000, area
        lab.step(f"the lanes are this kernel's: {area['lanes']}")
        assert "cut here" not in new.run("dmesg")
        # an agent that starts now must not take them for lanes
        new.run("systemctl restart kho-agent")
        new.wait_until("khoctl status", 60)
        assert status(new)["phase"] == "idle"
        press(new)
        assert machine.resets() == 0
