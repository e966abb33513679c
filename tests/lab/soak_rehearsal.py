# SPDX-License-Identifier: GPL-2.0-only
"""A copy of each workload is restored on the new kernel before the switch: one that can't
be restored there is refused, while it goes on and its clients don't notice; one that can
moves, and the numbers are shown."""

from lib.abmem import start_abmem
from lib.faults import ADDRESS, CLIENTS, Fault, Faults
from lib.load import Load
from lib.upgrade import move, report

# The same program to every eye but CRIU's, which compares build ids
PATCH = """python3 -c '
import os, sys
path = os.path.realpath(sys.argv[1])
data = bytearray(open(path, "rb").read())
at = data.index(b"\\3\\0\\0\\0GNU\\0") + 8
data[at] ^= 0xff
open(path + ".new", "wb").write(data)
os.chmod(path + ".new", os.stat(path).st_mode)
os.rename(path + ".new", path)' """
REDIS, ABMEM = "/usr/bin/redis-server", "/usr/lib/kho-lab/abmem"
RESTARTED = b"""
[Workload abmem]
Unit=lab-abmem.service
CannotMove=restart
MaxBlackoutSec=30
"""


def kept(lab, load):
    """No client of this load has noticed more than a pause."""
    seen = load.settle()
    lab.step(f"clients: {seen}")
    assert seen["opened"] == seen["kept"] == CLIENTS and not seen["reset"], seen
    assert not seen["lost"] and not seen["wrong"], seen


def refused(faults):
    """It's found before anything is frozen for the switch, or given away."""
    old, new = faults.old, faults.new
    pid = old.run("systemctl show -P MainPID redis-server")
    faults.fail(Fault(0, "a copy of it can't be restored", says="can't be restored there",
                     rehearsal="yes"))
    assert "rehearse of redis" in faults.report()["result"]
    assert not {step["name"] for step in faults.report()["steps"]} & {"freeze", "hold", "let-go"}
    assert faults.report()["workloads"][0]["frozen_ms"] == 0
    assert old.run("systemctl show -P MainPID redis-server") == pid
    left = new.run("ps -eo args= | grep -E 'redis|criu|kho-restore' | grep -v grep; true")
    assert not left, left


def rehearsed(lab, faults):
    """With the program that's there as well, beside one that is restarted for its rehearsal."""
    old, new = faults.old, faults.new
    old.run(PATCH + ABMEM)
    start_abmem(old, 16, 1)
    old.run("mkdir -p /etc/kho-agent/kho-agent.conf.d")
    old.write_file("/etc/kho-agent/kho-agent.conf.d/abmem.conf", RESTARTED)
    out = move(lab, old, new)
    for line in out.splitlines() + old.run("khoctl report").splitlines():
        lab.step(line)
    assert "redis: rehearsed: a copy was restored there in" in out, out
    assert "rehearse of abmem" in out and "abmem will be stopped here" in out, out
    workload, restarted = report(old)["workloads"]
    assert restarted["result"] == "restarted" and restarted["down_ms"] > 0, restarted
    assert new.run("systemctl is-active lab-abmem") == "active"
    assert old.call("systemctl is-active lab-abmem").out.strip() == "inactive"
    assert workload["result"] == "moved" and workload["rehearsed_ms"] > 0, workload
    assert workload["sample_ms"] > 0
    assert new.run("redis-cli llen kept") == "500"
    assert new.run("redis-cli -s /run/redis/redis.sock ping") == "PONG"
    assert new.run("findmnt -no FSTYPE /srv/data") == "ext4"


def test(lab):
    """One that fails, one that succeeds."""
    faults = Faults(lab)
    with faults.machine.boot("old") as old:
        old.run(PATCH + REDIS)
        old.run("printf 'unixsocket /run/redis/redis.sock\\n' >>/etc/redis/redis.conf")
        faults.set_up(old)
        try:
            faults.need_new()
            refused(faults)
            kept(lab, faults.load)
            old.run(PATCH + REDIS + " && systemctl restart redis-server")
            old.wait_until("redis-cli ping", 30)
            old.run("for i in $(seq 500); do echo \"rpush kept $i\"; done | redis-cli >/dev/null", 60)
            old.run("redis-cli keys 'load-*' | xargs redis-cli del")
            faults.load = Load(lab, faults.client, "--redis", f"{ADDRESS}:6379",
                               "--connections", str(CLIENTS))
            rehearsed(lab, faults)
        except Exception:
            faults.trouble()
            raise
        kept(lab, faults.load)
        assert faults.machine.resets() == 0
