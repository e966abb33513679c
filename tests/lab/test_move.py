# SPDX-License-Identifier: GPL-2.0-only
"""A workload moves to the new kernel: redis, a systemd unit with its sandbox, keeps
its PID and its data, and is an ordinary unit there."""

from lib.upgrade import retire, spawn

CONFIG = """
[Workload redis]
Unit=redis-server.service
HealthCommand=/usr/bin/redis-cli ping
"""


def start_redis(old):
    """Debian's own unit, but for the one thing that can't be moved."""
    old.run("mkdir -p /etc/systemd/system/redis-server.service.d")
    old.write_file("/etc/systemd/system/redis-server.service.d/kho.conf",
                   b"[Service]\nPrivateUsers=no\n")
    old.run("systemctl daemon-reload && systemctl start redis-server")


def test(lab):
    """Start, move, look, retire."""
    machine = lab.machine()
    with machine.boot("old") as old:
        old.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.encode())
        start_redis(old)
        old.wait_until("redis-cli ping", 30)
        old.run("redis-cli set key value-of-the-old-kernel")
        pid = old.run("systemctl show -P MainPID redis-server")
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=1536M")
        new.wait_until("systemctl is-active kho-new.target", 60)
        lab.step("moving")
        moved = old.call("khoctl move", 120)
        if moved.rc != 0:
            lab.step(new.call("journalctl --no-pager -b -n 80; systemctl list-jobs; "
                              "systemctl status redis-server; "
                              "cat /run/kho-agent/move/*/images/restore.log | tail -30").out)
            lab.step(old.call("cat /run/kho-agent/dump/*/dump.log | tail -30").out)
            raise AssertionError(moved.out)
        assert new.run("redis-cli get key") == "value-of-the-old-kernel"
        assert new.run("systemctl show -P MainPID redis-server") == pid
        assert new.run("systemctl is-active redis-server") == "active"
        assert old.call("systemctl is-active redis-server").out.strip() == "inactive"
        retire(lab, old, new)
        assert new.run("redis-cli incr counter") == "1"
        new.run("systemctl stop redis-server")
        assert machine.resets() == 0
