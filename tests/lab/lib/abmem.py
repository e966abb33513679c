# SPDX-License-Identifier: GPL-2.0-only
"""abmem (guest/abmem.c): a task whose memory proves itself, and that says how far it is."""

import re

REPORT = "/run/abmem"


def start_abmem(shell, mib, rate, shared=""):
    """A task with so much memory, that writes to it at a rate in MiB/s."""
    shell.run("mkdir -p /etc/systemd/system/lab-abmem.service.d")
    shell.write_file("/etc/systemd/system/lab-abmem.service.d/size.conf",
                     f"[Service]\nEnvironment=MIB={mib} RATE={rate} 'SHARED={shared}'\n".encode())
    shell.run("systemctl daemon-reload && systemctl start lab-abmem")
    shell.wait_until(f"grep -q ^beat {REPORT}", 60)


def beat(shell, path=REPORT):
    """The task's own word: how often all pages were checked, and changed."""
    text = shell.run(f"cat {path}")
    assert "BAD" not in text, text
    return [int(n) for n in re.match(r"beat (\d+) rounds (\d+) changes (\d+)", text).groups()]


def goes_on(shell, path=REPORT, seconds=60):
    """It's alive: changes pages, and has checked all of them from now on, and found nothing."""
    count, rounds, changes = beat(shell, path)
    shell.wait_until(f"grep -q BAD {path} || awk '{{exit !($2 > {count} && $4 > {rounds + 1} && "
                     f"$6 > {changes})}}' {path}", seconds)
    beat(shell, path)
