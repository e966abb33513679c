# SPDX-License-Identifier: GPL-2.0-only
"""Ways to give a machine a new kernel, all with the same redis at the same address of the same
machine: ours, and those that there were before. A way sets the machine up before clients come, and
then does it; it returns the shell of the kernel that runs afterwards.

Those without our agent boot the machine's own disk again. What they need at boot are units
there: one for the address, and where CRIU is used one that restores as early as it can.
"""

from .by_kexec import KERNEL, NO_WATCHDOG, command
from .qemu import Disk
from .service import REDIS_CONFIG, disk_of_size, give_address, nic_functions, start_redis
from .upgrade import IMAGES, wait_status

ADDRESS = "10.77.0.10"
BOOT_SECONDS = 300
DISK = Disk("dump", "6G")  # for what CRIU dumps
SECTORS = 6 << 21

# packets to redis wait outside until it's restored: their sender repeats them
LOCK = """nft add table inet lab
nft add chain inet lab in '{ type filter hook input priority 0 ; }'
nft add rule inet lab in tcp dport 6379 drop
"""
CRIU = "-D /var/lab/dump -v1 --tcp-established --manage-cgroups=ignore --network-lock skip"

ADDRESS_AT_BOOT = f"""#!/bin/sh
set -e
udevadm settle
test ! -e /var/lab/dump || {{ {LOCK.strip().replace(chr(10), "; ")}; }}
dev=$(ls /sys/bus/pci/devices/FUNCTION/virtio*/net)
ip link set $dev up
ip address add {ADDRESS}/24 dev $dev
"""
RESTORE_AT_BOOT = f"""#!/bin/sh
test -e /var/lab/dump || exit 0
criu restore -d -o restore.log {CRIU} && nft delete table inet lab
"""
UNIT = """[Unit]
DefaultDependencies=no
After=local-fs.target systemd-udevd.service {after}
Before=network-pre.target network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/var/lab/{name}
[Install]
WantedBy=multi-user.target
"""
LOAD = "kexec -l -s /boot/vmlinuz-$(uname -r) --command-line=\"$(cat /proc/cmdline) rw\""
# as root's own daemon: a service that is killed by a dump is one that has crashed
REDIS_BY_HAND = """set -e
mkdir -p /var/lab
echo 30000 >/proc/sys/kernel/ns_last_pid
setsid redis-server --port 6379 --bind 127.0.0.1 {address} --protected-mode no --save '' \
	--enable-debug-command yes --daemonize yes --pidfile /var/lab/pid --dir /var/lab \
	--logfile /var/lab/log </dev/null >/dev/null 2>&1
"""
DUMP_AND_JUMP = f"""#!/bin/sh
set -e
{LOCK}
mkdir /var/lab/dump
criu dump -t $(cat /var/lab/pid) -o dump.log {CRIU}
sync
kexec -e
"""


def _populate(shell, mib):
    """Values of 128 KiB."""
    shell.run(f"redis-cli debug populate {mib * 8} data 131072", 300)


def _write_program(shell, name, text):
    shell.run("mkdir -p /var/lab")
    shell.write_file(f"/var/lab/{name}", text)
    shell.run(f"chmod 755 /var/lab/{name}")


def _at_boot(shell, name, text, after=""):
    """A program that the next boot runs early."""
    _write_program(shell, name, text)
    shell.write_file(f"/etc/systemd/system/lab-{name}.service", UNIT.format(name=name, after=after))
    shell.run(f"systemctl enable lab-{name}")


class Way:
    """One of them. Connections end if breaks is set; kernel is what the old one is told."""

    title, breaks, kernel = "", False, ""

    def set_up(self, shell, mib):
        """Up to a redis that serves so much data."""
        raise NotImplementedError

    def go(self, lab, machine, shell, mib):
        """Returns the next kernel's shell; redis has that much data."""
        raise NotImplementedError


