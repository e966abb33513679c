# SPDX-License-Identifier: GPL-2.0-only
"""Upgrades in which agents are killed at chosen instants, one after the other on one machine:
a redis with clients outside, and what has to hold when all is over."""

import json
import re
from dataclasses import dataclass

from lib.load import Load
from lib.net import Network
from lib.service import give_address, nic_functions, start_redis
from lib.upgrade import IMAGES, NO_AGENT, status, wait_status

ADDRESS = "10.77.0.10"
CLIENTS = 10
KILLER = "/usr/lib/kho-lab/kill-agent.sh"
KILLED = r"lab-killed (\d+): ([a-z -]+);"
# those that are still to come when all is over; the agent may just have been killed by one
STOP = "systemctl stop lab-kill 2>/dev/null; pkill -f '[k]ill-agent.sh'"
OVER_SECONDS = 420

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

# what holds in the kernel that the workload is in when all is over
RUNS = f"""
test "$(cat /sys/fs/cgroup/system.slice/redis-server.service/cgroup.freeze)" = 0
! test -e /run/systemd/system/redis-server.service.d/50-kho-agent.conf
! test -e /run/kho-agent/move-record
! nft list tables | grep -q kho_hold
! nft list ruleset | grep -A 20 kho_silence | grep -qE 'drop|queue'
systemctl is-active redis-server
ip address | grep -q {ADDRESS}/
test "$(cat /sys/devices/system/cpu/online)" = 0-3
"""


@dataclass
class Kill:
    """When which agent is killed, and what the operator wants meanwhile. It ends with the upgrade:
    what's later isn't done."""

    old: tuple = () # ms after the upgrade's beginning
    new: tuple = () # and after that of its kernel
    back: bool = False # the upgrade is aborted in its soak

    def __bool__(self):
        return bool(self.old or self.new)

    def __str__(self):
        upgrade = "an upgrade and its abort" if self.back else "an upgrade"
        return upgrade + "".join(f", the {side} agent is killed at {ms} ms"
                                 for side in ("old", "new") for ms in getattr(self, side))


class Asked:
    """A kernel's agent, asked for its status again and again, and never waited for: it may be
    a kernel that has gone, or one that isn't there yet."""

    def __init__(self, shell):
        self.shell, self._asks = shell, False

    def look(self):
        """Its status, if there's one by now."""
        if not self._asks:
            self.shell.start("khoctl --json status", 8)
            self._asks = True
            return None
        result = self.shell.poll()
        if result is None:
            return None
        self._asks = False
        return json.loads(result.out) if result.rc == 0 else None


