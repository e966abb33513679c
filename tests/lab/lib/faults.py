# SPDX-License-Identifier: GPL-2.0-only
"""Failures at chosen steps of a move, by the failpoints of the lab's agents
(kho-agent/agent/failpoint.h): a redis on a volume, clients outside that keep their
connections to it, and what has to hold after each failure."""

import json
import os
from dataclasses import dataclass

from lib.load import Load
from lib.net import Network
from lib.qemu import Disk
from lib.reactor import LabTimeout
from lib.service import REDIS_ON_VOLUME, give_address, make_file_system, mount_for_redis, \
    nic_functions, start_redis
from lib.shell import CommandFailed
from lib.upgrade import move, retire, spawn, status, wait_status

ADDRESS = "10.77.0.10"
CLIENTS = 10
FAILED_MAX = 3
REFUSED = 3
LEFT = "cat /run/kho-agent/failpoints 2>/dev/null; rm -f /run/kho-agent/failpoints"
HEALTH = f"/usr/bin/redis-cli -h {ADDRESS} ping"

CONFIG = """
[Workload redis]
Unit=redis-server.service
Addresses=vip
Volumes=data
MaxBlackoutSec=30
HealthCommand={health}
Rehearsal={rehearsal}

[Address vip]
Address={address}/24
Functions={functions}

[Volume data]
Function={disk}
MountPoint=/srv/data
FileSystem=ext4
"""

# what no failure may leave in a kernel whose workload runs on
CLEAN = """
! nft list tables | grep -q kho_
"""
RUNS = f"""
test "$(cat /sys/fs/cgroup/system.slice/redis-server.service/cgroup.freeze)" = 0
! test -e /run/systemd/system/redis-server.service.d/50-kho-agent.conf
! test -e /run/kho-agent/move-record
systemctl is-active redis-server
findmnt -no SOURCE /srv/data | grep -q kho-data
ip address | grep -q {ADDRESS}/
"""
# and in a new kernel that it didn't get to
CLEAN_NEW = f"""
! nft list tables | grep -q kho_
! test -e /run/systemd/system/redis-server.service.d/50-kho-agent.conf
! pgrep redis-server
! findmnt /srv/data
! dmsetup info kho-data
! ip address | grep -q {ADDRESS}/
"""


WHERE = """
for task in /proc/$(pidof redis-server)/task/*; do grep State $task/status; cat $task/stack; done
dmsetup info kho-data; dmsetup table kho-data; grep . /sys/block/*/inflight
grep -H . /sys/kernel/debug/block/vdb/hctx*/{state,busy,dispatch,tags,cpu*/default_rq_list} \
	/sys/kernel/debug/block/vdb/{state,requeue_list} | cut -c1-250
od -A x -t x1 -N 8 $(readlink -f /sys/block/vdb/device)/../config
grep -i virtio /proc/interrupts
echo w >/proc/sysrq-trigger; dmesg | tail -n 60
"""


@dataclass
class Fault:
    """A failure; number is that of the table in docs/moving.md."""

    number: int
    what: str
    old: str = "" # failpoints of the old side's agent
    new: str = "" # and of the new side's
    says: str = "" # part of the move's result
    frozen: int = 60 # MaxFrozenSec=
    health: str = HEALTH
    rehearsal: str = "no"
    lost: bool = False # the new kernel has to go
    free: int = 0 # MiB: all else of the new kernel's memory is in use


def is_wanted(fault):
    """LAB_FAULTS=: only those whose text has one of its words."""
    words = os.environ.get("LAB_FAULTS", "").split()
    return not words or any(word in fault.what for word in words)


