# SPDX-License-Identifier: GPL-2.0-only
"""Failures at chosen steps of a move, by the failpoints of the lab's agents
(kho-agent/agent/failpoint.h): a redis on a volume, clients outside that keep their
connections to it, and what has to hold after each failure."""

import json

from lib.load import Load
from lib.net import Network
from lib.qemu import Disk, Nic
from lib.service import REDIS_ON_VOLUME, give_address, make_file_system, mount_for_redis, \
    nic_functions, start_redis
from lib.upgrade import spawn, status, wait_status

ADDRESS = "10.77.0.10"
CLIENTS = 10

CONFIG = """
[Workload redis]
Unit=redis-server.service
Addresses=vip
Volumes=data
MaxBlackoutSec=30
HealthCommand={health}

[Address vip]
Address={address}/24
Functions={functions}

[Volume data]
Function={disk}
MountPoint=/srv/data
FileSystem=ext4
"""

# what no failure may leave in a kernel whose workload runs on
CLEAN = f"""
test "$(cat /sys/fs/cgroup/system.slice/redis-server.service/cgroup.freeze)" = 0
! nft list tables | grep -q kho_
! test -e /run/systemd/system/redis-server.service.d/50-kho-agent.conf
! test -e /run/kho-agent/move-record
systemctl is-active redis-server
findmnt -no SOURCE /srv/data | grep -q kho-data
ip address | grep -q {ADDRESS}/
"""


class Faults:
    """The machine, its two kernels, and the clients."""

    def __init__(self, lab):
        self.lab = lab
        network = Network()
        client = network.client("outside", "10.77.0.2/24")
        self.machine = lab.machine(
            nics=[Nic(network.tap(), "52:54:00:00:00:01"),
                  Nic(network.tap(), "52:54:00:00:00:02")],
            disks=[Disk("data", "128M")])
        self.client, self.old, self.new, self.load = client, None, None, None
        self.functions, self.disk = [], ""

    def set_up(self, old):
        """Everything but the new kernel."""
        self.old = old
        self.functions = nic_functions(old)
        give_address(old, self.functions[0], f"{ADDRESS}/24")
        self.disk = make_file_system(old, 262144)
        self.configure()
        mount_for_redis(old)
        start_redis(old, ADDRESS, REDIS_ON_VOLUME)
        self.load = Load(self.lab, self.client, "--redis", f"{ADDRESS}:6379",
                         "--connections", str(CLIENTS))

    def configure(self, health=f"/usr/bin/redis-cli -h {ADDRESS} ping"):
        """What moves."""
        self.old.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(
            health=health, address=ADDRESS, functions=" ".join(self.functions),
            disk=self.disk).encode())

    def need_new(self):
        """A new kernel, unless the one there is still well."""
        if self.new and status(self.old)["phase"] == "sync":
            wait_status(self.lab, self.new, 60, phase="sync", connected=True)
            return
        self.new = spawn(self.machine, self.old, "new-system", "ttyS1",
                         "--cpus=2-3 --memory=1536M")
        self.new.wait_until("systemctl is-active kho-new.target", 60)

    def arm(self, side, *lines):
        """What's to go wrong, on "old" or "new"."""
        shell = self.old if side == "old" else self.new
        shell.write_file("/run/kho-agent/failpoints", "".join(f"{line}\n" for line in lines).encode())

    def move(self):
        """Returns how khoctl saw it; an agent that's killed ends its call."""
        return self.old.call("khoctl move", 180)

    def idle(self):
        """Waits until the old agent is there and has nothing under way."""
        self.old.wait_until("khoctl status >/dev/null && ! test -e /run/kho-agent/move-record", 90)

    def report(self):
        """Of the last move, also one that the next agent has ended."""
        return json.loads(self.old.run("khoctl --json report"))

    def check_stays(self):
        """The workload runs on where it was, nothing is left, every client is answered."""
        self.idle()
        for line in CLEAN.strip().splitlines():
            self.old.wait_until(line, 20)
        answered = self.load.settle_on()
        self.lab.step(f"all clients are answered: {answered}")

    def trouble(self):
        """What both kernels know."""
        for shell, logs in ((self.new, "move/*/images/restore.log"), (self.old, "dump/*/*/dump.log")):
            if shell:
                self.lab.step(shell.call("journalctl --no-pager -b -n 80 -u kho-agent; "
                                         f"tail -n 15 /run/kho-agent/{logs}").out)
