# SPDX-License-Identifier: GPL-2.0-only
"""A workload is rehearsed without being moved: a copy of it is restored in the new kernel and
dropped, while it runs on; whatever others can't do is in nobody's way."""

import json

from lib.reactor import SLOWNESS
from lib.service import start_redis
from lib.upgrade import spawn, status

LONG = True

REDIS = b"""
[Workload redis]
Unit=redis-server.service

# it doesn't run, which is in the way of a move, and not of trying the other one
[Workload web]
Unit=nginx.service

[Workload untried]
Unit=cron.service
Rehearsal=no
"""


def tried(lab, machine, old):
    """A copy of redis is restored there; it runs on here, and nothing is left there."""
    old.write_file("/etc/kho-agent/kho-agent.conf", REDIS)
    start_redis(old)
    old.run("systemctl stop nginx; true")
    pid = old.run("systemctl show -P MainPID redis-server")
    workloads = json.loads(old.run("khoctl --json workload list"))["workloads"]
    assert [(w["name"], w["state"]) for w in workloads][:2] == [("redis", "active"),
                                                              ("web", "inactive")], workloads
    for name, word in (("redis", "khoctl spawn"), ("nobody", "workload list"),
                       ("untried", "Rehearsal=no")):
        result = old.call(f"khoctl workload test {name}")
        assert result.rc == 3 and word in result.out, result
    new = spawn(machine, old, "new-system", "ttyS1",
                f"--cpus=2-3 --memory=1536M --timeout={120 * SLOWNESS:.0f}")
    out = old.run("khoctl workload test redis", 180)
    lab.step(out.splitlines()[-1])
    assert "redis: rehearsed: a copy was restored there in" in out, out
    assert "let-go" not in out and "freeze" not in out, out
    assert old.run("systemctl show -P MainPID redis-server") == pid
    assert old.run("redis-cli ping") == "PONG"
    assert not new.run("ps -eo args= | grep -E 'redis|criu|kho-restore' | grep -v grep; true")
    now = status(old)
    assert now["phase"] == "sync" and now["message"] == "", now
    # again, which needs all to be as before
    old.run("khoctl workload test redis", 180)
    assert old.call("khoctl report").rc == 3, "a trial is no move"
    assert "the move was undone" not in old.run("journalctl --no-pager -b -u kho-agent")
    old.run("khoctl reclaim")


def test(lab):
    """On one machine."""
    machine = lab.machine()
    with machine.boot("old") as old:
        tried(lab, machine, old)
        assert machine.resets() == 0
