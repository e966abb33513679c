# SPDX-License-Identifier: GPL-2.0-only
"""What fails or dies before the switch leaves everything as it was: kho-restore in a rehearsal, a
health check that says no after a service was stopped that can't move, which is started again. A workload
that dies by itself when systemd was told to leave it alone is started again, too."""

from lib.faults import CLIENTS, Fault, Faults
from lib.stuck import start_stuck, starts

TIME_LIMIT = 900
DEATH = Fault(0, "kho-restore is killed in a rehearsal", rehearsal="yes",
              new="rehearse after kill-restore 100", says="rehearse")
STUCK = b"""
[Workload stuck]
Unit=lab-stuck.service
CannotMove=restart
"""


def comes_back(lab, faults):
    """The move fails after it was stopped: it's started again where it was."""
    old = faults.old
    start_stuck(old, "io_uring", "/dev/kmsg")
    old.run("mkdir -p /etc/kho-agent/kho-agent.conf.d")
    old.write_file("/etc/kho-agent/kho-agent.conf.d/stuck.conf", STUCK)
    faults.fail(Fault(0, "a service was stopped for nothing", health="/usr/bin/false",
                      says="health"))
    assert old.run("systemctl is-active lab-stuck") == "active"
    assert starts(old) == [lab.release("old")] * 2
    assert faults.new.call("systemctl is-active lab-stuck").out.strip() == "inactive"


def dies(lab, faults):
    """Its clients are lost, and nothing else."""
    old = faults.old
    faults.configure()
    old.run("rm /etc/kho-agent/kho-agent.conf.d/stuck.conf")
    pid = old.run("systemctl show -P MainPID redis-server")
    faults.arm(old, "catch-up before kill-redis")
    moved = old.call("khoctl move", 180)
    assert moved.rc == 1 and f"process {pid} died in the move" in moved.out, moved
    old.wait_until("systemctl is-active redis-server && redis-cli ping", 60)
    assert old.run("systemctl show -P MainPID redis-server") != pid
    assert not old.run("cat /run/systemd/system/redis-server.service.d/50-kho-agent.conf 2>/dev/null; true")
    lab.step(moved.out.splitlines()[-1])


def test(lab):
    """One after the other; the last one without clients."""
    faults = Faults(lab)
    with faults.machine.boot("old") as old:
        faults.set_up(old)
        try:
            faults.fail(DEATH)
            comes_back(lab, faults)
        except Exception:
            faults.trouble()
            raise
        seen = faults.load.settle()
        lab.step(f"clients: {seen}")
        assert seen["opened"] == seen["kept"] == CLIENTS and not seen["reset"], seen
        assert not seen["lost"] and not seen["wrong"], seen
        dies(lab, faults)
        assert faults.machine.resets() == 0
