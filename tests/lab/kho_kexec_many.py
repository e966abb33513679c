# SPDX-License-Identifier: GPL-2.0-only
"""Several workloads in one upgrade by kexec: memory that proves itself, a tree of processes, a task
that watches its clocks and a service that systemd watches. None needs the others, and all are whole."""

from lib.by_kexec import KERNEL, upgrade
from lib.upgrade import report, wait_status
from lib.zoo import ask, is_heard, pids, start

TIME_LIMIT = 900
MEMORY = "lab-abmem.service"
ZOO = {"tree": ("lab-zoo@tree-20.service", "zoo-tree-20"),
       "clock": ("lab-zoo@clock.service", "zoo-clock"),
       "notify": ("lab-zoo-notify.service", "zoo-notify")}
UNITS = {"memory": MEMORY, **{name: unit for name, (unit, _) in ZOO.items()}}


def configure(shell):
    """Each is a workload of its own."""
    text = "".join(f"[Workload {name}]\nUnit={unit}\nMaxBlackoutSec=120\n"
                   for name, unit in UNITS.items())
    shell.write_file("/etc/kho-agent/kho-agent.conf", text)


def rounds(shell):
    """How often it has looked at all of its memory, and found nothing."""
    return int(shell.run("! grep BAD /run/abmem && awk '{print $4}' /run/abmem"))


def check_memory(shell):
    """All pages are looked at once more."""
    now = rounds(shell)
    shell.wait_until(f"grep -q BAD /run/abmem || awk '{{exit !($4 > {now} + 1)}}' /run/abmem", 120)
    assert rounds(shell) > now + 1


def test(lab):
    """Start, jump, ask."""
    machine = lab.machine()
    with machine.boot("kho", KERNEL) as old:
        configure(old)
        old.run(f"systemctl start {MEMORY}")
        for unit, folder in ZOO.values():
            start(old, unit, folder)
        old.wait_until("grep -q beat /run/abmem", 90)
        check_memory(old)
        before = {unit: pids(old, unit) for unit in UNITS.values()}
        ask(old, "zoo-clock", "again")

        new = upgrade(lab, machine, old)
        told = report(new)
        lab.step(f"report: {told}")
        if any(workload["result"] != "moved" for workload in told["workloads"]):
            lab.step(new.call("journalctl --no-pager -b -u kho-agent; "
                              "tail -n 20 /run/kho-agent/move/*/images/restore.log").out)
        assert "trouble" not in told and told["result"] == "committed", told
        assert {w["name"]: w["result"] for w in told["workloads"]} == dict.fromkeys(UNITS, "moved"), told
        wait_status(lab, new, 60, phase="idle")
        for unit in UNITS.values():
            assert pids(new, unit) == before[unit], unit
        lab.step(f"clocks over the kexec: {ask(new, 'zoo-clock', 'again')}")
        for name, (_, folder) in ZOO.items():
            lab.step(f"{name}: {ask(new, folder)}")
        check_memory(new)
        assert new.run("systemctl show -P SubState lab-zoo-notify") == "running"
        is_heard(new)
        assert machine.resets() == 0
