# SPDX-License-Identifier: GPL-2.0-only
"""Several workloads in one upgrade by kexec: memory that proves itself, a tree of processes, a task
that watches its clocks and a service that systemd watches. None needs the others, and all are whole."""

from lib.abmem import goes_on, start_abmem
from lib.by_kexec import KERNEL, tell, upgrade
from lib.upgrade import wait_status
from lib.zoo import ask, configure, is_heard, pids, start

TIME_LIMIT = 900
ZOO = {"tree": ("lab-zoo@tree-20.service", "zoo-tree-20"),
       "clock": ("lab-zoo@clock.service", "zoo-clock"),
       "notify": ("lab-zoo-notify.service", "zoo-notify")}
UNITS = {"memory": "lab-abmem.service", **{name: unit for name, (unit, _) in ZOO.items()}}


def test(lab):
    """Start, jump, ask."""
    machine = lab.machine()
    with machine.boot("kho", KERNEL) as old:
        configure(old, UNITS, 120)
        start_abmem(old, 64, 4)
        for unit, folder in ZOO.values():
            start(old, unit, folder)
        goes_on(old, seconds=120)
        before = {unit: pids(old, unit) for unit in UNITS.values()}
        ask(old, "zoo-clock", "again")

        new = upgrade(lab, machine, old)
        told = tell(lab, new)
        assert {w["name"]: w["result"] for w in told["workloads"]} == dict.fromkeys(UNITS, "moved"), told
        wait_status(lab, new, 60, phase="idle")
        for unit in UNITS.values():
            assert pids(new, unit) == before[unit], unit
        lab.step(f"clocks over the kexec: {ask(new, 'zoo-clock', 'again')}")
        for name, (_, folder) in ZOO.items():
            lab.step(f"{name}: {ask(new, folder)}")
        goes_on(new, seconds=120)
        assert new.run("systemctl show -P SubState lab-zoo-notify") == "running"
        is_heard(new)
        assert machine.resets() == 0
