# SPDX-License-Identifier: GPL-2.0-only
"""khoctl check finds nothing in the way on a healthy machine, names what is on one that isn't
(clock, room, CPUs, memory, a driver that the image lacks, reboot=force), and spawn and upgrade
refuse it with the same words."""

import json

from lib.machine import CLOCKSOURCE
from lib.qemu import Nic
from lib.traffic import nic_function
from lib.upgrade import IMAGES, memory_kib, status

TIME_LIMIT = 900
LONG = True
BLOCKED, REFUSED = 6, (1, 3)
MAC = "52:54:00:00:00:01"
CONFIG = """
[Address vip]
Address=10.77.0.10/24
Functions={function}

[Workload web]
Unit=lab-web.service
Addresses=vip
CannotMove=restart
"""

# A list of a manifest has as many lines as it says
COUNT = """n=$(awk '/^\\[/ {{ there = $0 == "[{name}]"; next }} there && NF {{ n++ }}
	END {{ print n + 0 }}' {path})
sed -i "s/^{name} = .*/{name} = $n/" {path}"""


def check(lab, shell, options="", expected=0):
    """khoctl check as scripts see it: the answer, and {kind: the worst finding}."""
    result = shell.call(f"khoctl --json check {options}", 120)
    assert result.rc == expected, result.out
    answer = json.loads(result.out)
    assert answer["blocked"] == (expected == BLOCKED), answer
    for finding in answer["machine"] + answer["images"]:
        lab.step(f"{finding['severity']} {finding['kind']} {finding['where']}: {finding['cause']}; "
                 f"{finding['remedy']}")
        assert finding["cause"] and finding["remedy"], finding
    by_severity = sorted(answer["machine"], key=lambda f: f["severity"] == "blocker")
    return answer, {finding["kind"]: finding for finding in by_severity}


def blockers(found):
    """Kinds of those."""
    return {kind for kind, finding in found.items() if finding["severity"] == "blocker"}


def refused(lab, shell, kind, *words):
    """By spawn and by upgrade, which name it; nothing was taken."""
    before = memory_kib(shell)
    for verb in ("spawn", "upgrade"):
        result = shell.call(f"khoctl {verb} {IMAGES}/new --memory=1G", 180)
        lab.step(f"{verb}: {result.out.strip().splitlines()[-1]}")
        assert result.rc in REFUSED, result
        assert all(word in result.out for word in (kind, *words)), result.out
    assert shell.run("cat /sys/devices/system/cpu/online") == "0-3"
    now = status(shell)
    assert now["phase"] == "idle" and now["lentCpus"] == 0 and memory_kib(shell) == before, now


def healthy(lab, old):
    """No blocker, with no image named and with each; what would be lent is told."""
    answer, found = check(lab, old)
    assert not blockers(found), found
    assert not [f for f in answer["images"] if f["kind"] == "image-driver"
                and f["severity"] == "blocker"], answer["images"]
    lend = answer["lend"]
    lab.step(f"lend: {lend}")
    assert lend["cpus"] == "2-3" and lend["keptBytes"] == 256 << 20, lend
    assert 0 < lend["memoryBytes"] <= lend["mostMemoryBytes"] <= lend["availableBytes"], lend
    for image in ("new", "new-system"):
        check(lab, old, f"{IMAGES}/{image} --cpus=1-3 --memory=1G")
    text = old.run("khoctl check", 120)
    assert "would be lent: CPUs 2-3" in text and "this kernel keeps 256" in text, text


def clock(lab, old):
    """Another clocksource than the TSC."""
    old.run(f"echo hpet >{CLOCKSOURCE}")
    _, found = check(lab, old, "", BLOCKED)
    assert blockers(found) == {"clock"} and "hpet" in found["clock"]["cause"], found
    refused(lab, old, "clock", "hpet")
    old.run(f"echo tsc >{CLOCKSOURCE}")


