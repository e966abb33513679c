# SPDX-License-Identifier: GPL-2.0-only
"""A lab machine boots Debian 13 with its stock kernel, and our way in works. CPUs and memory
blocks of that kernel go offline and come back, at run time. Probes do, too."""

from lib.probes import check_cycles

CPUS = (2, 3)
BLOCKS = 4  # of 128 MiB

OFFLINE_BLOCKS = f"""
set -e
cd /sys/devices/system/memory
taken=
for block in $(ls -d memory* | sort -rV); do
	[ "$(cat $block/state)" = online ] || continue
	if echo offline 2>/dev/null >$block/state; then taken="$taken $block"; fi
	[ $(echo $taken | wc -w) -lt {BLOCKS} ] || break
done
echo $taken
"""


def set_cpus(shell, value):
    """Brings the CPUs up or down."""
    for cpu in CPUS:
        shell.run(f"echo {value} >/sys/devices/system/cpu/cpu{cpu}/online")


def total_kib(shell):
    """MemTotal."""
    return int(shell.run("awk '/MemTotal/ { print $2 }' /proc/meminfo"))


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


def take_and_give_back(lab, old):
    """Takes CPUs and memory away, looks, gives them back, looks."""
    before = total_kib(old)
    set_cpus(old, 0)
    assert old.run("cat /sys/devices/system/cpu/online") == "0-1"
    taken = old.run(OFFLINE_BLOCKS).split()
    lab.step(f"offline: CPUs {CPUS} and {' '.join(taken)}")
    assert len(taken) == BLOCKS
    assert before - total_kib(old) == BLOCKS * 128 * 1024
    for block in taken:
        old.run(f"echo online >/sys/devices/system/memory/{block}/state")
    set_cpus(old, 1)
    assert total_kib(old) == before
    assert old.run("nproc") == "4"


def test(lab):
    """Boots, looks around, takes and gives back, powers off."""
    machine = lab.machine()
    with machine.boot("old") as old:
        check_system(lab, old, "old")
        old.run("command -v criu redis-server nginx python3 zstd cpio")
        assert "root=/dev/vda" in old.run("cat /proc/cmdline")
        take_and_give_back(lab, old)
        check_cycles(lab, old, 10)
        assert machine.resets() == 0
        old.start("systemctl poweroff")
        machine.wait_end(60)
