# SPDX-License-Identifier: GPL-2.0-only
"""6.12 spawns 7.x beside itself; both run on, and talk."""

import json

IMAGES = "/var/lib/kho-agent/images"


def test(lab):
    """Spawns on two of four CPUs, says hello, looks from both sides."""
    machine = lab.machine()
    with machine.boot("old") as old:
        old.run(f"khoctl spawn {IMAGES}/new --cpus=2-3 --memory=1G --append=lab.port=ttyS1", 120)
        status = json.loads(old.run("khoctl --json status"))
        assert status["phase"] == "sync" and status["connected"], status
        lab.step("hello")
        new = machine.shell("ttyS1").wait_ready(60)
        assert new.run("uname -r") == lab.release("new")
        assert new.run("nproc") == "2"
        assert old.run("nproc") == "2"
        print(old.run("khoctl status"))
        print(new.run("khoctl status"))
        assert "Linux version " + lab.release("new") in old.run("khoctl console")
        assert machine.resets() == 0
