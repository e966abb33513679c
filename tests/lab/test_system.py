# SPDX-License-Identifier: GPL-2.0-only
"""A target image with the whole system: systemd runs in the new kernel, and after
retirement starts what the old one ran."""

from lib.upgrade import memory_kib, retire, spawn


def test(lab):
    """Spawn, look around, retire."""
    machine = lab.machine()
    with machine.boot("old") as old:
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=1536M")
        new.wait_until("systemctl is-active kho-new.target", 60)
        lab.step(f"systemd runs: {memory_kib(new) // 1024} MiB, "
                 f"{new.run('free -m | grep Mem:')}")
        assert new.run("cat /proc/1/comm") == "systemd"
        assert new.run("uname -r") == lab.release("new")
        assert new.run("cat /etc/machine-id") == old.run("cat /etc/machine-id")
        failed = new.run("systemctl list-units --failed --plain --no-legend")
        assert not failed, failed
        first = int(new.run("systemctl show -P MainPID systemd-journald.service"))
        assert 1_000_000 < first < 2_000_000, first
        active = new.run("systemctl list-units --type=service --state=running --plain --no-legend")
        lab.step("running: " + ", ".join(line.split()[0] for line in active.splitlines()))
        assert "kho-agent.service" in active
        # the second one is the kernel that takes over; the first one has no such way out
        old.run(f"printf 'libc6\\nlinux-image-{lab.release('new')}\\n' >/run/reboot-required.pkgs; "
                "touch /run/reboot-required")
        retire(lab, old, new)
        assert new.run("cat /run/reboot-required.pkgs") == "libc6"
        new.run("test -e /run/reboot-required")
        new.wait_until("systemctl is-active multi-user.target", 60)
        assert new.run("nproc") == "4"
        assert machine.resets() == 0
        new.start("systemctl poweroff")
        machine.wait_end(120)
