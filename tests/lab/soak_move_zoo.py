# SPDX-License-Identifier: GPL-2.0-only
"""What a workload may consist of: a task with one of everything, a tree of 200 processes,
a task that watches its clocks and a service that systemd watches move at once, and
all of it is whole: after a move that was undone, and after one that wasn't."""

import re

from lib.upgrade import move, report, spawn
from lib.zoo import (SCOPE, ask, configure, give_loopback, is_heard, pids, start, start_scope,
                     start_zoo)

TIME_LIMIT = 900
MOVE_SECONDS = 360 # of CRIU's time for 200 tasks, again in each round
UNITS = {"zoo": "lab-zoo.service", "tree": "lab-zoo@tree-200.service",
         "clock": "lab-zoo@clock.service", "notify": "lab-zoo-notify.service", "grove": SCOPE}
FOLDERS = {"zoo": "zoo", "tree": "zoo-tree-200", "clock": "zoo-clock", "notify": "zoo-notify",
           "grove": "grove"}
PROPERTIES = "ActiveState,SubState,MainPID,NotifyAccess,Type,WatchdogUSec,Result,StatusText"


def longest(text):
    """The longest steps that the clocks made: of real time, monotonic, since boot."""
    return [int(n) for n in re.search(r"real (\d+) mono (\d+) boot (\d+)", text).groups()]


def undo_one(lab, old):
    """A move that is undone when all was dumped leaves all as it was."""
    old.write_file("/run/kho-agent/failpoints", b"restore before error\n")
    undone = old.call("khoctl move", MOVE_SECONDS)
    assert undone.rc == 1 and "the move was undone: restore" in undone.out, undone
    for folder in FOLDERS.values():
        lab.step(f"undone; {folder}: {ask(old, folder)}")


def check_clocks(lab, new):
    """They went on, and no further than they could."""
    text = ask(new, "zoo-clock", "again")
    lab.step(f"clocks over the move: {text}")
    real, mono, boot = longest(text)
    assert mono <= real + 5000 and boot <= real + 5000, text
    new.wait_until("sleep 2", 30)
    lab.step(f"clocks after the move: {ask(new, 'zoo-clock')}")


def check_journal(new, since):
    """Lines that were printed after the move, of both streams, are in the new journal."""
    for word in ("beat", "aside"):
        new.wait_until(f"journalctl -b -u lab-zoo-notify --no-pager | grep -q 'zoo: {word} "
                       f"{since + 8}$'", 30, f"journal with {word} {since + 8}")
    new.wait_until("journalctl -b -u lab-zoo --no-pager | grep -q 'zoo: looked at'", 30)
    new.run("journalctl -b -u lab-zoo --no-pager | grep 'by way of syslog'")


def check_watchdog(lab, new):
    """It's heard, so it lives for long; it hangs, so it's ended and started again."""
    is_heard(new)
    shown = new.run(f"systemctl show -p {PROPERTIES} lab-zoo-notify")
    lab.step("notify: " + " ".join(shown.split("\n")))
    assert "ActiveState=active" in shown and "WatchdogUSec=10s" in shown, shown
    assert "NotifyAccess=main" in shown and "Type=notify" in shown, shown
    pid = new.run("systemctl show -P MainPID lab-zoo-notify")
    ask(new, "zoo-notify", "hang")
    new.wait_until(f"test $(systemctl show -P MainPID lab-zoo-notify) != {pid} -a "
                   "$(systemctl is-active lab-zoo-notify) = active", 60, "restart by the watchdog")
    new.run("journalctl -b -u lab-zoo-notify --no-pager | grep -i watchdog")


def check_units(new):
    """status, restart and stop, as of any unit."""
    for unit in UNITS.values():
        new.run(f"systemctl status --no-pager {unit} | grep 'active (running)'")
    new.run("systemctl restart lab-zoo@clock")
    new.wait_until(f"test -S /run/{FOLDERS['clock']}/control", 30)
    ask(new, FOLDERS["clock"])
    assert "lab-wood.slice" in new.run(f"systemctl show -P ControlGroup {SCOPE}")
    for unit in UNITS.values():
        new.run(f"systemctl stop {unit}")
        assert new.call(f"systemctl is-active {unit}").out.strip() == "inactive"


def check_identity(old, new):
    """Who the machine is."""
    for command in ("hostname", "cat /etc/machine-id"):
        assert old.run(command) == new.run(command)


def test(lab):
    """Start, ask, move, ask."""
    machine = lab.machine()
    with machine.boot("old") as old:
        give_loopback(old)
        configure(old, UNITS, 60)
        start_zoo(old)
        for name in ("tree", "clock", "notify"):
            start(old, UNITS[name], FOLDERS[name])
        start_scope(old)
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=1536M")
        new.wait_until("systemctl is-active kho-new.target", 60)
        give_loopback(new)
        new.run("mkdir -p /run/grove")
        before = {unit: pids(old, unit) for unit in UNITS.values()}
        undo_one(lab, old)
        for folder in FOLDERS.values():
            lab.step(f"{folder}: {ask(old, folder)}")
        ask(old, "zoo-clock", "again")
        move(lab, old, new, seconds=MOVE_SECONDS)
        beats = int(ask(new, "zoo-notify").split()[1])
        for seen in report(old)["workloads"]:
            lab.step(f"report: {seen}")
        check_clocks(lab, new)
        for folder in FOLDERS.values():
            lab.step(f"{folder}: {ask(new, folder)}")
        for unit in UNITS.values():
            assert pids(new, unit) == before[unit], unit
            assert old.call(f"systemctl is-active {unit}").out.strip() == "inactive"
        check_journal(new, beats)
        check_identity(old, new)
        check_watchdog(lab, new)
        check_units(new)
        assert machine.resets() == 0
