# SPDX-License-Identifier: GPL-2.0-only
"""What fails or dies before the switch leaves everything as it was: CRIU and the agent in
a sample, kho-restore in a rehearsal, a health check that says no after a service was stopped
that can't move, which is started again."""

from lib.faults import CLIENTS, Fault, Faults
from lib.stuck import start_stuck, starts

TIME_LIMIT = 900
DEATHS = [
    Fault(0, "CRIU is killed in a sample", old="sample after kill-criu 300", says="sample"),
    Fault(0, "the agent is killed in a sample", old="sample after kill 300", says="killed"),
    Fault(0, "kho-restore is killed in a rehearsal", new="rehearse after kill-restore 100",
          says="rehearse"),
]
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


def test(lab):
    """One after the other, with the same clients."""
    faults = Faults(lab)
    with faults.machine.boot("old") as old:
        faults.set_up(old)
        try:
            for fault in DEATHS:
                faults.fail(fault)
            comes_back(lab, faults)
        except Exception:
            faults.trouble()
            raise
        seen = faults.load.settle()
        lab.step(f"clients: {seen}")
        assert seen["opened"] == seen["kept"] == CLIENTS and not seen["reset"], seen
        assert not seen["lost"] and not seen["wrong"], seen
        assert faults.machine.resets() == 0
