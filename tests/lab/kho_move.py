# SPDX-License-Identifier: GPL-2.0-only
"""A workload moves to a kernel with KHO, and back from it, with clients that keep their
connections, as it does between stock kernels; then it moves there for good."""

from lib.load import Load
from lib.service import machine_and_client, serve_redis
from lib.upgrade import move, report, retire, rollback, spawn

TIME_LIMIT = 900
ADDRESS = "10.77.0.10"
CLIENTS = 10


def is_there(shell, pid):
    """The same process, with what it knew."""
    assert shell.run("redis-cli get key") == "value-of-the-old-kernel"
    assert shell.run("systemctl show -P MainPID redis-server") == pid


def test(lab):
    """There, back, there, and the old kernel retires."""
    machine, client = machine_and_client(lab, "10.77.0.2/24")
    with machine.boot("old") as old:
        serve_redis(old, ADDRESS)
        old.run("redis-cli set key value-of-the-old-kernel")
        pid = old.run("systemctl show -P MainPID redis-server")
        new = spawn(machine, old, "kho-system", "ttyS1", "--cpus=2-3 --memory=1536M")
        new.wait_until("systemctl is-active kho-new.target", 60)
        new.run("dmesg | grep 'KHO: found kexec handover data'")
        load = Load(lab, client, "--redis", f"{ADDRESS}:6379", "--connections", str(CLIENTS))
        for number, (go, there) in enumerate(((move, new), (rollback, old), (move, new))):
            go(lab, old, new)
            is_there(there, pid)
            workload, = report(old)["workloads"]
            lab.step(f"move {number + 1}: frozen {workload['frozen_ms']} ms")
            assert workload["result"] == "moved", workload
        retire(lab, old, new)
        seen = load.settle()
        lab.step(f"clients: {seen}")
        assert seen["opened"] == seen["kept"] == CLIENTS and seen["reset"] == 0, seen
        assert seen["lost"] == 0 and seen["wrong"] == 0, seen
        assert machine.resets() == 0
