# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that nobody known has signed, and images that failed, aren't started: by enforce and
by what is remembered; an operator can go on."""

import json
from pathlib import Path

from lib.lab import Skip
from lib.upgrade import IMAGES, spawn, status, wait_status

LONG = True

TOOL = "/run/refuse.py"
IMAGE = 7  # khoctl's exit code for both
CONFIG = "/etc/kho-agent/kho-agent.conf"
SPAWN = "--cpus=2-3 --memory=1G"


def configure(old, signatures, keys):
    """What [Image] says; and a workload."""
    old.write_file(CONFIG, f"[Image]\nSignatures={signatures}\nKeyring=/usr/lib/kho-lab/{keys}\n"
                           "[Workload dbus]\nUnit=dbus.service\n")


def change(old, what):
    """An image in the usual folder that differs from the good one by this."""
    old.run(f"python3 {TOOL} image {IMAGES}/new {IMAGES}/changed '{what}'", 120)


def not_spawned(lab, old, image, words, options=""):
    """Refused by exit code 7, with all words and a remedy, and nothing taken."""
    result = old.call(f"khoctl spawn {IMAGES}/{image} {SPAWN} {options}", 120)
    message = (result.out.strip().splitlines() or [""])[-1]
    lab.step(message)
    assert result.rc == IMAGE and ";" in message, result
    assert all(word in message for word in words), (words, message)
    now = status(old)
    assert now["phase"] == "idle" and now["lentCpus"] == 0 and now["regionBytes"] == 0, now


def spawned(lab, old, image, word, options=""):
    """It comes up, what's said on the way has the word, and it's taken back."""
    out = old.run(f"khoctl spawn {IMAGES}/{image} {SPAWN} {options}", 180)
    assert word in out, (word, out)
    lab.step(next(line for line in out.splitlines() if word in line).strip())
    old.run("khoctl reclaim", 60)


def images(old):
    """khoctl image list as scripts see it: images by folder, refusals by digest."""
    answer = json.loads(old.run("khoctl --json image list", 120))
    return ({Path(image["path"]).name: image for image in answer["images"]},
            {refused["digest"]: refused for refused in answer["refused"]})


def enforced(lab, old):
    """Only what's signed by one of the keyring is started; what isn't is remembered."""
    configure(old, "enforce", "no-keys")
    not_spawned(lab, old, "new", ["Debian Secure Boot Signer", "has no certificate at all"])
    assert not images(old)[1], "an empty keyring is no image's fault"
    configure(old, "enforce", "keys-debian")
    spawned(lab, old, "new", "signed by \"Debian Secure Boot Signer")
    configure(old, "enforce", "keys-lab")
    not_spawned(lab, old, "new", ["Debian Secure Boot Signer", "whom no certificate"])
    not_spawned(lab, old, "new", ["was refused before (signature", "khoctl image clear"])
    not_spawned(lab, old, "new", ["whom no certificate"], "--force")
    known, refused = images(old)
    assert known["new"]["signature"] == "unknown-signer", known
    assert known["new"]["refused"] == refused[known["new"]["digest"]], (known, refused)
    assert known["new"]["refused"]["cause"] == "signature", known
    change(old, "unsigned")
    not_spawned(lab, old, "changed", ["it isn't signed"])
    change(old, "tampered")
    not_spawned(lab, old, "changed", ["it isn't what was signed"])
    change(old, "signed")
    spawned(lab, old, "changed", "signed by \"Throw-away key of the lab\"")
    text = old.run("khoctl image list", 120)
    lab.step(text)
    assert "signed by \"Throw-away key" in text and "refused (signature" in text, text


def found_by_check(lab, old):
    """What a spawn would stumble over is a finding; it's in no move's way."""
    answer = json.loads(old.call("khoctl --json check", 120).out)
    kinds = {(finding["where"], finding["kind"]) for finding in answer["images"]}
    for finding in answer["images"]:
        lab.step(f"{finding['where']}: {finding['kind']}: {finding['cause']}; {finding['remedy']}")
        assert finding["cause"] and finding["remedy"], finding
    assert {("new", "image-signature"), ("new", "image-refused")} <= kinds, kinds
    assert "changed" not in {where for where, kind in kinds if kind != "image-driver"}, kinds


def warned(lab, old):
    """Said, and nothing else: what was refused before is, until it's cleared."""
    configure(old, "warn", "keys-lab")
    not_spawned(lab, old, "new", ["was refused before (signature"])
    for digest in images(old)[1]:
        old.run(f"khoctl image clear {digest[:12]}")
    assert not images(old)[1]
    spawned(lab, old, "new", "taken in spite of this (Signatures=warn): it's signed by")
    configure(old, "off", "keys-lab")
    assert "sign" not in old.run(f"khoctl spawn {IMAGES}/new {SPAWN}", 180)
    old.run("khoctl reclaim", 60)


def panicked(lab, machine, old):
    """An image whose kernel panics isn't tried again; by an operator it is. A trial isn't held
    against it."""
    old.run(f"rm {CONFIG}")
    new = spawn(machine, old, "new", "ttyS1", SPAWN)
    new.start("echo c >/proc/sysrq-trigger")
    wait_status(lab, old, 30, phase="idle")
    assert not images(old)[1], "a trial counts"
    change(old, "append=lab.port=ttyS2")
    old.run(f"khoctl spawn {IMAGES}/changed {SPAWN}", 180)
    machine.shell("ttyS2", "changed").wait_ready(60).start("echo c >/proc/sysrq-trigger")
    wait_status(lab, old, 30, phase="idle")
    not_spawned(lab, old, "changed", ["was refused before (panicked", "sysrq triggered crash"])
    spawned(lab, old, "changed", "refused before, and forced now", "--force")
    old.run("systemctl restart kho-agent")
    not_spawned(lab, old, "changed", ["was refused before (panicked"])
    old.run(f"khoctl image clear {images(old)[0]['changed']['digest']}")
    spawned(lab, old, "changed", "starting")


def test(lab):
    """Each way to be refused, and each way out of it."""
    if "+deb" not in lab.release("new"):
        raise Skip("the new kernel isn't the distribution's (ROLE=new), so nobody has signed it")
    machine = lab.machine()
    with machine.boot("old") as old:
        old.write_file(TOOL, (Path(__file__).parent / "guest/refuse.py").read_bytes())
        enforced(lab, old)
        found_by_check(lab, old)
        warned(lab, old)
        panicked(lab, machine, old)
        assert old.run("cat /sys/devices/system/cpu/online") == "0-3"
        assert machine.resets() == 0
