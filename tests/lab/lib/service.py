# SPDX-License-Identifier: GPL-2.0-only
"""Services of the guest that tests move."""

from .net import Network


def machine_and_client(lab, *addresses, disks=()):
    """A machine with two NICs, and another host in their network that has these addresses."""
    network = Network()
    client = network.client("outside", *addresses)
    return lab.machine(disks=list(disks), nics=network.two_nics()), client


def nic_functions(shell):
    """PCI addresses of the NICs, in order."""
    return shell.run("udevadm settle; for n in /sys/bus/pci/devices/*/virtio*/net; do "
                     "basename ${n%/virtio*}; done").split()


def give_address(shell, function, *addresses):
    """Sets the NIC up with its addresses."""
    name = shell.run(f"ls /sys/bus/pci/devices/{function}/virtio*/net")
    shell.run(f"ip link set {name} up")
    for address in addresses:
        nodad = "nodad" if ":" in address else ""
        shell.run(f"ip address add {address} dev {name} {nodad}")


def start_redis(shell, address="", options=""):
    """Debian's own unit, but for the one thing that can't be moved."""
    shell.run("mkdir -p /etc/systemd/system/redis-server.service.d")
    shell.write_file("/etc/systemd/system/redis-server.service.d/kho.conf",
                     b"[Service]\nPrivateUsers=no\n")
    if address:
        shell.run(f"sed -i 's/^bind .*/bind 127.0.0.1 {address}/; s/^protected-mode .*/protected-mode no/' "
                  "/etc/redis/redis.conf")
    if options:
        shell.run(f"printf '{options}' >>/etc/redis/redis.conf")
    shell.run("systemctl daemon-reload && systemctl start redis-server")
    shell.wait_until("redis-cli ping", 30)


# a redis at an address that moves with it
REDIS_CONFIG = """
[Workload redis]
Unit=redis-server.service
Addresses=vip
HealthCommand=/usr/bin/redis-cli -h {address} ping

[Address vip]
Address={address}/24
Functions={functions}
"""


def serve_redis(shell, address, config=REDIS_CONFIG):
    """At an address of the first one of two NICs; the agent is told of all."""
    functions = nic_functions(shell)
    give_address(shell, functions[0], f"{address}/24")
    shell.write_file("/etc/kho-agent/kho-agent.conf", config.format(
        address=address, functions=" ".join(functions)).encode())
    start_redis(shell, address)


def start_nginx(shell):
    """Debian's own unit and site."""
    shell.run("systemctl start nginx")
    shell.wait_until("systemctl is-active nginx", 30)


REDIS_ON_VOLUME = ("dir /srv/data\\nappendonly yes\\nappendfsync always\\n"
                   "auto-aof-rewrite-percentage 0\\n")
REDIS_DROP_IN = b"""[Unit]
Requires=kho-volume@data.service
After=kho-volume@data.service
[Service]
ReadWritePaths=/srv/data
"""


def disk_of_size(shell, sectors):
    """Its name, "vdb"."""
    return shell.run(f"for d in /sys/block/vd?; do [ $(cat $d/size) = {sectors} ] && "
                     "basename $d; done; true")


def make_file_system(shell, sectors):
    """ext4 on the disk of that size; returns its PCI function."""
    disk = disk_of_size(shell, sectors)
    shell.run(f"mkfs.ext4 -q /dev/{disk} && mkdir -p /srv/data")
    return shell.run(f"basename $(readlink -f /sys/block/{disk}/device/..)")


def mount_for_redis(shell):
    """[Volume data] is configured: mounts it for a redis that is started later."""
    shell.run("systemctl start kho-volume@data && chown redis: /srv/data")
    shell.run("mkdir -p /etc/systemd/system/redis-server.service.d")
    shell.write_file("/etc/systemd/system/redis-server.service.d/volume.conf", REDIS_DROP_IN)


def check_volume(new, answers):
    """What redis has acknowledged to clients is in its log, and the file system is whole."""
    new.run("systemctl stop redis-server && umount /srv/data")
    clean = new.call("e2fsck -fn /dev/mapper/kho-data").rc == 0
    new.run("mount /dev/mapper/kho-data /srv/data")
    found = new.run("cat /srv/data/appendonlydir/*.incr.aof | grep -ac '^load-'; true")
    entry = len("*2\r\n$4\r\nINCR\r\n$6\r\nload-1\r\n")
    return {"clean": clean, "missing_bytes": max(0, answers - int(found)) * entry}
