# SPDX-License-Identifier: GPL-2.0-only
"""Upgrades by kexec, of a redis with clients outside."""

import json

from .upgrade import IMAGES, report

# 7.3's watchdog of the TSC, which emulated ones have, can hang a boot: two CPUs wait for each other
# by a clock that stands while they do (docs/limits.md). What boots in a test can't be tried again.
NO_WATCHDOG = "tsc=nowatchdog"
# scratch memory is where the image goes to, unpacked by the next kernel
KERNEL = f"kho=on liveupdate=on kho_scratch=64M,600M,64M {NO_WATCHDOG}"
OPTIONS = f"--method=kexec --append='console=ttyS0 lab.port=ttyS1 {NO_WATCHDOG}'"
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


def target(lab):
    """The kernel that is jumped to: another one than the first, if the lab has one (NEXT=)."""
    return "next" if lab.has_kernel("next") else "kho"


def command(lab):
    """The upgrade."""
    return f"khoctl upgrade {IMAGES}/{target(lab)}-system {OPTIONS}"


def upgrade(lab, machine, old):
    """Returns the next kernel's shell, once it has told what came of it."""
    planned = json.loads(old.run(f"khoctl --json plan {IMAGES}/{target(lab)}-system --method=kexec"))
    lab.step(f"predicted: {planned['blackoutMs']} ms")
    boot = old.run(BOOT_ID)
    old.start(command(lab), 600)
    new = machine.shell("ttyS1", "next").wait_ready(300)
    assert new.run(BOOT_ID) != boot and new.run("uname -r") == lab.release(target(lab))
    new.run("dmesg | grep 'KHO: found kexec handover data'")
    new.wait_until("khoctl --json report", 240)
    return new


def tell(lab, new, *units):
    """The report of the next kernel's agent: all has moved. If it hasn't, the logs of these units say why."""
    told = report(new)
    lab.step(f"stood still for {told['blackout_ms']} ms, predicted {told['predicted_ms']}: {told}")
    if "trouble" in told or any(workload["result"] != "moved" for workload in told["workloads"]):
        logs = " ".join(f"-u '{unit}'" for unit in ("kho-agent", *units))
        lab.step(new.call(f"journalctl --no-pager -b {logs}; "
                          "tail -n 20 /run/kho-agent/move/*/images/restore.log").out)
    assert told["method"] == "kexec" and told["result"] == "committed", told
    assert "trouble" not in told, told
    return told
