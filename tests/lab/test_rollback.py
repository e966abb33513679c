# SPDX-License-Identifier: GPL-2.0-only
"""A workload moves to the new kernel and back, again and again, with what it has then."""

from lib.service import start_redis
from lib.upgrade import move, report, rollback, spawn, status, wait_status

CONFIG = b"""
[Workload redis]
Unit=redis-server.service
MaxBlackoutSec=20
HealthCommand=/usr/bin/redis-cli ping
"""


def refused(shell, command, why):
    """It has to fail, and say so."""
    result = shell.call(command, 60)
    assert result.rc != 0 and why in result.out, result.out


def test(lab):
    """There, back, there, back, and all is this kernel's."""
    machine = lab.machine()
    with machine.boot("old") as old:
        old.write_file("/etc/kho-agent/kho-agent.conf", CONFIG)
        start_redis(old)
        old.run("redis-cli incr counter")
        pid = old.run("systemctl show -P MainPID redis-server")
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=1536M")
        new.wait_until("systemctl is-active kho-new.target", 60)
        refused(old, "khoctl rollback", "nothing to move back")
        for turn in range(2):
            move(lab, old, new)
            wait_status(lab, new, 10, phase="soak")
            assert status(old)["phase"] == "soak"
            refused(old, "khoctl move", "khoctl rollback")
            refused(old, "khoctl reclaim", "khoctl rollback")
            assert new.run("redis-cli incr counter") == str(2 + 2 * turn)
            rollback(lab, old, new)
            for line in old.run("khoctl report").splitlines():
                lab.step(line)
            assert report(old)["old_release"] == lab.release("new")
            assert status(old)["phase"] == status(new)["phase"] == "sync"
            assert old.run("redis-cli incr counter") == str(3 + 2 * turn)
            assert old.run("systemctl show -P MainPID redis-server") == pid
            assert old.run("systemctl is-active redis-server") == "active"
            assert new.call("systemctl is-active redis-server").out.strip() == "inactive"
        old.run("khoctl reclaim", 60)
        assert old.run("redis-cli incr counter") == "6"
        assert machine.resets() == 0
