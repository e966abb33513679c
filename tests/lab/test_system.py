# SPDX-License-Identifier: GPL-2.0-only
"""A kernel package's hooks have its target image staged by systemd, if that's wanted, and taken away.
A target image with the whole system: systemd runs in the new kernel, and after retirement starts
what the old one ran."""

from lib.upgrade import IMAGES, memory_kib, retire, spawn

LONG = True

STAGED = "/var/lib/kho-agent/staged"
# the unit's way through a whole system, but for what takes minutes to be compressed
STAGE = b"[Image]\nStage=yes\nStageOptions=--system --exclude=usr --exclude=opt --exclude=var\n"


def hook(shell, kind, release):
    """As the kernel's package calls it; it returns at once and never fails."""
    shell.run(f"/etc/kernel/{kind}.d/zz-kho-agent {release} /boot/vmlinuz-{release}", 20)


def staged(shell, release, times):
    """Until its unit has ended for so many times, well or not; whether the last one was well."""
    unit = shell.run(f"systemd-escape --template=kho-stage@.service {release}")
    ends = f"journalctl -o cat -u '{unit}' | grep -E '^(Finished|Failed to start) '"
    shell.wait_until(f"test $({ends} | wc -l) -ge {times}", 180)
    return shell.run(f"{ends} | tail -n 1").startswith("Finished")


def stage(lab, old):
    """Not wanted; no such kernel; a kernel, which is removed then."""
    release = lab.release("new")
    hook(old, "postinst", release)
    assert staged(old, release, 1)
    assert old.call(f"test -e {IMAGES}/{release}").rc != 0, "staged, unasked"
    old.write_file("/etc/kho-agent/kho-agent.conf", STAGE)
    hook(old, "postinst", "1.2.3-none")
    assert not staged(old, "1.2.3-none", 1)
    hook(old, "header_postinst", release)
    assert staged(old, release, 2), old.run("journalctl --no-pager -u 'kho-stage@*'")
    assert old.run(f"basename $(readlink {STAGED})") == release
    shown = old.run(f"khoctl image inspect {STAGED}").splitlines()
    lab.step(f"staged: {shown[0]}")
    old.run(f"mv /boot/vmlinuz-{release} /boot/kept")
    hook(old, "postrm", release)
    assert old.call(f"test -e {IMAGES}/{release} || test -L {STAGED}").rc != 0, "still staged"
    assert old.call(f"test -e {IMAGES}/new/manifest").rc == 0, "another image is gone"
    old.run(f"mv /boot/kept /boot/vmlinuz-{release}; rm /etc/kho-agent/kho-agent.conf; "
            "systemctl reset-failed")


def test(lab):
    """Spawn, look around, retire."""
    machine = lab.machine()
    with machine.boot("old") as old:
        stage(lab, old)
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
