# SPDX-License-Identifier: GPL-2.0-only
"""An upgrade by kexec: a redis and its clients' connections outlive the kernel, in the
same process, with what it knew and what it has on a volume; clients are answered as soon as it
runs. If it can't be done, or the agent is killed in it, the workload runs on where it was."""

import json

from lib.by_kexec import KERNEL, command, tell, upgrade
from lib.load import Load
from lib.qemu import Disk
from lib.service import check_volume, machine_and_client
from lib.there_and_back import ADDRESS, set_up
from lib.upgrade import IMAGES, report, status, wait_status

TIME_LIMIT = 1500
CLIENTS = 10
MAX_LATER = 1.15
VALUE = "value-of-the-old-kernel"


def is_there(shell, pid):
    """The same process, with what it knew."""
    assert shell.run("redis-cli get key") == VALUE
    assert shell.run("systemctl show -P MainPID redis-server") == pid
    assert shell.run("systemctl is-active redis-server") == "active"


def fails(lab, old, pid):
    """By an image that has no KHO; and when the jump fails, after all was dumped."""
    refused = old.call(f"khoctl upgrade {IMAGES}/new-system --method=kexec")
    assert refused.rc == 3 and "has no KHO" in refused.out, refused.out
    is_there(old, pid)
    old.run("echo commit before error >/run/kho-agent/failpoints")
    failed = old.call(command(lab), 300)
    lab.step(failed.out.strip().splitlines()[-1])
    assert failed.rc == 1 and "failpoint" in failed.out, failed.out
    is_there(old, pid)
    assert old.run("cat /sys/kernel/kexec_loaded") == "0"
    told = report(old)
    assert told["method"] == "kexec" and told["result"] != "committed", told
    assert [workload["result"] for workload in told["workloads"]] == ["stayed"], told
    assert status(old)["phase"] == "idle"
    assert not old.run("nft list tables")


def is_killed(lab, old, pid):
    """The agent, when all is dumped and the kernel about to jump; the next one undoes it."""
    old.run("echo commit before kill >/run/kho-agent/failpoints")
    assert old.call(command(lab), 300).rc
    lab.reactor.wait(lambda: old.call("khoctl --json history | grep -q 'agent was killed'").rc == 0, 120,
                     "the next agent's end of it")
    wait_status(lab, old, 60, phase="idle")
    is_there(old, pid)
    assert old.run("cat /sys/kernel/kexec_loaded") == "0"
    assert not old.run("nft list tables")


def tells(lab, new):
    """What the next kernel's agent says of it."""
    told = tell(lab, new, "redis-server", "kho-volume@*")
    assert [workload["result"] for workload in told["workloads"]] == ["moved"], told
    meanwhile = json.loads(new.run("cat /run/lab-health.json"))
    assert meanwhile["phase"] == "restore", meanwhile
    entries = json.loads(new.run("khoctl --json history"))["upgrades"]
    assert [entry["method"] for entry in entries] == 4 * ["kexec"], entries
    assert [entry["result"] == "committed" for entry in entries] == [True] + 3 * [False], entries
    return told


def test(lab):
    """What can't be done, then what can."""
    machine, client = machine_and_client(lab, "10.77.0.2/24", disks=[Disk("data", "128M")])
    with machine.boot("kho", KERNEL) as old:
        set_up(old)
        old.run("sed -i 's|^HealthCommand=.*|HealthCommand=/usr/lib/kho-lab/health.sh "
                f"{ADDRESS}|' /etc/kho-agent/kho-agent.conf")
        old.run(f"redis-cli set key {VALUE}")
        pid = old.run("systemctl show -P MainPID redis-server")
        load = Load(lab, client, "--redis", f"{ADDRESS}:6379", "--connections", str(CLIENTS))
        fails(lab, old, pid)
        load.settle_on(120)
        is_killed(lab, old, pid)
        load.settle_on(120)
        lab.step("the workload runs on after two upgrades that failed")

        new = upgrade(lab, machine, old)
        told = tells(lab, new)
        is_there(new, pid)
        load.settle_on(300)
        seen = load.stop()
        lab.step(f"clients: {seen}")
        assert seen["opened"] == seen["kept"] == CLIENTS and seen["reset"] == 0, seen
        assert seen["lost"] == 0 and seen["wrong"] == 0, seen
        # clients repeat what they've sent at ever longer intervals, but for being woken
        assert seen["blackout_ms"] < MAX_LATER * told["blackout_ms"], seen
        lab.reactor.wait(lambda: not new.run("nft list tables"), 60, "the end of our rules")
        assert machine.resets() == 0
        assert check_volume(new, seen["redis_answered"]) == {"clean": True, "missing_bytes": 0}
