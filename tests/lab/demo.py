# SPDX-License-Identifier: GPL-2.0-only
"""make demo: a machine that serves clients gets a new kernel, and they hardly notice."""

import contextlib
import json
import subprocess
import time
from pathlib import Path

from lib import baseline
from lib import report as schema
from lib.load import Load
from lib.net import Network
from lib.qemu import Disk
from lib.service import (REDIS_ON_VOLUME, check_volume, give_address, make_file_system,
                         mount_for_redis, nic_functions, start_nginx, start_redis)
from lib.upgrade import memory_kib, move, report, retire, spawn, status

TIME_LIMIT = 1200
ADDRESS, ADDRESS6 = "10.77.0.10", "fd77::10"
DATA_MIB = 512
KHOCTL = Path(__file__).parents[2] / "build/bin/khoctl"
CONNECTIONS = 10

CONFIG = """
[Workload redis]
Unit=redis-server.service
Addresses=vip
Volumes=data
MaxBlackoutSec=20
HealthCommand=/usr/bin/redis-cli ping

[Workload nginx]
Unit=nginx.service
Addresses=vip
MaxBlackoutSec=20

[Address vip]
Address={address}/24 {address6}/64
Functions={functions}

[Volume data]
Function={disk}
MountPoint=/srv/data
FileSystem=ext4
"""


def cpus(shell):
    """CPUs that run tasks."""
    return int(shell.run("nproc"))


def describe(lab, who, shell):
    """One line about a kernel, from its own mouth."""
    lab.step(f"{who}: Linux {shell.run('uname -r')}, {cpus(shell)} CPUs, "
             f"{memory_kib(shell) // 1024} MiB, phase {status(shell)['phase']}")


def set_up(lab, old):
    """Services, addresses, configuration."""
    functions = nic_functions(old)
    disk = make_file_system(old, 1 << 19)
    give_address(old, functions[0], f"{ADDRESS}/24", f"{ADDRESS6}/64")
    old.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(
        address=ADDRESS, address6=ADDRESS6, disk=disk, functions=" ".join(functions)).encode())
    mount_for_redis(old)
    start_redis(old, f"{ADDRESS} {ADDRESS6}",
                f"enable-debug-command yes\\nsave \"\"\\n{REDIS_ON_VOLUME}")
    old.run(f"redis-cli debug populate {DATA_MIB * 8} data 131072", 120)
    start_nginx(old)
    lab.step(f"redis ({DATA_MIB} MiB, its log on a volume) and nginx serve "
             f"{ADDRESS} and {ADDRESS6}")


def size_text(size):
    """A size as people say it."""
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.0f} KiB"


class Phases:
    """Phases of the whole upgrade, by the clock of the host: its zero is the spawn's begin."""

    def __init__(self):
        self._zero = time.monotonic()
        self._own = []

    def at(self, host_time):
        """Milliseconds since the begin."""
        return round((host_time - self._zero) * 1000)

    @contextlib.contextmanager
    def phase(self, name):
        """What is done inside is a phase of that name."""
        begin = self.at(time.monotonic())
        yield
        self._own.append({"name": name, "start_ms": begin,
                          "duration_ms": self.at(time.monotonic()) - begin})

    def join(self, seen, old_clock):
        """Puts a move's report on this clock; old_clock is when the old kernel's was 0."""
        shift = self.at(old_clock) + seen["clock_ms"]
        for span in seen["phases"] + seen["steps"]:
            span["start_ms"] += shift
        for w in seen["workloads"]:
            w["round_start_ms"] = [ms + shift for ms in w.get("round_start_ms", [])]
            if "frozen_start_ms" in w:
                w["frozen_start_ms"] += shift
        seen["clock_ms"] -= shift
        seen["began_ms"] -= shift
        seen["phases"] = sorted(seen["phases"] + self._own, key=lambda p: p["start_ms"])


def clock_zero(shell):
    """When that kernel's monotonic clock was 0, by the host's; good to some 10 ms."""
    before = time.monotonic()
    uptime = float(shell.run("cut -d ' ' -f 1 /proc/uptime"))
    return (before + time.monotonic()) / 2 - uptime


def show_lines(lab, console):
    """Shows what is written to a serial port, line by line, as it comes."""
    rest = [""]

    def on_text(text):
        *lines, rest[0] = (rest[0] + text).split("\n")
        for line in lines:
            lab.step(f"  {line.strip()}")

    console.listeners.append(on_text)


def upgrade(lab, machine, old, phases):
    """Spawn, move, retire; returns the new kernel's shell and the agent's report."""
    lab.step("khoctl spawn: 2 CPUs and 3 GiB go offline, the new kernel starts on them")
    with phases.phase("spawn"):
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=3G")
    describe(lab, "the old kernel", old)
    describe(lab, "the new kernel", new)
    lab.step("khoctl move: memory, sockets and addresses go over")
    show_lines(lab, machine.console("ttyS2"))
    move(lab, old, new, to=">/dev/ttyS2 2>&1")
    seen, old_clock = report(old), clock_zero(old)
    schema.check(seen, schema.MOVE)
    lab.step("khoctl retire: the old kernel gives up its last CPU, memory and devices")
    with phases.phase("retire"):
        retire(lab, old, new)
    phases.join(seen, old_clock)
    describe(lab, "the new kernel, alone", new)
    return new, seen


