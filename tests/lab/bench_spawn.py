# SPDX-License-Identifier: GPL-2.0-only
"""How long a spawn takes, how fast the channel is, how much the agent takes.

Ratios of what one run measured, since emulation has no absolute figures:

    spawn      start of the CPU to the new agent's hello, by the old agent's clock, against what
               the same kernel and initramfs take from the kernel's entry to its first process in
               a machine of its own with as many CPUs and as much memory. There the CPU's time
               stamp counter is read at the entry through QEMU's debugger port, and "lab: tsc"
               lines tie the times of the kernel's log to that counter: all by the guest's clock
    channel    khoctl bench: bulk data against memcpy on the same CPU
    agent      of both kernels' agents while they're connected and have nothing to do

Each is measured RUNS times; the table has the medians, build/bench/spawn.json has all. A goal
that isn't met is no failure; a figure that can't be had is.
"""

import json
import re
import statistics
import subprocess
import time
from pathlib import Path

from lib.upgrade import IMAGES

TIME_LIMIT = 1200
RUNS = 3
CPUS, MEMORY = 2, "1G"
ENTRY = 0x100000  # where a bzImage's protected-mode code is put, and entered
LAB_SHELL = "/usr/lib/kho-lab/lab-shell"
IDLE_SECONDS = 10
RSS_MAX_KIB = 20 << 10
IDLE_MAX_PERCENT = 0.5  # of one CPU: heartbeats
STAMP = re.compile(r"\[ *(\d+\.\d+)\] lab: tsc (\d+)")
FIRST_PROCESS = r"Run /init as init process"
INIT = r"kho-init: .* is up after"
CONNECTED = r"connected to "


def log_time(log, pattern):
    """When a line was logged, in seconds of that kernel's log."""
    match = re.search(r"\[ *(\d+\.\d+)\] .*" + pattern, log)
    if not match:
        raise AssertionError(f"the kernel's log has no line '{pattern}':\n{log[-2000:]}")
    return float(match[1])


def log_with_stamps(shell):
    """The kernel's log with two "lab: tsc" lines at its end, some time apart."""
    return shell.run(f"{LAB_SHELL} --stamp; sleep 2; {LAB_SHELL} --stamp; dmesg")


def log_time_of(log, tsc):
    """The time in the log at which the counter had that value; may be negative."""
    (t1, c1), (t2, c2) = ((float(t), int(c)) for t, c in STAMP.findall(log)[-2:])
    return t1 - (c1 - tsc) * (t2 - t1) / (c2 - c1)


def take_image(lab, name):
    """Copies a target image out of the disk; returns its folder."""
    folder = lab.out / name
    folder.mkdir()
    for file in ("vmlinuz", "initramfs.img"):
        subprocess.run(["debugfs", "-R", f"dump {IMAGES}/{name}/{file} {folder / file}",
                        str(lab.images / "disk.img")], check=True, capture_output=True)
    return folder


def boot_alone(lab, image):
    """Boots the image in a machine of its own; returns times from the entry in ms."""
    machine = lab.machine(cpus=CPUS, memory=MEMORY, image=image)
    with machine.boot_image("lab.port=ttyS1") as gdb:
        gdb.run_to(ENTRY, 60)
        tsc = gdb.tsc()
        gdb.let_go()
        log = log_with_stamps(machine.shell("ttyS1", "lone").wait_ready(120))
    (machine.work / "dmesg").write_text(log)
    entry = log_time_of(log, tsc)
    return {"alone_process_ms": (log_time(log, FIRST_PROCESS) - entry) * 1000,
            "alone_init_ms": (log_time(log, INIT) - entry) * 1000}


def agent_figures(shell, kernel):
    """Memory of the agent, and CPU time while it's idle."""
    text = shell.run("cd /proc/$(pidof kho-agent) && grep -E 'VmHWM|VmRSS|RssAnon' status; "
                     f"cat stat schedstat; sleep {IDLE_SECONDS}; cat stat schedstat", 60)
    kib = {name: int(value) for name, value in re.findall(r"(Vm\w+|Rss\w+):\s+(\d+) kB", text)}
    ticks = [sum(map(int, line.split(")")[-1].split()[11:13]))
             for line in re.findall(r"^\d+ \(kho-agent\).*", text, re.M)]
    ran = [int(ns) for ns in re.findall(r"^(\d+) \d+ \d+$", text, re.M)]
    return {f"{kernel}_rss_kib": kib["VmRSS"], f"{kernel}_anon_kib": kib["RssAnon"],
            f"{kernel}_peak_kib": kib["VmHWM"], f"{kernel}_idle_ticks": ticks[1] - ticks[0],
            f"{kernel}_idle_ms": (ran[1] - ran[0]) / 1e6}


