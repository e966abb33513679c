# SPDX-License-Identifier: GPL-2.0-only
"""Three machines with clients, and an etcd of three members. A rollout of a kernel that panics halts
at its canary, which refuses that image from then on. A good one takes one machine after the other from
6.12 to 7.x, while a member of etcd is killed and comes back; no client notices."""

import json
from pathlib import Path

from lib.fleet import Etcd, Operator
from lib.load import Load
from lib.net import Network
from lib.service import REDIS_CONFIG, give_address, nic_functions, start_redis
from lib.upgrade import IMAGES

TIME_LIMIT = 3600
MACHINES = ("n1", "n2", "n3")
ETCD = ("10.77.0.5", "10.77.0.6", "10.77.0.7")

FLEET_CONFIG = """
[Fleet]
Endpoints={endpoints}
Name={name}
LeaseSec=30
"""

# the images of all machines are the same, byte for byte, but say where their shell is
CHANGE_IMAGES = f"""
cd /run && python3 - <<'END'
import refuse, shutil
shutil.copytree("{IMAGES}/new", "{IMAGES}/bad")
refuse.append("{IMAGES}/bad", "rdinit=/nowhere")
refuse.manifest("{IMAGES}/bad")
refuse.append("{IMAGES}/new-system", "lab.port=ttyS1")
refuse.manifest("{IMAGES}/new-system")
END
"""


class Node:
    """One machine, its clients, and what it was told."""

    def __init__(self, lab, network, client, number):
        self.lab, self.client, self.name = lab, client, MACHINES[number]
        self.address, self.own = f"10.77.0.{10 + number}", f"10.77.0.{20 + number}"
        self.machine = lab.machine(memory="5G", nics=network.two_nics(number))
        self.old = self.new = self.load = self.config = None

    def set_up(self, old, endpoints, tool):
        """Redis at an address that moves; the machine's own one stays where it is."""
        self.old = old
        functions = nic_functions(old)
        give_address(old, functions[0], f"{self.address}/24", f"{self.own}/24")
        self.config = (FLEET_CONFIG + REDIS_CONFIG).format(
            endpoints=endpoints, name=self.name, address=self.address,
            functions=" ".join(functions))
        old.write_file("/etc/kho-agent/kho-agent.conf", self.config)
        old.write_file("/run/refuse.py", tool)
        old.run(CHANGE_IMAGES, 120)
        start_redis(old, self.address)
        old.run("systemctl restart kho-agent && systemctl start kho-fleet", 60)

    def begin_load(self):
        """Ten connections until the end."""
        self.load = Load(self.lab, self.client, "--redis", f"{self.address}:6379",
                         "--connections", "10")

    def follow(self):
        """Its new kernel comes, whose system has the same configuration, and takes over."""
        self.new = self.machine.shell("ttyS1", "new").wait_ready(900)
        self.new.write_file("/etc/kho-agent/kho-agent.conf", self.config)
        self.new.run("systemctl enable kho-fleet")
        self.lab.step(f"{self.name}: the new kernel runs")

    def check(self):
        """It runs the new kernel with all it has, and nobody has noticed."""
        seen = self.load.stop()
        self.lab.step(f"{self.name}: clients: {seen}")
        assert seen["opened"] == seen["kept"] == 10 and seen["reset"] == 0, seen
        assert seen["lost"] == 0 and seen["wrong"] == 0, seen
        assert self.new.run("uname -r") == self.lab.release("new")
        assert self.new.run("nproc") == "4" and self.machine.resets() == 0

    def upgrade_time(self):
        """When its last upgrade began and ended, by the wall's clock."""
        last = json.loads(self.new.run("khoctl --json history"))["upgrades"][0]
        return last["began_ms"], last["ended_ms"]


def digest(shell, image):
    """What a rollout has to name."""
    images = json.loads(shell.run("khoctl --json image list", 120))["images"]
    return next(i["digest"] for i in images if i["path"] == f"{IMAGES}/{image}")


def halts(lab, operator, nodes):
    """At the canary; the other machines have done nothing."""
    bad = digest(nodes[0].old, "bad")
    operator.start(id="bad", image=f"{IMAGES}/bad", digest=bad)
    operator.wait("the halt", lambda rollout, _: rollout["state"] == "halted", 600)
    rollout, machines = operator.status()
    lab.step(f"halted: {rollout['message']}")
    assert "n1" in rollout["message"], rollout
    assert machines["n1"]["state"] == "failed", machines
    assert all(machines[name]["state"] != "failed" for name in ("n2", "n3")), machines
    for node in nodes[1:]:
        assert not json.loads(node.old.run("khoctl --json history"))["upgrades"], node.name
    refused = nodes[0].old.call(f"khoctl spawn {IMAGES}/bad")
    assert refused.rc == 7 and "was refused before" in refused.out, refused
    operator.run("abort", "--reason=a bad image")


def rolls(lab, operator, etcd, nodes):
    """One after the other; a member of etcd is away for a while."""
    operator.start(id="good", image=f"{IMAGES}/new-system", digest=digest(nodes[0].old, "new-system"),
                   deadline_sec=1200, machine_soak_sec=5)
    for number, node in enumerate(nodes):
        node.follow()
        if number == 0:
            etcd.kill(0)
            lab.step("a member of etcd is killed")
        if number == 1:
            etcd.restart(0)
        operator.wait(f"the end of {node.name}",
                      lambda _, machines, name=node.name: machines[name]["state"] == "done", 900)
    operator.wait("the rollout's end", lambda rollout, _: rollout["state"] == "done", 120)
    for line in operator.run("history").splitlines():
        lab.step(line)
    times = [node.upgrade_time() for node in nodes]
    lab.step(f"upgrades: {times}")
    for before, after in zip(times, times[1:]):
        assert before[1] <= after[0], f"two at a time: {times}"


def test(lab):
    """Set up, a bad image, a good one."""
    network = Network()
    client = network.client("outside", "10.77.0.2/24", *(f"{address}/24" for address in ETCD))
    nodes = [Node(lab, network, client, number) for number in range(3)]
    etcd = Etcd(lab, client, ETCD)
    operator = Operator(lab, client, etcd.endpoints)
    tool = (Path(__file__).parent / "guest/refuse.py").read_bytes()
    with nodes[0].machine.boot("old") as a, nodes[1].machine.boot("old") as b, \
            nodes[2].machine.boot("old") as c:
        for node, old in zip(nodes, (a, b, c)):
            node.set_up(old, etcd.endpoints, tool)
        operator.wait("all machines", lambda _, machines: len(machines) == 3, 120)
        for node in nodes:
            node.begin_load()
        halts(lab, operator, nodes)
        rolls(lab, operator, etcd, nodes)
        for node in nodes:
            node.check()
    etcd.stop()