def room(lab, old):
    """None for another image is only said; none for the journal is in the way."""
    old.run(f"mount -t tmpfs -o size=1M,nr_inodes=100 tmpfs {IMAGES}")
    _, found = check(lab, old)
    assert found["space"]["severity"] == "warning" and found["space"]["where"] == IMAGES, found
    old.run(f"umount {IMAGES}; mount -t tmpfs -o size=1M,nr_inodes=100 tmpfs /var/lib/kho-agent")
    answer, found = check(lab, old, "", BLOCKED)
    where = {f["where"] for f in answer["machine"] if f["severity"] == "blocker"}
    assert where == {"/var/lib/kho-agent"} and blockers(found) == {"space"}, answer
    result = old.call(f"khoctl spawn {IMAGES}/new", 60)
    assert result.rc in REFUSED and "space" in result.out and "KiB are free" in result.out, result
    old.run("umount /var/lib/kho-agent")


def asked_too_much(lab, old):
    """CPUs that can't be lent, and more memory than there is."""
    _, found = check(lab, old, "--cpus=0-1", BLOCKED)
    assert blockers(found) == {"cpus"} and "CPU 0" in found["cpus"]["cause"], found
    _, found = check(lab, old, "--memory=64G", BLOCKED)
    assert blockers(found) == {"memory"}, found
    _, found = check(lab, old, "--memory=3840M", BLOCKED)
    assert blockers(found) == {"memory"}, found
    old.run("echo 0 >/sys/devices/system/cpu/cpu3/online")
    answer, found = check(lab, old, "--cpus=3", BLOCKED)
    where = {(f["where"], f["severity"]) for f in answer["machine"] if f["kind"] == "cpus"}
    assert ("CPUs 3", "warning") in where and ("", "blocker") in where, answer
    old.run("echo 1 >/sys/devices/system/cpu/cpu3/online")
    assert not blockers(check(lab, old)[1])


def drivers(lab, old, nic):
    """An image that can't drive a NIC which a workload's address moves with."""
    # as an image of a kernel without that driver would say; its files are the same
    old.run(f"cp -al {IMAGES}/new {IMAGES}/poor")
    old.run(f"sed -i '/virtio_net/d; /^virtio:d00000001/d' {IMAGES}/poor/manifest")
    for name in ("modules", "devices", "built-in"):
        old.run(COUNT.format(name=name, path=f"{IMAGES}/poor/manifest"))
    old.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(function=nic).encode())
    answer, _ = check(lab, old, f"{IMAGES}/poor", BLOCKED)
    found = [f for f in answer["images"] if f["severity"] == "blocker"]
    assert [f["kind"] for f in found] == ["image-driver"], answer
    assert found[0]["where"] == "poor" and nic in found[0]["cause"], found
    assert "virtio:d00000001" in found[0]["cause"], found
    result = old.call(f"khoctl upgrade {IMAGES}/poor --memory=1G", 180)
    lab.step(f"upgrade: {result.out.strip().splitlines()[-1]}")
    assert result.rc in REFUSED and "image-driver" in result.out and nic in result.out, result
    assert status(old)["phase"] == "idle"
    check(lab, old, f"{IMAGES}/new")
    # one that was built before its manifest had that is let pass, and it's said
    old.run(f"sed -i '/^devices = /d; /^built-in = /d; /^.devices.$/,$d' {IMAGES}/poor/manifest")
    answer, _ = check(lab, old, f"{IMAGES}/poor")
    assert [f["severity"] for f in answer["images"] if "isn't known" in f["cause"]] == ["warning"]


def forced(lab, machine):
    """A kernel that was booted with reboot=force, until that's taken back."""
    with machine.boot("old", "reboot=force") as old:
        _, found = check(lab, old, "", BLOCKED)
        assert blockers(found) == {"reboot-force"}, found
        refused(lab, old, "reboot-force", "reboot=force")
        old.run("echo 0 >/sys/kernel/reboot/force")
        check(lab, old)
        assert machine.resets() == 0


def test(lab):
    """Healthy, then one thing after another."""
    machine = lab.machine(nics=[Nic(mac=MAC)])
    with machine.boot("old") as old:
        nic = nic_function(old, MAC)
        lab.step(f"NIC: {nic}")
        healthy(lab, old)
        clock(lab, old)
        room(lab, old)
        asked_too_much(lab, old)
        drivers(lab, old, nic)
        assert machine.resets() == 0
    forced(lab, machine)
