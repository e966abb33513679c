# SPDX-License-Identifier: GPL-2.0-only
"""Two upgrades in a row with the same clients connected: 6.12 to 7.x, and from there, where
everything was restored already and runs from memory, to the next one."""

from lib.load import Load
from lib.service import give_address, machine_and_client, nic_functions, start_redis
from lib.upgrade import IMAGES, move, retire, spawn, status

TIME_LIMIT = 900
ADDRESS = "10.77.0.10"

CONFIG = """
[Workload redis]
Unit=redis-server.service
Addresses=vip
MaxBlackoutSec=60
HealthCommand=/usr/bin/redis-cli -h {address} ping

[Address vip]
Address={address}/24
Functions={functions}
"""

# CPUs to give, by the numbers of the kernel that gives them, never the boot CPU's
STEPS = [("new", "ttyS1", "--cpus=2-3"), ("old", "ttyS2", "")]


def images_at(shell, first):
    """Where the target images are: on the disk that came with the last retirement."""
    if first:
        return IMAGES
    shell.wait_until("test -b /dev/vda", 30, "the root disk's driver")
    shell.run("mkdir -p /mnt && mount -t ext4 -o ro /dev/vda /mnt")
    return f"/mnt{IMAGES}"


def test(lab):
    """Twice: spawn, move, retire."""
    machine, client = machine_and_client(lab, "10.77.0.2/24")
    with machine.boot("old") as shell:
        functions = nic_functions(shell)
        give_address(shell, functions[0], f"{ADDRESS}/24")
        shell.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(
            address=ADDRESS, functions=" ".join(functions)).encode())
        start_redis(shell, ADDRESS)
        pid = shell.run("systemctl show -P MainPID redis-server")
        load = Load(lab, client, "--redis", f"{ADDRESS}:6379", "--connections", "10")
        for number, (target, port, cpus) in enumerate(STEPS, start=1):
            folder = images_at(shell, number == 1)
            new = spawn(machine, shell, f"{target}-system", port, f"{cpus} --memory=1536M", folder)
            new.wait_until("systemctl is-active kho-new.target", 60)
            move(lab, shell, new)
            for line in shell.run("khoctl report").splitlines():
                lab.step(line)
            retire(lab, shell, new)
            assert new.run("uname -r") == lab.release(target)
            assert new.run("systemctl show -P MainPID redis-server") == pid
            assert status(new)["instance"] == number
            assert new.run("cat /sys/devices/system/cpu/online") == "0-3"
            assert machine.resets() == 0
            lab.step(f"{number}: the machine is the new kernel's")
            shell = new
        seen = load.settle()
        lab.step(f"clients: {seen}")
        assert seen["opened"] == seen["kept"] == 10 and seen["reset"] == 0, seen
        assert seen["lost"] == 0 and seen["wrong"] == 0, seen
