# SPDX-License-Identifier: GPL-2.0-only
"""A data volume moves with redis that appends to it: a move that fails leaves both where
they were, also if more is written before commit than there's room for; one that succeeds brings all
that was acknowledged; the file system is clean."""

from lib.qemu import Disk
from lib.service import REDIS_ON_VOLUME, make_file_system, mount_for_redis, start_redis
from lib.upgrade import move, report, retire, spawn

SECTORS = 1 << 20
# ends well, whatever becomes of what it writes
FILL = "/usr/bin/find /srv/data -maxdepth 0 -exec dd if=/dev/zero of={}/fill bs=1M count=300 conv=fsync ;"

CONFIG = """
[Workload redis]
Unit=redis-server.service
Volumes=data
MaxBlackoutSec=20
HealthCommand={health}
HealthTimeoutSec=50

[Volume data]
Function={function}
MountPoint=/srv/data
FileSystem=ext4
"""


def configure(shell, function, health):
    """What moves."""
    shell.write_file("/etc/kho-agent/kho-agent.conf",
                     CONFIG.format(function=function, health=health).encode())


def set_up(shell):
    """A file system on the data disk, and redis that keeps its log there."""
    function = make_file_system(shell, SECTORS)
    configure(shell, function, "/usr/bin/false")
    mount_for_redis(shell)
    start_redis(shell, options=REDIS_ON_VOLUME)
    return function


def write(shell, name, count):
    """Acknowledged writes."""
    shell.run(f"for i in $(seq {count}); do echo \"rpush {name} $i-of-{name}\"; done | "
              "redis-cli >/dev/null", 60)
    assert shell.run(f"redis-cli llen {name}") == str(count)


def stays(lab, old, why, name):
    """The move is undone for that reason: all goes on where it was."""
    result = old.call("khoctl move", 180)
    lab.step(result.out.strip().splitlines()[-1])
    assert result.rc != 0 and why in result.out and "besides" not in result.out, result.out
    assert report(old)["workloads"][0]["result"] == "stayed"
    assert old.run("redis-cli llen first") == "500"
    write(old, name, 200)
    assert "kho-data" in old.run("findmnt -no SOURCE /srv/data")


def test(lab):
    """A failure, a move, a look at the disk."""
    machine = lab.machine(disks=[Disk("data", "512M")])
    with machine.boot("old") as old:
        function = set_up(old)
        write(old, "first", 500)
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=1536M")
        new.wait_until("systemctl is-active kho-new.target", 60)
        stays(lab, old, "health", "second")
        configure(old, function, FILL)
        stays(lab, old, "for which there's no room", "more")
        assert old.call("test -e /srv/data/fill").rc != 0
        configure(old, function, "/usr/bin/redis-cli ping")
        move(lab, old, new)
        for line in old.run("khoctl report").splitlines():
            lab.step(line)
        assert old.call("findmnt /srv/data").rc != 0
        assert new.run("redis-cli llen first") == "500"
        assert new.run("redis-cli llen second") == "200"
        write(new, "third", 300)
        retire(lab, old, new)
        write(new, "fourth", 100)
        new.run("systemctl kill -s KILL redis-server; umount /srv/data; sync")
        lab.step(new.run("e2fsck -fn /dev/mapper/kho-data 2>&1 | tail -n 2"))
        new.run("e2fsck -fn /dev/mapper/kho-data")
        new.run("mount /dev/mapper/kho-data /srv/data")
        for name, count in (("first", 500), ("second", 200), ("more", 200), ("third", 300), ("fourth", 100)):
            kept = new.run(f"cat /srv/data/appendonlydir/*.incr.aof | grep -ac -- '-of-{name}'")
            assert kept == str(count), (name, kept)
        assert machine.resets() == 0
