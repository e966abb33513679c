# SPDX-License-Identifier: GPL-2.0-only
"""Upgrades by kexec, of a redis with clients outside."""

import json

from .upgrade import IMAGES

# 7.3's watchdog of the TSC, which emulated ones have, can hang a boot: two CPUs wait for each other
# by a clock that stands while they do (docs/limits.md). What boots in a test can't be tried again.
NO_WATCHDOG = "tsc=nowatchdog"
# scratch memory is where the image goes to, unpacked by the next kernel
KERNEL = f"kho=on liveupdate=on kho_scratch=64M,600M,64M {NO_WATCHDOG}"
IMAGE = f"{IMAGES}/kho-system"
UPGRADE = (f"khoctl upgrade {IMAGE} --method=kexec "
           f"--append='console=ttyS0 lab.port=ttyS1 {NO_WATCHDOG}'")
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


def upgrade(lab, machine, old):
    """Returns the next kernel's shell, once it has told what came of it."""
    planned = json.loads(old.run(f"khoctl --json plan {IMAGE} --method=kexec"))
    lab.step(f"predicted: {planned['blackoutMs']} ms")
    boot = old.run(BOOT_ID)
    old.start(UPGRADE, 600)
    new = machine.shell("ttyS1", "next").wait_ready(300)
    assert new.run(BOOT_ID) != boot
    new.run("dmesg | grep 'KHO: found kexec handover data'")
    new.wait_until("khoctl --json report", 240)
    return new
