# SPDX-License-Identifier: GPL-2.0-only
"""A workload moves with its connections: redis, a systemd unit with its sandbox, keeps its PID
and its data and is an ordinary unit in the new kernel; clients outside lose no answer. What the
probes of both kernels saw is in the report, and agrees with the agent's clock and the clients'."""

from lib.load import Load
from lib.probes import check_gone, check_plausible
from lib.report import MOVE, check
from lib.service import machine_and_client, serve_redis
from lib.upgrade import move, report, retire, spawn

ADDRESS = "10.77.0.10"


def rss(shell):
    """Resident memory of the agent, in kB."""
    return int(shell.run("awk '/^VmRSS/{print $2}' /proc/$(pidof kho-agent)/status"))


def is_ordinary(old, new, pid):
    """The unit is where it's meant to be, and only there."""
    assert new.run("redis-cli get key") == "value-of-the-old-kernel"
    assert new.run("systemctl show -P MainPID redis-server") == pid
    assert new.run("systemctl is-active redis-server") == "active"
    assert old.call("systemctl is-active redis-server").out.strip() == "inactive"


def test(lab):
    """Ten connections over one move."""
    machine, client = machine_and_client(lab, "10.77.0.2/24")
    with machine.boot("old") as old:
        serve_redis(old, ADDRESS)
        old.run("redis-cli set key value-of-the-old-kernel")
        pid = old.run("systemctl show -P MainPID redis-server")
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=1536M")
        new.wait_until("systemctl is-active kho-new.target", 60)
        load = Load(lab, client, "--redis", f"{ADDRESS}:6379", "--connections", "10")
        move(lab, old, new)
        for line in old.run("khoctl report").splitlines():
            lab.step(line)
        told = report(old)
        check(told, MOVE)
        check_gone(lab, old, new)
        lab.step(f"the agents, in kB: {rss(old)} and {rss(new)}")
        is_ordinary(old, new, pid)
        retire(lab, old, new)
        seen = load.stop()
        lab.step(f"clients: {seen}")
        assert seen["opened"] == seen["kept"] == 10 and seen["reset"] == 0, seen
        assert seen["lost"] == 0 and seen["wrong"] == 0, seen
        check_plausible(told, seen)
        assert new.run("redis-cli incr counter") == "1"
        new.run("systemctl stop redis-server")
        assert machine.resets() == 0
