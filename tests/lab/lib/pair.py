# SPDX-License-Identifier: GPL-2.0-only
"""Two kernels side by side: what must hold whichever of the two stock kernels is
the old one and whichever is the new one."""

import re

from .upgrade import IMAGES, status

TROUBLE = r"BUG:|WARNING:|soft lockup|rcu.*stall|No irq handler|general protection|Oops"
CLOCK_LIMIT_NS = 1_000_000


def discontiguous_blocks(old):
    """Memory blocks with a hole between them that this kernel gives up right now.

    Which ones can be offlined isn't known before it's tried: each is, and onlined
    again.
    """
    wanted, found = 7, []
    for block in range(30, 8, -1):
        path = f"/sys/devices/system/memory/memory{block}/state"
        if old.call(f"echo offline >{path}").rc == 0:
            old.run(f"echo online >{path}")
            found.append(block)
        if len(found) >= wanted + 1 and found[0] - found[-1] >= wanted:
            break
    found.remove(found[len(found) // 2])
    return ",".join(str(block) for block in sorted(found))


def start_load(old):
    """Something to disturb: two busy processes that count."""
    for number in (0, 1):
        file = f"/run/load{number}"
        old.run_bg(f"i=0; while :; do i=$((i+1)); echo $i >{file}.new; mv {file}.new {file}; done")


def check_load(old):
    """Both still count."""
    for number in (0, 1):
        old.wait_until(f"test -s /run/load{number}", 20)
        first = int(old.run(f"cat /run/load{number}"))
        old.wait_until(f"test $(cat /run/load{number}) -gt {first}", 20)


def check_messages(old, new):
    """The agents agree, and know each other."""
    a, b = status(old), status(new)
    assert a["connected"] and b["connected"]
    assert a["upgradeId"] == b["upgradeId"]
    assert a["peerRelease"] == b["release"] and b["peerRelease"] == a["release"]
    assert (a["role"], b["role"]) == ("first", "spawned")
    assert a["lentCpus"] == 2 and b["instance"] == 1


def check_console(lab, old, new):
    """Readable from the first line, and it takes input."""
    console = old.run("khoctl console")
    first = next(line for line in console.splitlines() if "Linux version" in line)
    assert re.search(r"\[ +0\.000000\]", first), first
    assert "Command line: " in console
    new.run_bg("head -n 1 /dev/ttyMK0 >/tmp/typed")
    new.wait_until("pidof head", 10)
    old.run("khoctl console --type='typed in the old kernel\n'")
    new.wait_until("grep -q 'typed in the old kernel' /tmp/typed", 20)
    new.run("echo printed in the new kernel >/dev/ttyMK0")
    lab.reactor.wait(lambda: "printed in the new kernel" in old.run("khoctl console"), 20,
                     "text from the new kernel's tty")


def check_clock(lab, new):
    """What the agent said about the last setting of the clock."""
    offsets = re.findall(r"clock set, (-?\d+) ns off", new.run("dmesg"))
    assert len(offsets) >= 2, offsets
    lab.step(f"clocks differ by {offsets[-1]} ns")
    assert abs(int(offsets[-1])) < CLOCK_LIMIT_NS


def check_pair(lab, first, second):
    """Spawns `second` from `first` with a region in pieces, and looks at everything."""
    machine = lab.machine()
    with machine.boot(first) as old:
        command_line = old.run("cat /proc/cmdline")
        assert command_line == "console=ttyS0 root=/dev/vda", command_line
        blocks = discontiguous_blocks(old)
        start_load(old)
        old.run(f"khoctl spawn {IMAGES}/{second} --cpus=2-3 --blocks={blocks} "
                "--append=lab.port=ttyS1", 180)
        new = machine.shell("ttyS1").wait_ready(60)
        lab.step(f"{new.run('uname -r')} runs on blocks {blocks}")
        assert new.run("uname -r") == lab.release(second)
        assert new.run("nproc") == "2" and old.run("nproc") == "2"
        check_messages(old, new)
        check_console(lab, old, new)
        check_clock(lab, new)
        check_load(old)
        for shell in (old, new):
            trouble = shell.call(f"dmesg | grep -E '{TROUBLE}'").out
            assert not trouble, trouble
        assert machine.resets() == 0
