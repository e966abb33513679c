# SPDX-License-Identifier: GPL-2.0-only
"""What can't move is named before anything is touched, by khoctl check and by the move,
which is refused; with CannotMove=restart it's stopped here and started there instead."""

import json

from lib.service import start_redis
from lib.stuck import start_stuck, starts
from lib.upgrade import move, report, spawn

TIME_LIMIT = 800
LONG = True

CONFIG = """
[Workload redis]
Unit=redis-server.service
MaxBlackoutSec=20
HealthCommand=/usr/bin/redis-cli ping

[Workload stuck]
Unit=lab-stuck.service
Files=/var/lib/lab-stuck/*
CannotMove={policy}
"""
HERE = {"io-uring", "device", "socket-protocol", "socket-peer"}


def configure(shell, policy):
    """What moves."""
    shell.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(policy=policy).encode())


def check(lab, shell, expected):
    """khoctl check as scripts see it: the answer, and its exit code."""
    result = shell.call("khoctl --json check")
    assert result.rc == expected, result.out
    answer = json.loads(result.out)
    workloads = {w["name"]: w for w in answer["workloads"]}
    for name, workload in workloads.items():
        for finding in workload["findings"] + answer["kernels"]:
            lab.step(f"{name}: {finding}")
    return answer, workloads


def kinds(workload):
    """Of its findings."""
    return {finding["kind"] for finding in workload["findings"]}


def named(lab, old, pid):
    """Before a new kernel is up."""
    answer, workloads = check(lab, old, 6)
    assert not answer["peer"] and answer["blocked"] and not answer["kernels"], answer
    assert workloads["redis"]["result"] == "moves", workloads
    assert workloads["stuck"]["result"] == "blocked" and kinds(workloads["stuck"]) == HERE
    for finding in workloads["stuck"]["findings"]:
        assert finding["pid"] == pid and finding["where"].startswith("fd "), finding
        assert finding["cause"] and finding["remedy"], finding
    text = old.call("khoctl check").out
    assert "io_uring" in text and "/dev/kmsg" in text and "MPTCP" in text, text
    assert "io.khoagent.Upgrade" in text and "No new kernel is up" in text, text


def refused(lab, old, new):
    """The move says so, too, and has touched nothing."""
    answer, workloads = check(lab, old, 6)
    assert answer["peer"] and not answer["kernels"], answer
    assert kinds(workloads["stuck"]) == HERE | {"file-missing"}, workloads["stuck"]
    before = old.run("systemctl show -P MainPID redis-server lab-stuck")
    result = old.call("khoctl move", 180)
    lab.step(result.out.strip().splitlines()[-1])
    assert result.rc == 3 and "stuck can't move" in result.out, result.out
    for word in ("io_uring", "/dev/kmsg", "/opt/only-here", "io.khoagent.Upgrade"):
        assert word in result.out, result.out
    assert old.run("systemctl show -P MainPID redis-server lab-stuck") == before
    assert old.call("ls /run/kho-agent/dump").rc != 0
    for unit in ("redis-server", "lab-stuck"):
        assert new.call(f"systemctl is-active {unit}").out.strip() == "inactive"
        assert new.call(f"ls /run/systemd/system/{unit}.service.d").rc != 0


def restarts(lab, old, new):
    """Stopped here, started there."""
    configure(old, "restart")
    _, workloads = check(lab, old, 0)
    assert workloads["stuck"]["result"] == "restarts", workloads
    assert "what it has in memory is lost" in old.run("khoctl check")
    move(lab, old, new)
    assert new.run("systemctl is-active lab-stuck redis-server").split() == ["active"] * 2
    assert old.call("systemctl is-active lab-stuck").out.strip() == "inactive"
    assert starts(new) == [lab.release("old"), lab.release("new")]
    assert new.run("redis-cli get key") == "value"
    seen = {w["name"]: w for w in report(old)["workloads"]}
    lab.step(f"report: {seen}")
    assert seen["stuck"]["result"] == "restarted" and seen["stuck"]["down_ms"] > 0
    assert seen["redis"]["result"] == "moved"


def test(lab):
    """Named, refused, restarted."""
    machine = lab.machine()
    with machine.boot("old") as old:
        configure(old, "refuse")
        start_redis(old)
        old.run("redis-cli set key value; echo text >/opt/only-here")
        start_stuck(old, "io_uring", "/dev/kmsg", "mptcp", "stranger", "udp", "/opt/only-here")
        named(lab, old, int(old.run("systemctl show -P MainPID lab-stuck")))
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=1536M")
        new.wait_until("systemctl is-active kho-new.target", 60)
        refused(lab, old, new)
        restarts(lab, old, new)
        assert machine.resets() == 0
