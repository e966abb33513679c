# SPDX-License-Identifier: GPL-2.0-only
"""A workload moves to the new kernel: redis, a systemd unit with its sandbox, keeps
its PID and its data, and is an ordinary unit there."""

from lib.service import start_redis
from lib.upgrade import move, retire, spawn

CONFIG = b"""
[Workload redis]
Unit=redis-server.service
HealthCommand=/usr/bin/redis-cli ping
"""


def test(lab):
    """Start, move, look, retire."""
    machine = lab.machine()
    with machine.boot("old") as old:
        old.write_file("/etc/kho-agent/kho-agent.conf", CONFIG)
        start_redis(old)
        old.run("redis-cli set key value-of-the-old-kernel")
        pid = old.run("systemctl show -P MainPID redis-server")
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=1536M")
        new.wait_until("systemctl is-active kho-new.target", 60)
        move(lab, old, new)
        assert new.run("redis-cli get key") == "value-of-the-old-kernel"
        assert new.run("systemctl show -P MainPID redis-server") == pid
        assert new.run("systemctl is-active redis-server") == "active"
        assert old.call("systemctl is-active redis-server").out.strip() == "inactive"
        retire(lab, old, new)
        assert new.run("redis-cli incr counter") == "1"
        new.run("systemctl stop redis-server")
        assert machine.resets() == 0
