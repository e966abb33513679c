# SPDX-License-Identifier: GPL-2.0-only
"""A new kernel that fails in the soak: what test_failover and soak_failover share."""

from contextlib import contextmanager

from .net import Network
from .qemu import Disk
from .service import (REDIS_ON_VOLUME, give_address, make_file_system, mount_for_redis,
                      nic_functions, start_redis)
from .upgrade import memory_kib, move, spawn, status, wait_status

ADDRESS = "10.77.0.10"

CONFIG = """
[Workload redis]
Unit=redis-server.service
Addresses=vip
Volumes=data
MaxBlackoutSec=60

[Address vip]
Address={address}/24
Functions={functions}

[Volume data]
Function={disk}
MountPoint=/srv/data
FileSystem=ext4

[Upgrade]
NewKernelFailure={policy}
"""


def configure(shell, policy, functions, disk):
    """What moves, and what's done about a failure."""
    shell.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(
        address=ADDRESS, functions=" ".join(functions), disk=disk, policy=policy).encode())


def ask(client, *words):
    """Redis, from the other host; its answer."""
    script = ("import socket, sys\n"
              f"s = socket.create_connection(('{ADDRESS}', 6379), 20)\n"
              f"s.sendall(b'{' '.join(words)}\\r\\n')\n"
              "print(s.recv(100).decode().strip())")
    return client.run("python3", "-c", script).strip()


def write(shell, count):
    """Acknowledged writes, each synced to the volume."""
    shell.run(f"for i in $(seq {count}); do echo \"rpush list $i\"; done | redis-cli >/dev/null", 60)


def is_back(lab, old, length):
    """The old kernel has it all, and says what's lost."""
    wait_status(lab, old, 180, phase="idle")
    old.wait_until("redis-cli ping", 120)
    now = status(old)
    lab.step(now["message"])
    assert "started anew" in now["message"] and "lost" in now["message"], now
    assert old.run("redis-cli llen list") == str(length)
    assert "kho-data" in old.run("findmnt -no SOURCE /srv/data")
    assert old.run("cat /sys/devices/system/cpu/online") == "0-3"
    old.run("test ! -e /run/kho-agent/failover")
    old.run("test ! -e /run/systemd/system/redis-server.service.d")


def go_there(lab, machine, old, port):
    """Spawns and moves."""
    new = spawn(machine, old, "new-system", port, "--cpus=2-3 --memory=1536M")
    new.wait_until("systemctl is-active kho-new.target", 60)
    move(lab, old, new)
    return new


def check_volume(shell):
    """Clean, without a repair."""
    shell.run("systemctl stop redis-server kho-volume@data")
    disk = shell.run("for d in /sys/block/vd?; do [ $(cat $d/size) = 262144 ] && "
                     "basename $d; done; true")
    shell.run(f"e2fsck -fn /dev/{disk}")


@contextmanager
def machine_with_policy(lab, policy):
    """Boots a machine whose redis has a volume and an address; yields it, the old kernel and a
    client. At the end the volume is clean and all memory is there."""
    network = Network()
    client = network.client("outside", "10.77.0.2/24")
    machine = lab.machine(disks=[Disk("data", "128M")],
                          nics=network.two_nics())
    with machine.boot("old") as old:
        memory = memory_kib(old)
        functions = nic_functions(old)
        disk = make_file_system(old, 262144)
        give_address(old, functions[0], f"{ADDRESS}/24")
        configure(old, policy, functions, disk)
        mount_for_redis(old)
        start_redis(old, ADDRESS, REDIS_ON_VOLUME)
        write(old, 200)
        yield machine, old, client
        assert memory_kib(old) == memory
        check_volume(old)
        assert machine.resets() == 0