class Faults:
    """The machine, its two kernels, and the clients."""

    def __init__(self, lab, number=0):
        self.lab = lab
        network = Network()
        client = network.client(f"outside{number}", "10.77.0.2/24")
        self.machine = lab.machine(
            nics=network.two_nics(),
            disks=[Disk("data", "128M")])
        self.client, self.old, self.new, self.load = client, None, None, None
        self.functions, self.disk, self.failed = [], "", []

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

    def configure(self, frozen=60, health=HEALTH, rehearsal="no"):
        """What moves."""
        # in place of the lab's own, which is for all tests
        self.old.run("mkdir -p /etc/kho-agent/kho-agent.conf.d")
        self.old.write_file("/etc/kho-agent/kho-agent.conf.d/lab.conf",
                            f"[Upgrade]\nMaxFrozenSec={frozen}\n".encode())
        self.old.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(
            health=health, rehearsal=rehearsal, address=ADDRESS,
            functions=" ".join(self.functions), disk=self.disk).encode())

    def need_new(self):
        """A new kernel, unless the one there is still well."""
        if self.new and status(self.old)["phase"] != "idle":
            wait_status(self.lab, self.old, 60, phase="sync", connected=True)
            return
        self.new = spawn(self.machine, self.old, "new-system", "ttyS1",
                         "--cpus=2-3 --memory=1536M")
        self.new.wait_until("systemctl is-active kho-new.target", 60)

    def fill(self, left):
        """Uses up the new kernel's memory, but for so many MiB."""
        self.new.run(f"""
            mount -o remount,size=95% /dev/shm
            size=$(( $(sed -n 's/^MemAvailable: *//p' /proc/meminfo | tr -d ' kB') / 1024 - {left} ))
            head -c ${{size}}M /dev/zero >/dev/shm/full""", 120)

    @staticmethod
    def arm(shell, text):
        """Failpoints of the kernel behind shell, for its agent."""
        shell.write_file("/run/kho-agent/failpoints", f"{text}\n".encode())

    def idle(self):
        """Waits until the old agent is there, and has told how the move ended."""
        self.old.wait_until("test -e /run/kho-agent/report.json && khoctl status >/dev/null", 120)

    def report(self):
        """Of the last move, also one that the next agent has ended."""
        return json.loads(self.old.run("khoctl --json report"))

    @staticmethod
    def _all_hold(shell, lines):
        for line in filter(None, lines.splitlines()):
            shell.wait_until(line, 20)

    def fail(self, fault):
        """The failure, and all that has to hold after it."""
        self.need_new()
        self.configure(fault.frozen, fault.health, fault.rehearsal)
        if fault.old:
            self.arm(self.old, fault.old)
        if fault.new:
            self.arm(self.new, fault.new)
        if fault.free:
            self.fill(fault.free)
        self.old.run("rm -f /run/kho-agent/report.json")
        self.lab.step(f"{fault.number}: {fault.what}")
        moved = self.old.call("khoctl move", 180)
        self.idle()
        result = self.report()["result"]
        self.lab.step(f"   {result}")
        for shell in (self.old, self.new) if not fault.lost else (self.old,):
            assert not shell.run(LEFT), "a failpoint wasn't met"
        if fault.free:
            self.new.run("rm /dev/shm/full")
        # it was tried, whatever it failed with
        assert moved.rc not in (0, REFUSED) and fault.says in result, (moved.rc, moved.out, result)
        self._all_hold(self.old, CLEAN + RUNS)
        if fault.lost:
            wait_status(self.lab, self.old, 60, phase="idle")
            assert self.old.run("cat /sys/devices/system/cpu/online") == "0-3"
        else:
            self._all_hold(self.new, CLEAN_NEW)
        self.load.settle_on()

    def commit_with(self, fault):
        """A failure after commit: the move goes on to its end."""
        self.lab.step(f"{fault.number}: {fault.what}")
        self.arm(self.old, fault.old)
        self.arm(self.new, fault.new)
        self.old.run("rm -f /run/kho-agent/report.json")
        self.old.call("khoctl move", 180)
        self.idle()
        report = self.report()
        self.lab.step(f"   {report['result']}, {report.get('trouble')}")
        assert report["result"] == "committed", report
        for shell in (self.old, self.new):
            wait_status(self.lab, shell, 60, connected=True)
            assert not shell.run(LEFT), "a failpoint wasn't met"
        assert not self.old.call("pgrep redis-server").out
        self._all_hold(self.new, RUNS)

    def finish(self, fault=None):
        """A move that succeeds; nothing was lost from the first to the last."""
        self.need_new()
        self.configure()
        if fault:
            self.commit_with(fault)
        else:
            move(self.lab, self.old, self.new)
        retire(self.lab, self.old, self.new)
        seen = self.load.settle()
        self.lab.step(f"clients: {seen}")
        assert seen["opened"] == seen["kept"] == CLIENTS and seen["reset"] == 0, seen
        assert seen["lost"] == 0 and seen["wrong"] == 0, seen
        self.new.run("systemctl kill -s KILL redis-server; umount /srv/data; sync")
        self.new.run("e2fsck -fn /dev/mapper/kho-data")
        assert self.machine.resets() == 0

    def run(self, faults, last=None):
        """One after the other, then a move that succeeds; last fails after commit."""
        with self.machine.boot("old") as old:
            self.set_up(old)
            for fault in filter(is_wanted, faults):
                self._guarded(fault.what, lambda fault=fault: self.fail(fault))
            self._guarded("the last move", lambda: self.finish(last))
        assert not self.failed, self.failed

    def _guarded(self, what, step):
        """A failure is told, and the next one tried all the same: it may tell more."""
        try:
            step()
        except (AssertionError, LabTimeout, CommandFailed) as error:
            self.lab.step(f"FAILED: {error}"[:2000])
            self.trouble()
            self.failed.append(what)
            if len(self.failed) == FAILED_MAX:
                raise

    def trouble(self):
        """What both kernels know; and where the workload stands, if it does."""
        self.lab.step("\n".join(self.machine.look_at_cpus()))
        self.lab.step(self.old.call(WHERE, 60).out)
        logs = "tail -n 15 /run/kho-agent/move/*/images/restore.log /run/kho-agent/dump/*/*/dump.log"
        for shell in (self.new, self.old):
            if shell:
                self.lab.step(shell.call("journalctl --no-pager -b -n 100 -u kho-agent "
                                         f"-u redis-server; {logs}", 60).out)
