# SPDX-License-Identifier: GPL-2.0-only
"""Memory moves while it's written to: 256 MiB whose every page proves itself. A budget
that can't be met leaves the task where it is, and as fast as it was."""

from lib.abmem import goes_on, start_abmem
from lib.upgrade import move, report, spawn

LONG = True

CONFIG = """
[Workload abmem]
Unit=lab-abmem.service
MaxBlackoutSec={budget}
NoConvergence=throttle
"""
MIB = 256


def refused(lab, old):
    """Nothing is frozen for a budget of nothing, though the task was slowed down for it."""
    old.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(budget="0.001").encode())
    result = old.call("khoctl move", 180)
    lab.step(result.out.strip().splitlines()[-1])
    assert result.rc != 0 and "MaxBlackoutSec" in result.out and "slowed down" in result.out
    assert "1/32" in result.out, result.out
    assert old.run("cat /sys/fs/cgroup/system.slice/lab-abmem.service/cpu.max") == "max 100000"
    seen = report(old)
    assert seen["workloads"][0]["result"] == "stayed" and seen["workloads"][0]["frozen_ms"] == 0


def test(lab):
    """Refused once, moved then."""
    machine = lab.machine()
    with machine.boot("old") as old:
        start_abmem(old, MIB, 4)
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=1536M")
        new.wait_until("systemctl is-active kho-new.target", 60)
        refused(lab, old)
        goes_on(old)
        old.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(budget=60).encode())
        move(lab, old, new)
        goes_on(new)
        seen = report(old)["workloads"][0]
        lab.step(f"report: {seen}")
        assert seen["result"] == "moved" and seen["rss_bytes"] > MIB << 20
        assert seen["rounds"] >= 3 and seen["round_bytes"][0] > MIB << 20
        # what the freeze had to take is what was dirty, not what there is
        assert seen["round_bytes"][-1] < seen["round_bytes"][0] / 4
        assert seen["lazy_bytes"] > MIB << 19
        assert old.call("systemctl is-active lab-abmem").out.strip() == "inactive"
        assert new.run("systemctl is-active lab-abmem") == "active"
        assert machine.resets() == 0
