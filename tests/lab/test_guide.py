# SPDX-License-Identifier: GPL-2.0-only
"""The operator guide, as it stands: the built packages are installed, then each command of
docs/operator.md is given, up to an upgrade that's over."""

import os
import re
import subprocess
from pathlib import Path

from lib.lab import Skip
from lib.upgrade import wait_status

TIME_LIMIT = 1800
TOP = Path(__file__).resolve().parent.parent.parent
GUIDE = TOP / "docs" / "operator.md"
DEBS = TOP / "build" / "deb"

# What differs in the lab: there's no network to take a package's dependencies from, no
# compiler for DKMS (the module is there), and the new kernel's shell has to have a port.
INSTEAD = (
    ("apt install ./kho-agent_*.deb ./kho-multikernel-dkms_*.deb",
     "cd /mnt && dpkg --force-depends -i ./kho-agent_*.deb"),
    ("khoctl upgrade ", "khoctl upgrade --append=lab.port=ttyS1 "),
)
UPGRADE = "khoctl upgrade "
NEWEST = "basename -a /usr/lib/modules/* | sort -V | tail -n 1"
RETURNED = "guide: the upgrade has returned 0"
# Ours that the lab's system comes with, as no package has brought it
REMOVE = """
systemctl disable --now kho-agent
rm -rf /usr/sbin/kho-agent /usr/bin/khoctl /usr/lib/systemd/system/kho-* /usr/libexec/kho-agent
rm -rf /usr/share/kho-agent /etc/kernel/*/zz-kho-agent /etc/needrestart /var/lib/kho-agent
rm -rf /usr/lib/systemd/catalog/kho-agent.catalog
systemctl daemon-reload
"""


def blocks():
    """The guide's commands, a block each."""
    return re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.M | re.S)


def debs_disk(lab):
    """A disk with the packages on it."""
    if not list(DEBS.glob("kho-agent_*.deb")):
        raise Skip("no packages are built: make deb")
    image = lab.out / "debs.img"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-L", "debs", "-d", DEBS, image, "64M"], check=True)
    return ["-drive", f"file={image},format=raw,if=none,id=debs",
            "-device", "virtio-blk-pci,drive=debs,serial=debs,disable-legacy=on,bus=pcie.0"]


def script_of(block):
    """A block as the lab gives it; each command has to succeed, and is shown."""
    for text, instead in INSTEAD:
        block = block.replace(text, instead)
    return "set -ex\n" + block


def give(lab, shell, block, seconds):
    """One block, shown with what it prints."""
    for line in block.splitlines():
        lab.step(f"# {line}")
    shell.write_file("/run/guide.sh", script_of(block))
    result = shell.call("bash /run/guide.sh 2>&1", seconds)
    for line in result.out.splitlines():
        lab.step(f"  {line}")
    assert result.rc == 0, f"the guide's commands end with {result.rc}"


def upgrade(lab, machine, old, block):
    """What is given in the old kernel and ends in the new one."""
    lab.step(f"# {block.strip()}")
    old.write_file("/run/guide.sh", script_of(block) + f"echo '{RETURNED}' >/dev/ttyS0\n")
    old.start("bash /run/guide.sh", 600)
    new = machine.shell("ttyS1", "next").wait_ready(300)
    machine.wait_console("ttyS0", RETURNED, 600)
    lab.step("the command has returned 0")
    wait_status(lab, new, 300, phase="idle")
    return new


def test(lab):
    """All blocks, in their order."""
    found = blocks()
    assert sum(UPGRADE in block for block in found) == 1, "the guide has one upgrade"
    machine = lab.machine(extra=debs_disk(lab))
    with machine.boot("old") as old:
        old.run(REMOVE + "mount -o ro LABEL=debs /mnt")
        assert old.call("command -v khoctl").rc != 0
        shell = old
        for block in found:
            if UPGRADE in block:
                shell = upgrade(lab, machine, old, block)
            else:
                give(lab, shell, block, 1200 if "image build" in block else 120)
        assert shell is not old, os.fspath(GUIDE)
        # the guide takes the newest one, which a kernel of our own in the old one's place may be
        assert shell.run("uname -r") == shell.run(NEWEST)
        assert "old kernel" in shell.run("redis-cli get guide")
        assert "committed" in shell.run("khoctl history")
        assert shell.run("nproc") == "4" and machine.resets() == 0