class _Ours(Way):
    """By our agent."""

    def set_up(self, shell, mib):
        functions = nic_functions(shell)
        give_address(shell, functions[0], f"{ADDRESS}/24")
        shell.write_file("/etc/kho-agent/kho-agent.conf", REDIS_CONFIG.format(
            address=ADDRESS, functions=" ".join(functions)))
        start_redis(shell, ADDRESS, 'enable-debug-command yes\\nsave ""\\n')
        _populate(shell, mib)

    def go(self, lab, machine, shell, mib):
        shell.start(self.command(lab, mib), 600)
        new = machine.shell("ttyS1", "next").wait_ready(BOOT_SECONDS)
        self.wait(lab, new)
        return new

    def command(self, lab, mib):
        """What begins it."""
        raise NotImplementedError

    def wait(self, lab, new):
        """Until it's over."""
        raise NotImplementedError


class Spawn(_Ours):
    """A second kernel beside the first one."""

    title = "khoctl upgrade"

    def command(self, lab, mib):
        return (f"khoctl upgrade {IMAGES}/kho-system --cpus=2-3 --memory={2048 + 2 * max(mib, 512)}M "
                "--soak=1 --append=lab.port=ttyS1")

    def wait(self, lab, new):
        wait_status(lab, new, BOOT_SECONDS, phase="idle")


class Kexec(_Ours):
    """Through LUO."""

    title, kernel = "khoctl upgrade --method=kexec", KERNEL

    def command(self, lab, mib):
        return command(lab)

    def wait(self, lab, new):
        new.wait_until("khoctl --json report", BOOT_SECONDS)


class _Boots(Way):
    """The machine's disk boots again."""

    kernel = NO_WATCHDOG

    def set_up(self, shell, mib):
        function = nic_functions(shell)[0]
        _at_boot(shell, "address", ADDRESS_AT_BOOT.replace("FUNCTION", function))
        shell.run("systemctl start lab-address")

    def _boots(self, machine, shell):
        return machine.shell("lab0").renew().wait_ready(BOOT_SECONDS)


class CriuKexec(_Boots):
    """KUP's way: images on a disk."""

    title = "CRIU to disk, kexec, CRIU"

    def set_up(self, shell, mib):
        shell.run(f"mkfs.ext4 -q -L dump /dev/{disk_of_size(shell, SECTORS)} && mkdir -p /var/lab && "
                  "echo 'LABEL=dump /var/lab ext4 defaults 0 0' >>/etc/fstab && mount /var/lab")
        super().set_up(shell, mib)
        shell.write_file("/run/start", REDIS_BY_HAND.format(address=ADDRESS))
        shell.run("sh /run/start")
        shell.wait_until("redis-cli ping", 30)
        _populate(shell, mib)
        _at_boot(shell, "restore", RESTORE_AT_BOOT, "lab-address.service")
        _write_program(shell, "jump", DUMP_AND_JUMP)
        shell.run(f"criu check; {LOAD}")

    def go(self, lab, machine, shell, mib):
        shell.start("/var/lab/jump")
        new = self._boots(machine, shell)
        new.wait_until("! systemctl is-active lab-restore | grep activating", 180)
        restored = new.call("systemctl is-active lab-restore")
        assert restored.rc == 0, new.call("tail -n 20 /var/lab/dump/restore.log").out
        return new


class _Plain(_Boots):
    """redis ends in order, with its data on the disk, and is started again."""

    breaks, command = True, ""

    def set_up(self, shell, mib):
        super().set_up(shell, mib)
        start_redis(shell, ADDRESS, "enable-debug-command yes\\n")
        _populate(shell, mib)
        shell.run(f"systemctl enable redis-server && {LOAD}", 120)

    def go(self, lab, machine, shell, mib):
        shell.start(self.command)
        return self._boots(machine, shell)


class PlainKexec(_Plain):
    """No firmware."""

    title, command = "plain kexec", "systemctl kexec"


class PlainReboot(_Plain):
    """By firmware."""

    title, command = "plain reboot", "kexec -u && systemctl reboot"


WAYS = (Spawn(), Kexec(), CriuKexec(), PlainKexec(), PlainReboot())
