# SPDX-License-Identifier: GPL-2.0-only
"""Two addresses with NICs of their own in one move: a service that listens at both answers
clients of both all the time, and each of them is silent and announced by itself."""

from lib.load import Load
from lib.net import Network
from lib.qemu import Nic
from lib.service import give_address, nic_functions, start_redis
from lib.upgrade import move, spawn

LONG = True

FIRST, SECOND = "10.77.0.10", "10.77.0.11"

CONFIG = """
[Workload redis]
Unit=redis-server.service
Addresses=first second
MaxBlackoutSec=60

[Address first]
Address={first}/24
Functions={a} {b}

[Address second]
Address={second}/24
Functions={c} {d}
"""


def serve(old):
    """One redis at both addresses."""
    a, b, c, d = nic_functions(old)
    give_address(old, a, f"{FIRST}/24")
    give_address(old, c, f"{SECOND}/24")
    old.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(
        first=FIRST, second=SECOND, a=a, b=b, c=c, d=d).encode())
    start_redis(old, f"{FIRST} {SECOND}")


def test(lab):
    """Ten connections to each."""
    network = Network()
    client = network.client("outside", "10.77.0.2/24")
    machine = lab.machine(nics=[Nic(network.tap(), f"52:54:00:00:00:0{n}") for n in range(1, 5)])
    with machine.boot("old") as old:
        serve(old)
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=1536M")
        new.wait_until("systemctl is-active kho-new.target", 60)
        load = Load(lab, client, "--redis", f"{FIRST}:6379", "--redis", f"{SECOND}:6379",
                    "--connections", "10")
        move(lab, old, new)
        lab.step("both are there")
        new.run(f"ip address | grep -q {FIRST}/ && ip address | grep -q {SECOND}/")
        lab.reactor.wait(lambda: "kho_silence" not in new.run("nft list tables"), 30,
                         "the end of both silences")
        seen = load.stop()
        lab.step(f"clients: {seen}")
        assert seen["opened"] == seen["kept"] == 20 and seen["reset"] == 0, seen
        assert seen["lost"] == 0 and seen["wrong"] == 0, seen
        assert machine.resets() == 0
