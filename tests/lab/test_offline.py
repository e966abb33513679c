# SPDX-License-Identifier: GPL-2.0-only
"""CPUs and memory blocks of a stock kernel go offline and come back, at run time."""

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


def test(lab):
    """Takes away, looks, gives back, looks."""
    machine = lab.machine()
    with machine.boot("old") as old:
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
        assert machine.resets() == 0
