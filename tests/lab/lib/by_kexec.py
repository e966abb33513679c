# SPDX-License-Identifier: GPL-2.0-only
"""Upgrades by kexec, of a redis with clients outside."""

import json

from .service import serve_redis
from .upgrade import IMAGES

# scratch memory is where the image goes to, unpacked by the next kernel
KERNEL = "kho=on liveupdate=on kho_scratch=64M,600M,64M"
IMAGE = f"{IMAGES}/kho-system"
UPGRADE = f"khoctl upgrade {IMAGE} --method=kexec --append='console=ttyS0 lab.port=ttyS1'"
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
# CRIU can't dump unix sockets on a kernel without CONFIG_SECURITY_NETWORK, as the small one is:
# not even the stream to the journal
QUIET = b"[Service]\nStandardOutput=null\nStandardError=null\n"


def serve(shell, address):
    """redis at the address."""
    shell.run("mkdir -p /etc/systemd/system/redis-server.service.d")
    shell.write_file("/etc/systemd/system/redis-server.service.d/quiet.conf", QUIET)
    serve_redis(shell, address)


def upgrade(lab, machine, old):
    """Returns the next kernel's shell, once it has told what came of it."""
    planned = json.loads(old.run(f"khoctl --json plan {IMAGE} --method=kexec"))
    lab.step(f"predicted: {planned['blackoutMs']} ms")
    boot = old.run(BOOT_ID)
    old.start(UPGRADE, 600)
    new = machine.shell("ttyS1", "next").wait_ready(300)
    assert new.run(BOOT_ID) != boot
    new.run("dmesg | grep 'KHO: found kexec handover data'")
    new.wait_until("khoctl --json report", 240)
    return new
