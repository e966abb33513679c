# SPDX-License-Identifier: GPL-2.0-only
"""A lab machine boots Debian 13 with its stock kernel, and our way in works."""


def check_system(lab, shell, kernel):
    """The system is up, whole, and the shell carries data both ways."""
    assert shell.run("uname -r") == lab.release(kernel)
    state = shell.call("systemctl is-system-running --wait", 120).out.strip()
    failed = shell.run("systemctl --failed --plain --no-legend")
    assert state == "running", f"systemd is {state}: {failed}"
    assert shell.run("nproc") == "4"
    assert shell.run("findmnt -no FSTYPE /") == "ext4"
    assert shell.call("echo to stderr >&2; exit 3").rc == 3
    assert len(shell.run("seq 10000")) == 48893
    assert shell.call("sleep 60", timeout=1).rc == -1
    lab.step(shell.run("systemd-analyze | head -1"))


def test(lab):
    """Boots, looks around, powers off."""
    machine = lab.machine()
    with machine.boot("old") as old:
        check_system(lab, old, "old")
        old.run("command -v criu redis-server nginx python3 zstd cpio")
        assert "root=/dev/vda" in old.run("cat /proc/cmdline")
        assert machine.resets() == 0
        old.start("systemctl poweroff")
        machine.wait_end(60)
