# SPDX-License-Identifier: GPL-2.0-only
"""Calls to the module while what they're about changes: on both kernels, without a second one."""

from pathlib import Path

LONG = True

GUEST = Path(__file__).parent / "guest"
SECONDS = 20


def race(lab, shell, what):
    """It ends well, and the kernel has nothing to say."""
    said = shell.run(f"python3 /run/races.py {what} {SECONDS}", 120)
    lab.step(f"{what}: {said}")
    assert said.startswith("OK"), said
    shell.run("! dmesg | grep -E 'Oops|cut here'")


def test(lab):
    """One kernel after the other."""
    machine = lab.machine()
    for kernel in ("old", "new"):
        with machine.boot(kernel) as shell:
            for name in ("refuse.py", "races.py"):
                shell.write_file(f"/run/{name}", (GUEST / name).read_bytes())
            race(lab, shell, "link")
            race(lab, shell, "online")
            assert shell.run("cat /sys/devices/system/cpu/online") == "0-3"
            assert machine.resets() == 0