def spawn(lab, machine, old):
    """One spawn and all that is measured while both kernels are there."""
    answer = json.loads(old.run(f"khoctl --json spawn {IMAGES}/new --cpus=2-3 --memory={MEMORY} "
                                "--append=lab.port=ttyS1 2>/dev/null", 180))
    new = machine.shell("ttyS1", "new").wait_ready(60)
    log = new.run("dmesg")
    (lab.out / "dmesg-spawned").write_text(log)
    hello = answer["helloMs"]
    start = log_time(log, CONNECTED) - hello / 1000
    bench = json.loads(old.run("khoctl --json bench 2>/dev/null", 120))
    return {
        "hello_ms": hello,
        "spawned_process_ms": (log_time(log, FIRST_PROCESS) - start) * 1000,
        "spawned_init_ms": (log_time(log, INIT) - start) * 1000,
        "round_trip_us": bench["roundTripNs"] / 1e3,
        "bulk_mib": bench["bulkBytesPerSec"] / 2**20,
        "bulk_crc_mib": bench["bulkCrcBytesPerSec"] / 2**20,
        "memcpy_mib": bench["memcpyBytesPerSec"] / 2**20,
        "bulk_to_memcpy": bench["bulkBytesPerSec"] / bench["memcpyBytesPerSec"],
        "bulk_crc_to_memcpy": bench["bulkCrcBytesPerSec"] / bench["memcpyBytesPerSec"],
        **agent_figures(old, "old"), **agent_figures(new, "new"),
    }


def one_run(lab, machine, old, image):
    """All figures once. The machine stands still while the other one boots."""
    machine.qmp.command("stop")
    figures = boot_alone(lab, image)
    machine.qmp.command("cont")
    figures |= spawn(lab, machine, old)
    figures["spawn_ratio"] = figures["hello_ms"] / figures["alone_process_ms"]
    old.run("khoctl reclaim", 60)
    lab.step(f"spawn {figures['hello_ms']:.0f} ms, alone {figures['alone_process_ms']:.0f} ms: "
             f"{figures['spawn_ratio']:.2f}; bulk {figures['bulk_to_memcpy']:.2f} of memcpy")
    return figures


# What is shown: text, figure, format, goal as text, whether a value meets it
ROWS = [
    ("spawn: CPU start to hello", "hello_ms", "{:.0f} ms", "", None),
    ("  to the first process", "spawned_process_ms", "{:.0f} ms", "", None),
    ("  to its first line", "spawned_init_ms", "{:.0f} ms", "", None),
    ("alone: entry to the first process", "alone_process_ms", "{:.0f} ms", "", None),
    ("  to its first line", "alone_init_ms", "{:.0f} ms", "", None),
    ("spawn / alone", "spawn_ratio", "{:.2f}", "<= 1.3", lambda v: v <= 1.3),
    ("control round trip", "round_trip_us", "{:.0f} us", "", None),
    ("memcpy", "memcpy_mib", "{:.0f} MiB/s", "", None),
    ("bulk", "bulk_mib", "{:.0f} MiB/s", "", None),
    ("bulk / memcpy", "bulk_to_memcpy", "{:.2f}", ">= 0.5", lambda v: v >= 0.5),
    ("bulk with CRC", "bulk_crc_mib", "{:.0f} MiB/s", "", None),
    ("bulk with CRC / memcpy", "bulk_crc_to_memcpy", "{:.2f}", "", None),
] + [row for kernel in ("old", "new") for row in (
    (f"agent, {kernel} kernel: resident", f"{kernel}_rss_kib", "{:.0f} KiB", "< 20480 KiB",
     lambda v: v < RSS_MAX_KIB),
    ("  anonymous", f"{kernel}_anon_kib", "{:.0f} KiB", "", None),
    ("  peak", f"{kernel}_peak_kib", "{:.0f} KiB", "", None),
    (f"  CPU in {IDLE_SECONDS} s idle", f"{kernel}_idle_ms", "{:.1f} ms",
     f"<= {IDLE_MAX_PERCENT} %", lambda v: v <= IDLE_MAX_PERCENT * IDLE_SECONDS * 10),
    ("  ticks of 10 ms", f"{kernel}_idle_ticks", "{:.0f}", "", None),
)]


def show(medians):
    """Prints the table."""
    print(f"\n  {'figure (median of ' + str(RUNS) + ')':34} {'value':>12}  {'goal':12} met")
    for text, name, form, goal, met in ROWS:
        verdict = "" if met is None else "yes" if met(medians[name]) else "NO"
        print(f"  {text:34} {form.format(medians[name]):>12}  {goal:12} {verdict}".rstrip())
    print(flush=True)


def keep(lab, runs, medians):
    """Writes build/bench/spawn.json."""
    path = Path(lab.images.parent, "bench", "spawn.json")
    path.parent.mkdir(exist_ok=True)
    goals = {name: {"goal": goal, "met": met(medians[name])}
             for _text, name, _form, goal, met in ROWS if met}
    path.write_text(json.dumps({
        "time": int(time.time()), "old": lab.release("old"), "new": lab.release("new"),
        "cpus": CPUS, "memory": MEMORY, "median": medians, "goals": goals, "runs": runs,
    }, indent=1) + "\n")


def test(lab):
    """Measures; fails only if something can't be measured."""
    image = take_image(lab, "new")
    machine = lab.machine()
    with machine.boot("old") as old:
        runs = [one_run(lab, machine, old, image) for _ in range(RUNS)]
    medians = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    keep(lab, runs, medians)
    show(medians)
