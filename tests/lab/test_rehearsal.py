# SPDX-License-Identifier: GPL-2.0-only
"""A copy of each workload is restored on the new kernel before the switch: one that can't
be restored there is refused, while it goes on and its clients don't notice; one that can
moves, and the numbers are shown."""

from lib.load import Load
from lib.net import Network
from lib.qemu import Disk, Nic
from lib.service import (REDIS_ON_VOLUME, give_address, make_file_system, mount_for_redis,
                         nic_functions, start_redis)
from lib.upgrade import move, report, spawn

ADDRESS = "10.77.0.10"
CONFIG = """
[Workload redis]
Unit=redis-server.service
Addresses=vip
Volumes=data
MaxBlackoutSec=20
HealthCommand=/usr/bin/redis-cli ping

[Address vip]
Address={address}/24
Functions={functions}

[Volume data]
Function={disk}
MountPoint=/srv/data
FileSystem=ext4
"""
# The same program to every eye but CRIU's, which compares build ids
PATCH = """python3 -c '
import os, sys
path = os.path.realpath("/usr/bin/redis-server")
data = bytearray(open(path, "rb").read())
at = data.index(b"\\3\\0\\0\\0GNU\\0") + 8
data[at] ^= 0xff
open(path + ".new", "wb").write(data)
os.chmod(path + ".new", os.stat(path).st_mode)
os.rename(path + ".new", path)'"""


def set_up(old):
    """redis with its log on a volume, at a service address."""
    functions = nic_functions(old)
    disk = make_file_system(old, 262144)
    give_address(old, functions[0], f"{ADDRESS}/24")
    old.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(
        address=ADDRESS, disk=disk, functions=" ".join(functions)).encode())
    mount_for_redis(old)
    old.run(PATCH)
    start_redis(old, ADDRESS, REDIS_ON_VOLUME + "unixsocket /run/redis/redis.sock\\n")


def refused(lab, old, new, load):
    """It's found before anything is frozen for the switch, or given away."""
    pid = old.run("systemctl show -P MainPID redis-server")
    result = old.call("khoctl move", 180)
    lab.step(result.out.strip().splitlines()[-1])
    assert result.rc != 0 and "rehearse of redis" in result.out, result.out
    assert "can't be restored there" in result.out and "besides" not in result.out, result.out
    assert not [line for line in result.out.splitlines() if line.strip() in ("freeze", "hold")]
    assert report(old)["workloads"][0]["frozen_ms"] == 0
    assert old.run("systemctl show -P MainPID redis-server") == pid
    assert old.run("systemctl is-active redis-server") == "active"
    assert new.call("systemctl is-active redis-server").out.strip() == "inactive"
    left = new.run("ps -eo args= | grep -E 'redis|criu swrk|kho-restore' | grep -v grep; true")
    assert not left, left
    seen = load.settle()
    lab.step(f"clients over the rehearsal: {seen}")
    assert seen["opened"] == seen["kept"] == 10 and not seen["reset"], seen
    assert not seen["lost"] and not seen["wrong"], seen


def rehearsed(lab, old, new, load):
    """With the program that's there as well."""
    out = move(lab, old, new)
    for line in out.splitlines() + old.run("khoctl report").splitlines():
        lab.step(line)
    assert "redis: rehearsed: a copy was restored there in" in out, out
    workload = report(old)["workloads"][0]
    assert workload["result"] == "moved" and workload["rehearsed_ms"] > 0, workload
    assert workload["sample_ms"] > 0
    seen = load.settle()
    lab.step(f"clients over rehearsal and move: {seen}")
    assert seen["opened"] == seen["kept"] == 10 and not seen["reset"], seen
    assert not seen["lost"] and not seen["wrong"], seen
    assert new.run("redis-cli llen kept") == "500"
    assert new.run("redis-cli -s /run/redis/redis.sock ping") == "PONG"
    assert new.run("findmnt -no FSTYPE /srv/data") == "ext4"


def test(lab):
    """One that fails, one that doesn't."""
    network = Network()
    client = network.client("outside", "10.77.0.2/24")
    machine = lab.machine(disks=[Disk("data", "128M")],
                          nics=[Nic(network.tap(), "52:54:00:00:00:01"),
                                Nic(network.tap(), "52:54:00:00:00:02")])
    with machine.boot("old") as old:
        set_up(old)
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=1536M")
        new.wait_until("systemctl is-active kho-new.target", 60)
        clients = ("--redis", f"{ADDRESS}:6379", "--connections", "10")
        refused(lab, old, new, Load(lab, client, *clients))
        old.run(PATCH + " && systemctl restart redis-server")
        old.wait_until("redis-cli ping", 30)
        old.run("for i in $(seq 500); do echo \"rpush kept $i\"; done | redis-cli >/dev/null", 60)
        old.run("redis-cli keys 'load-*' | xargs redis-cli del")
        rehearsed(lab, old, new, Load(lab, client, *clients))
        assert machine.resets() == 0