def rows(seen):
    """What the table at the end says."""
    client, base = seen["client"], seen["baseline"]
    volume, machine = seen["volume"], seen["machine"]
    yield "upgrade", f"{seen['old_release']} to {seen['new_release']}: {seen['result']}"
    for w in seen["workloads"]:
        sizes = " + ".join(size_text(size) for size in w["round_bytes"])
        yield w["name"], (f"{size_text(w['rss_bytes'])} resident, {w['result']}; frozen "
                          f"{w['frozen_ms']} ms (predicted {w['predicted_ms']})")
        yield "", f"{w['rounds']} rounds: {sizes}"
    yield "connections", (f"{client['kept']} of {client['opened']} kept, {client['reset']} reset")
    yield "requests", (f"{client['answered']} of {client['sent']} answered, {client['lost']} lost, "
                       f"{client['wrong']} wrong")
    yield "blackout", (f"{client['blackout_ms']} ms (an answer usually takes "
                       f"{client['usual_gap_ms']} ms, once {client['longest_gap_ms']} ms)")
    yield "stop-and-copy", (f"{base['stop_and_copy_blackout_ms']} ms by plain CRIU: "
                            f"{base['ratio']} times as long")
    yield "volume", (f"{'clean' if volume['clean'] else 'NOT CLEAN'}, "
                     f"{volume['missing_bytes']} bytes missing")
    yield "CPUs", f"{machine['cpus_before']} before, {machine['cpus_after']} after"
    yield "memory", (f"{machine['memory_before'] >> 20} MiB before, "
                     f"{machine['memory_after'] >> 20} MiB after")
    yield "reset", "yes" if machine["reset"] else "no"


def show(seen):
    """The table at the end."""
    print(flush=True)
    for name, text in rows(seen):
        print(f"    {name:14} {text}", flush=True)
    print(flush=True)


def check(seen):
    """What the demo promises."""
    client = seen["client"]
    schema.check(seen, schema.DEMO)
    assert seen["result"] == "committed"
    assert client["kept"] == client["opened"] and not client["reset"], client
    assert not client["lost"] and not client["wrong"], client
    assert seen["volume"] == {"clean": True, "missing_bytes": 0}
    assert seen["machine"]["reset"] is False
    assert seen["machine"]["cpus_after"] == seen["machine"]["cpus_before"]
    assert seen["machine"]["memory_after"] > 0.95 * seen["machine"]["memory_before"]


def complete(seen, phases, client, plain):
    """Adds what was seen from outside to the agent's report."""
    seen["client"] = client
    client["blackout_start_ms"] = phases.at(client.pop("blackout_at"))
    seen["baseline"] = {"stop_and_copy_blackout_ms": plain["blackout_ms"],
                        "ratio": round(plain["blackout_ms"] / client["blackout_ms"], 1)}


def keep(lab, seen):
    """Writes build/demo/."""
    out = lab.images.parent / "demo"
    out.mkdir(exist_ok=True)
    (out / "report.json").write_text(json.dumps(seen, indent=2) + "\n")
    with open(out / "timeline.svg", "wb") as picture:
        subprocess.run([KHOCTL, "show", "--svg", f"--file={out / 'report.json'}"], stdout=picture,
                       check=True)


def test(lab):
    """One upgrade under load, told step by step."""
    network = Network()
    client = network.client("outside", "10.77.0.2/24", "fd77::2/64")
    machine = lab.machine(memory="6G", disks=[Disk("data", "256M")],
                          nics=network.two_nics())
    lab.step("starting a machine: Debian 13, 4 CPUs, 6 GiB")
    with machine.boot("old") as old:
        describe(lab, "the running kernel", old)
        before = {"cpus_before": cpus(old), "memory_before": memory_kib(old) << 10}
        set_up(lab, old)
        lab.step("for comparison, plain CRIU stop-and-copy of servers like these")
        plain = baseline.measure(lab, old, client, ADDRESS, DATA_MIB, CONNECTIONS)
        lab.step(f"  its clients: blackout {plain['blackout_ms']} ms, {plain['reset']} reset")
        load = Load(lab, client, "--redis", f"{ADDRESS}:6379", "--redis", f"[{ADDRESS6}]:6379",
                    "--http", f"{ADDRESS}:80", "--http", f"[{ADDRESS6}]:80",
                    "--connections", str(CONNECTIONS))
        phases = Phases()
        new, seen = upgrade(lab, machine, old, phases)
        client = load.settle()
        answered = client.pop("redis_answered")
        complete(seen, phases, client, plain)
        seen["machine"] = {"reset": machine.resets() > 0, **before, "cpus_after": cpus(new),
                           "memory_after": memory_kib(new) << 10}
        seen["volume"] = check_volume(new, answered)
        keep(lab, seen)
        show(seen)
        check(seen)
        new.start("poweroff -f")
        machine.wait_end(60)
        lab.step("powered off by the new kernel; report: build/demo/report.json, timeline.svg")
