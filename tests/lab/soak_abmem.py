# SPDX-License-Identifier: GPL-2.0-only
"""Twenty moves of tasks whose every page proves itself: none is torn, stale or lost.

Two tasks: eight threads with 256 MiB that are written to all the time, and one that shares memory
with a child and forks, remaps, splits and gives back what it has. They move there and back again.
"""

from lib.abmem import goes_on
from lib.upgrade import move, report, rollback, spawn

TIME_LIMIT = 3600
MOVES = 20
MOVE_SECONDS = 360

UNITS = {
    "threads": "[Service]\nExecStart=/usr/lib/kho-lab/abmem /run/threads 256 4 0 plain 8\n",
    "tricks": "[Service]\nExecStart=/usr/lib/kho-lab/abmem /run/tricks 32 1 8 tricks\n",
}
CONFIG = b"""
[Workload threads]
Unit=lab-threads.service
MaxBlackoutSec=60

[Workload tricks]
Unit=lab-tricks.service
MaxBlackoutSec=60
"""


def add_units(shell):
    """To that kernel's systemd."""
    for name, text in UNITS.items():
        shell.write_file(f"/etc/systemd/system/lab-{name}.service", text)
    shell.run("systemctl daemon-reload")


def test(lab):
    """There and back, until it's enough."""
    machine = lab.machine(memory="5G")
    with machine.boot("old") as old:
        old.write_file("/etc/kho-agent/kho-agent.conf", CONFIG)
        add_units(old)
        old.run("systemctl start lab-threads lab-tricks")
        old.wait_until("grep -q beat /run/threads && grep -q beat /run/tricks", 90)
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=2G")
        new.wait_until("systemctl is-active kho-new.target", 60)
        add_units(new)
        for number in range(MOVES):
            if number % 2 == 0:
                move(lab, old, new, seconds=MOVE_SECONDS)
            else:
                rollback(lab, old, new, seconds=MOVE_SECONDS)
            for name in UNITS:
                goes_on(old if number % 2 else new, f"/run/{name}", 120)
            lab.step(f"move {number + 1}: " + ", ".join(
                f"{w['name']} frozen {w['frozen_ms']} ms" for w in report(old)["workloads"]))
        # nor did a rehearsal's copy run, whose memory isn't there
        for kernel in (old, new):
            assert kernel.call("dmesg | grep -c segfault").out.strip() == "0"
        assert machine.resets() == 0
