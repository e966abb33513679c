# SPDX-License-Identifier: GPL-2.0-only
"""Bad input is refused with cause and remedy, and leaves nothing taken."""

from pathlib import Path

from lib.upgrade import IMAGES, memory_kib, status

LONG = True

TOOL = "/run/refuse.py"

# what's wrong with the image, and what the message has to name
BAD_IMAGES = [
    ("truncated", "truncated"),
    ("not-a-kernel", "setup header"),
    ("32-bit", "32-bit"),
    ("other-machine", "ARM64"),
    ("corrupt", "vmlinuz"),
    ("corrupt-initramfs", "initramfs"),
    ("empty-initramfs", "initramfs"),
    ("large-initramfs", "initramfs|contiguous"),
    ("long-command-line", "command line"),
    ("other-kho", "kho-v9"),
]

# options of spawn, and what the message has to name
BAD_OPTIONS = [
    ("--cpus=0", "CPU 0"),
    ("--cpus=17", "CPU 17"),
    ("--cpus=2-x", "2-x"),
    ("--memory=64G", "memory"),
    ("--blocks=0", "block"),
    ("--blocks=999", "block"),
    ("--append=maxcpus=1", "maxcpus"),
]

IOCTLS = [
    ("abi", "EPROTONOSUPPORT"),
    ("reserved", "EINVAL"),
    ("short", "EINVAL"),
    ("no-range", "EINVAL"),
    ("unaligned", "EINVAL"),
    ("wraps", "EINVAL"),
    ("online", "EBUSY"),
    ("not-ram", "ENXIO"),
    ("overlap", "EEXIST"),
    ("not-preserved", "ENXIO"),
    ("unknown-kind", "EINVAL"),
    ("cpu-unknown", "ENOENT"),
    ("cpu-online", "ERANGE"),
    ("doorbells", "EIO EIO EAGAIN"),
    ("unknown-call", "ENOTTY"),
]


def check_clean(old, before):
    """Nothing was left taken."""
    now = status(old)
    assert now["phase"] == "idle" and now["lentCpus"] == 0 and now["regionBytes"] == 0, now
    assert old.run("cat /sys/devices/system/cpu/online") == "0-3"
    assert memory_kib(old) == before


PROBLEMS = []


def refused(old, command, word):
    """It fails at once, and the message has the word (one of several, by "|") and a remedy. All that's wrong
    is gathered: one run tells everything."""
    result = old.call(command, 120)
    message = (result.out.strip().splitlines() or [""])[-1]
    named = any(one.lower() in message.lower() for one in word.split("|"))
    if result.rc not in (1, 3) or not named or ";" not in message:
        PROBLEMS.append(f"{command}: exit {result.rc}, wanted '{word}' and a remedy: {message}")
    return message


def test(lab):
    """Images, options, calls; then one kernel more proves that all still works."""
    machine = lab.machine()
    with machine.boot("old") as old:
        old.write_file(TOOL, (Path(__file__).parent / "guest/refuse.py").read_bytes())
        before = memory_kib(old)
        for what, word in BAD_IMAGES:
            old.run(f"python3 {TOOL} image {IMAGES}/new /var/tmp/bad {what}", 120)
            lab.step(refused(old, "khoctl spawn /var/tmp/bad --memory=1G", word))
            check_clean(old, before)
        for option, word in BAD_OPTIONS:
            lab.step(refused(old, f"khoctl spawn {IMAGES}/new '{option}'", word))
            check_clean(old, before)
        lab.step(refused(old, "khoctl spawn /nowhere", "/nowhere"))
        lab.step(refused(old, "khoctl retire", "spawn"))
        lab.step(refused(old, "khoctl grant 0000:00:01.0", "spawn"))
        for what, errno in IOCTLS:
            got = old.run(f"python3 {TOOL} ioctl {what}")
            if got != errno:
                PROBLEMS.append(f"ioctl {what}: {got}, wanted {errno}")
        result = old.call("setpriv --reuid=nobody --regid=nogroup --clear-groups khoctl reclaim")
        assert result.rc == 8 and "root" in result.out, result
        old.run(f"khoctl spawn {IMAGES}/new --cpus=2-3 --memory=1G", 120)
        lab.step(refused(old, f"khoctl spawn {IMAGES}/new", "under way"))
        result = old.call("echo 1 >/sys/devices/system/cpu/cpu2/online")
        assert result.rc != 0, "a lent CPU was onlined"
        assert old.call("rmmod multikernel").rc != 0
        old.run("khoctl reclaim")
        check_clean(old, before)
        assert machine.resets() == 0
    assert not PROBLEMS, "\n".join(PROBLEMS)
