# SPDX-License-Identifier: GPL-2.0-only
"""make demo: a machine that serves clients gets a new kernel, and they hardly notice."""

import json

from lib import baseline, timeline
from lib.load import Load
from lib.net import Network
from lib.qemu import Disk, Nic
from lib.service import (REDIS_ON_VOLUME, give_address, make_file_system, mount_for_redis,
                         nic_functions, start_nginx, start_redis)
from lib.upgrade import memory_kib, move, report, retire, spawn, status

TIME_LIMIT = 1200
ADDRESS, ADDRESS6 = "10.77.0.10", "fd77::10"
DATA_MIB = 512
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


def upgrade(lab, machine, old):
    """Spawn, move, retire; returns the new kernel's shell and the agent's report."""
    lab.step("khoctl spawn: 2 CPUs and 3 GiB go offline, the new kernel starts on them")
    new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=3G")
    describe(lab, "the old kernel", old)
    describe(lab, "the new kernel", new)
    lab.step("khoctl move: memory, sockets and addresses go over")
    for line in move(lab, old, new).splitlines():
        lab.step(f"  {line.strip()}")
    seen = report(old)
    lab.step("khoctl retire: the old kernel gives up its last CPU, memory and devices")
    retire(lab, old, new)
    describe(lab, "the new kernel, alone", new)
    return new, seen


def check_volume(new, answers):
    """What redis has acknowledged to clients is in its log, and the file system is whole."""
    new.run("systemctl stop redis-server && umount /srv/data")
    clean = new.call("e2fsck -fn /dev/mapper/kho-data").rc == 0
    new.run("mount /dev/mapper/kho-data /srv/data")
    found = new.run("cat /srv/data/appendonlydir/*.incr.aof | grep -ac '^load-'; true")
    entry = len("*2\r\n$4\r\nINCR\r\n$6\r\nload-1\r\n")
    return {"clean": clean, "missing_bytes": max(0, answers - int(found)) * entry}


def show(lab, seen):
    """The table at the end."""
    client, base = seen["client"], seen["baseline"]
    for w in seen["workloads"]:
        lab.step(f"{w['name']:8} {w['rss_bytes'] >> 20:5} MiB, {w['rounds']} rounds, frozen "
                 f"{w['frozen_ms']} ms (predicted {w['predicted_ms']}), {w['result']}")
    lab.step(f"clients: {client['kept']} of {client['opened']} connections kept, "
             f"{client['answered']} of {client['sent']} requests answered, {client['wrong']} wrong")
    lab.step(f"blackout {client['blackout_ms']} ms; plain stop-and-copy of the same "
             f"{base['stop_and_copy_blackout_ms']} ms: {base['ratio']} times as long")
    lab.step(f"volume: {seen['volume']}; machine: {seen['machine']}")


def check(seen):
    """What the demo promises."""
    client = seen["client"]
    assert seen["result"] == "committed"
    assert client["kept"] == client["opened"] and not client["reset"], client
    assert not client["lost"] and not client["wrong"], client
    assert seen["volume"] == {"clean": True, "missing_bytes": 0}
    assert seen["machine"]["reset"] is False
    assert seen["machine"]["cpus_after"] == seen["machine"]["cpus_before"]
    assert seen["machine"]["memory_after"] > 0.95 * seen["machine"]["memory_before"]


def test(lab):
    """One upgrade under load, told step by step."""
    network = Network()
    client = network.client("outside", "10.77.0.2/24", "fd77::2/64")
    machine = lab.machine(memory="6G", disks=[Disk("data", "256M")],
                          nics=[Nic(network.tap(), "52:54:00:00:00:01"),
                                Nic(network.tap(), "52:54:00:00:00:02")])
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
        new, seen = upgrade(lab, machine, old)
        seen["client"] = load.settle()
        seen["baseline"] = {
            "stop_and_copy_blackout_ms": plain["blackout_ms"],
            "ratio": round(plain["blackout_ms"] / seen["client"]["blackout_ms"], 1)}
        seen["machine"] = {"reset": machine.resets() > 0, **before, "cpus_after": cpus(new),
                           "memory_after": memory_kib(new) << 10}
        seen["volume"] = check_volume(new, seen["client"].pop("redis_answered"))
        out = lab.images.parent / "demo"
        out.mkdir(exist_ok=True)
        (out / "report.json").write_text(json.dumps(seen, indent=2) + "\n")
        (out / "timeline.svg").write_text(timeline.draw(seen))
        show(lab, seen)
        check(seen)
        new.start("poweroff -f")
        machine.wait_end(60)
        lab.step("powered off by the new kernel; report: build/demo/report.json, timeline.svg")
