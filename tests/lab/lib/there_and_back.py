# SPDX-License-Identifier: GPL-2.0-only
"""Moves there and back with clients outside: what test_rollback and soak_rollback share."""

from contextlib import contextmanager

from .load import Load
from .net import Network
from .qemu import Disk
from .service import (REDIS_ON_VOLUME, give_address, make_file_system, mount_for_redis,
                      nic_functions, start_redis)
from .upgrade import move, report, rollback, spawn, status, wait_status

ADDRESS = "10.77.0.10"
CONNECTIONS = 10

CONFIG = """
[Workload redis]
Unit=redis-server.service
Addresses=vip
Volumes=data
MaxBlackoutSec=60
HealthCommand=/usr/bin/redis-cli -h {address} ping

[Address vip]
Address={address}/24
Functions={functions}

[Volume data]
Function={disk}
MountPoint=/srv/data
FileSystem=ext4
"""


def set_up(shell):
    """Redis on a volume, at an address."""
    functions = nic_functions(shell)
    disk = make_file_system(shell, 262144)
    give_address(shell, functions[0], f"{ADDRESS}/24")
    shell.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(
        address=ADDRESS, functions=" ".join(functions), disk=disk).encode())
    mount_for_redis(shell)
    start_redis(shell, ADDRESS, REDIS_ON_VOLUME)
    shell.run("redis-cli incr counter")


def refused(shell, command, why):
    """It has to fail, and say so."""
    result = shell.call(command, 60)
    assert result.rc != 0 and why in result.out, result.out


def there(lab, old, new, counter):
    """Moves, and looks at the soak."""
    move(lab, old, new)
    wait_status(lab, new, 20, phase="soak")
    assert status(old)["phase"] == "soak"
    refused(old, "khoctl move", "khoctl rollback")
    refused(old, "khoctl reclaim", "khoctl rollback")
    assert new.run("redis-cli incr counter") == str(counter)
    assert "kho-data" in new.run("findmnt -no SOURCE /srv/data")


def back(lab, old, new, given_in, counter):
    """Moves back, and looks whether all is as before."""
    rollback(lab, old, new, given_in)
    for line in old.run("khoctl report").splitlines():
        lab.step(line)
    assert report(old)["old_release"] == lab.release("new")
    wait_status(lab, old, 20, phase="sync")
    assert status(new)["phase"] == "sync"
    assert old.run("redis-cli incr counter") == str(counter)
    assert old.run("systemctl is-active redis-server") == "active"
    assert new.call("systemctl is-active redis-server").out.strip() == "inactive"
    assert new.call("findmnt /srv/data").rc != 0
    assert ADDRESS in old.run("ip -o address") and ADDRESS not in new.run("ip -o address")
    refused(old, "khoctl rollback", "nothing to move back")


def check_volume(shell, answers):
    """All that clients were told is written is on the disk."""
    shell.run("systemctl stop redis-server kho-volume@data")
    disk = shell.run("for d in /sys/block/vd?; do [ $(cat $d/size) = 262144 ] && "
                     "basename $d; done; true")
    shell.run(f"e2fsck -fn /dev/{disk} && mount -o ro /dev/{disk} /srv/data")
    found = shell.run("cat /srv/data/appendonlydir/*.incr.aof | grep -ac '^load-'")
    assert int(found) >= answers, (found, answers)


@contextmanager
def machine_with_clients(lab):
    """Boots, serves, spawns; yields both kernels. At the end clients have noticed nothing, and the
    machine is the old kernel's."""
    network = Network()
    client = network.client("outside", "10.77.0.2/24")
    machine = lab.machine(disks=[Disk("data", "128M")],
                          nics=network.two_nics())
    with machine.boot("old") as old:
        set_up(old)
        pid = old.run("systemctl show -P MainPID redis-server")
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=1536M")
        new.wait_until("systemctl is-active kho-new.target", 60)
        refused(old, "khoctl rollback", "nothing to move back")
        load = Load(lab, client, "--redis", f"{ADDRESS}:6379", "--connections", str(CONNECTIONS))
        yield old, new
        seen = load.settle()
        lab.step(f"clients: {seen}")
        assert seen["opened"] == seen["kept"] == CONNECTIONS and seen["reset"] == 0, seen
        assert seen["lost"] == 0 and seen["wrong"] == 0, seen
        assert old.run("systemctl show -P MainPID redis-server") == pid
        old.run("khoctl reclaim", 60)
        old.run("redis-cli ping")
        check_volume(old, seen["redis_answered"])
        assert machine.resets() == 0
