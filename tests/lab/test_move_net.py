# SPDX-License-Identifier: GPL-2.0-only
"""Connections move: clients outside the machine keep theirs to redis over a move, and
lose no answer."""

from lib.load import Load
from lib.net import Network
from lib.qemu import Nic
from lib.service import give_address, nic_functions, start_redis
from lib.upgrade import move, retire, spawn

ADDRESS = "10.77.0.10"

CONFIG = """
[Workload redis]
Unit=redis-server.service
Addresses=vip
HealthCommand=/usr/bin/redis-cli -h {address} ping

[Address vip]
Address={address}/24
Functions={functions}
"""


def test(lab):
    """Ten connections over one move."""
    network = Network()
    client = network.client("outside", "10.77.0.2/24")
    machine = lab.machine(nics=[Nic(network.tap(), "52:54:00:00:00:01"),
                                Nic(network.tap(), "52:54:00:00:00:02")])
    with machine.boot("old") as old:
        functions = nic_functions(old)
        give_address(old, functions[0], f"{ADDRESS}/24")
        old.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(
            address=ADDRESS, functions=" ".join(functions)).encode())
        start_redis(old, ADDRESS)
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=1536M")
        new.wait_until("systemctl is-active kho-new.target", 60)
        load = Load(lab, client, "--redis", f"{ADDRESS}:6379", "--connections", "10")
        move(lab, old, new)
        for line in old.run("khoctl report").splitlines():
            lab.step(line)
        retire(lab, old, new)
        seen = load.stop()
        lab.step(f"clients: {seen}")
        assert seen["opened"] == seen["kept"] == 10 and seen["reset"] == 0, seen
        assert seen["lost"] == 0 and seen["wrong"] == 0, seen
        assert machine.resets() == 0