class Kills:
    """One machine, the kernel that has it, and the clients."""

    def __init__(self, lab, number):
        self.lab, self.depth = lab, 0
        self.port = "ttyS0"  # of the kernel that has the machine: where it says when it kills
        network = Network()
        self.client = network.client(f"outside{number}", "10.77.0.2/24")
        self.machine = lab.machine(nics=network.two_nics())
        self.shell, self.load, self.pid = None, None, 0

    def set_up(self, shell):
        """On the first kernel."""
        self.shell = shell
        functions = nic_functions(shell)
        give_address(shell, functions[0], f"{ADDRESS}/24")
        shell.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(
            address=ADDRESS, functions=" ".join(functions)).encode())
        start_redis(shell, ADDRESS)
        self.pid = shell.run("systemctl show -P MainPID redis-server")
        self.load = Load(self.lab, self.client, "--redis", f"{ADDRESS}:6379",
                         "--connections", str(CLIENTS))

    def _images(self):
        """Where the target images are: on the disk that came with the last retirement."""
        if not self.depth:
            return IMAGES
        self.shell.wait_until("test -b /dev/vda", 30, "the root disk's driver")
        self.shell.run("mkdir -p /mnt; mountpoint -q /mnt || mount -t ext4 -o ro /dev/vda /mnt")
        return f"/mnt{IMAGES}"

    def _command(self, kill, port):
        target = "old" if self.depth % 2 else "new"
        append = f"lab.port={port}"
        if kill.new:
            append += f" lab.kill={','.join(map(str, kill.new))}"
        # by the numbers of the kernel that gives them, never the boot CPU's
        cpus = "" if self.depth else "--cpus=2-3"
        return (f"khoctl upgrade {self._images()}/{target}-system {cpus} --memory=1536M --no-wait "
                f"--append='{append}' " + ("--hold" if kill.back else "--soak=5"))

    def _say_word(self, kill, upgrade):
        """What an operator would say when the upgrade waits for one."""
        if upgrade["state"] != "soak" or not (kill.back or upgrade["held"]):
            return False
        word = "abort" if kill.back else "commit"
        said = self.shell.call(f"khoctl {word}", 30)
        # the agent that's killed is the one that's asked
        assert said.rc in (0, NO_AGENT) or kill, said
        if upgrade["message"]:
            self.lab.step(f"   {word}, since: {upgrade['message']}")
        return True

    def _wait_over(self, kill, new):
        """True: the machine is the new kernel's; False: it's this one's as before."""
        here, there = Asked(self.shell), Asked(new)

        def over():
            now, then = here.look(), there.look()
            if then and then["phase"] == "idle":
                return "new"
            if now and not now.get("upgrade"):
                return "old" if now["phase"] == "idle" else None
            if now:
                self._say_word(kill, now["upgrade"])
            return None
        return self.lab.reactor.wait(over, OVER_SECONDS, "end of the upgrade") == "new"

    def _killed(self, starts):
        """What agents were killed at, by all that was said since: [at]."""
        wait_status(self.lab, self.shell, 60, phase="idle")
        found = [dict(re.findall(KILLED, self.machine.console(port).text[start:]))
                 for port, start in starts.items()]
        return [f"{side}: {at.strip()}" for side, seen in zip(("old", "new"), found)
                for at in seen.values() if at.strip() != "missed"]

    def upgrade(self, kill):
        """One upgrade; whether it went through, and what agents were killed at."""
        self.lab.step(str(kill))
        port = f"ttyS{self.depth % 3 + 1}"
        starts = {name: len(self.machine.console(name).text) for name in (self.port, port)}
        command, new = self._command(kill, port), self.machine.shell(port)
        if kill.old:
            self.shell.run_bg(f"{KILLER} {' '.join(map(str, kill.old))}")
        began = self.shell.call(command, 60)
        assert began.rc == 0 or kill.old, began
        moved = self._wait_over(kill, new)
        if moved:
            # which has the port by now that the first kernel had. On a serial one that's asked
            # all the time, the next kernel's look for serial ports would leave it deaf
            self.shell = self.machine.shell("lab0").renew().wait_ready(120)
            self.depth, self.port = self.depth + 1, port
        self.shell.call(STOP)
        at = self._killed(starts)
        self.check(moved)
        return moved, at

    def check(self, moved):
        """All is where it should be, and every client is answered."""
        for line in filter(None, RUNS.splitlines()):
            self.shell.wait_until(line, 30)
        assert self.shell.run("systemctl show -P MainPID redis-server") == self.pid
        now = status(self.shell)
        assert now["phase"] == "idle" and now["lentCpus"] == 0, now
        assert now["functionsHeld"] == 0 and now["instance"] == self.depth, now
        self.load.settle_on()
        assert self.machine.resets() == 0
        last = json.loads(self.shell.run("khoctl --json history"))["upgrades"]
        how = last[0] if last else {"result": "not begun", "phases": []}
        phases = ", ".join(phase["name"] for phase in how["phases"])
        self.lab.step(f"   {'new' if moved else 'old'} kernel; {how['result']} ({phases})")

    def finish(self):
        """Nothing was lost from the first to the last."""
        seen = self.load.settle()
        self.lab.step(f"clients: {seen}")
        assert seen["opened"] == seen["kept"] == CLIENTS and seen["reset"] == 0, seen
        assert seen["lost"] == 0 and seen["wrong"] == 0, seen

    def trouble(self):
        """What all kernels that answer know."""
        for line in self.machine.look_at_cpus():
            self.lab.step(line)
        for port in ("lab0", "ttyS1", "ttyS2", "ttyS3"):
            shell = self.machine.shell(port)
            shell.start("khoctl status; journalctl --no-pager -b -n 80 -u kho-agent -u redis-server", 20)
            try:
                self.lab.step(f"{port}: {shell.finish().out}")
            except Exception as silent:  # whatever it is, the failure itself is told
                self.lab.step(f"{port}: {silent}")
