# SPDX-License-Identifier: GPL-2.0-only
"""A machine with one NIC: the NIC moves with its address, routes and connections. A move that
fails puts all of it back; one that succeeds keeps every connection of a client outside."""

from lib.load import Load
from lib.net import Network
from lib.qemu import Nic
from lib.service import give_address, nic_functions, start_redis
from lib.upgrade import move, retire, spawn

LONG = True

ADDRESS, OTHER, ADDRESS6 = "10.77.0.10", "10.77.0.11", "fd77::10"
FAR = "10.99.0.0/16"

CONFIG = """
[Workload redis]
Unit=redis-server.service
Addresses=vip
HealthCommand={health}

[Address vip]
Address={address}/24 {address6}/64
Functions={function}
"""


def configure(shell, function, health):
    """What moves."""
    shell.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(
        health=health, address=ADDRESS, address6=ADDRESS6, function=function).encode())


def check_nic(shell, function):
    """All that was configured on the NIC is configured on it in this kernel."""
    name = shell.run(f"ls /sys/bus/pci/devices/{function}/virtio*/net")
    addresses = shell.run(f"ip -brief address show dev {name}")
    for address in (f"{ADDRESS}/24", f"{OTHER}/24", f"{ADDRESS6}/64"):
        assert address in addresses, addresses
    assert "via 10.77.0.2" in shell.run(f"ip route show {FAR} dev {name}")
    assert shell.run(f"cat /sys/class/net/{name}/mtu") == "1400"


def set_up(old):
    """One NIC with more on it than the service's addresses; redis."""
    (function,) = nic_functions(old)
    give_address(old, function, f"{ADDRESS}/24", f"{OTHER}/24", f"{ADDRESS6}/64")
    name = old.run(f"ls /sys/bus/pci/devices/{function}/virtio*/net")
    old.run(f"ip link set {name} mtu 1400 && ip route add {FAR} via 10.77.0.2 dev {name}")
    configure(old, function, "/usr/bin/false")
    start_redis(old, f"{ADDRESS} {ADDRESS6}")
    return function


def test(lab):
    """A failure, a move, the end of the old kernel: one load over all of it."""
    network = Network()
    client = network.client("outside", "10.77.0.2/24", "fd77::2/64")
    machine = lab.machine(nics=[Nic(network.tap(), "52:54:00:00:00:01")])
    with machine.boot("old") as old:
        function = set_up(old)
        check_nic(old, function)
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=1536M")
        new.wait_until("systemctl is-active kho-new.target", 60)
        load = Load(lab, client, "--redis", f"{ADDRESS}:6379", "--redis", f"[{ADDRESS6}]:6379",
                    "--connections", "5")
        result = old.call("khoctl move", 180)
        lab.step(result.out.strip().splitlines()[-1])
        assert result.rc != 0 and "health" in result.out and "besides" not in result.out, result.out
        check_nic(old, function)
        load.settle_on()
        lab.step("the move failed, and clients are answered by the old kernel")
        configure(old, function, f"/usr/bin/redis-cli -h {ADDRESS} ping")
        client.count_wakes(ADDRESS, ADDRESS6)
        move(lab, old, new)
        for line in old.run("khoctl report").splitlines():
            lab.step(line)
        assert old.call(f"ls /sys/bus/pci/devices/{function}/virtio*/net").rc != 0
        check_nic(new, function)
        load.settle_on()
        # five clients by each, all of them told at least once
        assert min(client.wakes()) >= 5, client.wakes()
        retire(lab, old, new)
        seen = load.settle()
        lab.step(f"clients: {seen}")
        assert seen["opened"] == seen["kept"] == 10 and seen["reset"] == 0, seen
        assert seen["lost"] == 0 and seen["wrong"] == 0, seen
        assert machine.resets() == 0
