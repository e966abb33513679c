# SPDX-License-Identifier: GPL-2.0-only
"""How long a workload stands still, against how much memory it has.

One task (abmem) of several sizes, all written to at the same rate, moves to the new kernel and
back; what the agent's report says of it is the table. A blackout that grew with memory would show
in the ratio of the largest to the smallest. For comparison plain CRIU stop-and-copy of one size, in the
same run: dump to a folder in memory, copy, restore from the copy, in the old kernel.

The table has medians, build/bench/blackout.json has all. LAB_PROFILE=1 also shows where CRIU spends
its time. Unlike bench-spawn this fails if a goal isn't met: the goals are the project's promise.
"""

import json
import os
import statistics
import time
from pathlib import Path

from lib import profile
from lib.upgrade import move, report, rollback, spawn

TIME_LIMIT = 1500
TIMED = True
RUNS = int(os.environ.get("LAB_CYCLES", "2"))
SIZES = (64, 256, 512, 1024)
COMPARED = 512
RATE = 4  # MiB/s
MAX_GROWTH, MIN_GAIN = 1.5, 10
STEPS = ("freeze", "dump", "restore", "resume")

UNIT = """[Service]
ExecStart=/usr/lib/kho-lab/abmem /run/{name} {mib} {rate}
"""
CONFIG = """
[Workload {name}]
Unit={name}.service
MaxBlackoutSec=60
"""
STOP_AND_COPY = r"""
set -e
mkdir -p /run/plain && mount -t tmpfs -o size=75% tmpfs /run/plain
cd /run/plain && mkdir dump
setsid /usr/lib/kho-lab/abmem /run/plain/beat {mib} {rate} </dev/null >/dev/null 2>&1 &
for i in $(seq 600); do grep -qs beat beat && break; sleep 0.1; done
pid=$(pgrep -f /run/plain/beat)
begin=$(date +%s%N)
criu dump -t $pid -D dump -o dump.log --shell-job --manage-cgroups=ignore -v1
cp -r dump copy
criu restore -d -D copy -o restore.log --shell-job --manage-cgroups=ignore -v1
end=$(date +%s%N)
grep -q BAD beat && exit 1
kill -9 $pid
cd / && umount -l /run/plain
echo $(((end - begin) / 1000))
"""


def stop_and_copy(lab, shell):
    """Milliseconds that plain CRIU takes for it."""
    shell.run("criu check || true", 60)
    shell.write_file("/run/stop-and-copy", STOP_AND_COPY.format(mib=COMPARED, rate=RATE).encode())
    ms = int(shell.run("sh /run/stop-and-copy", 300).splitlines()[-1]) / 1000
    lab.step(f"plain stop-and-copy of {COMPARED} MiB: {ms:.0f} ms")
    return ms


def show_profile(old, new, name):
    """CRIU's logs of the freeze."""
    if os.environ.get("LAB_PROFILE"):
        last = old.run(f"ls -d /run/kho-agent/dump/{name}/* | tail -n 1")
        profile.show("dump", old.run(f"cat {last}/dump.log"))
        profile.show("restore", new.run(f"cat /run/kho-agent/move/{name}/images/restore.log"))


def add_units(shell):
    """One for each move; both kernels know them."""
    for number in range(RUNS):
        for mib in SIZES:
            name = f"mem{mib}-{number}"
            shell.write_file(f"/etc/systemd/system/{name}.service",
                             UNIT.format(name=name, mib=mib, rate=RATE).encode())
    shell.run("systemctl daemon-reload")


def figures_of(lab, old, mib, way):
    """What the last move's report says of its one workload."""
    seen = report(old)
    figures = seen["workloads"][0] | {
        step["name"]: step["duration_ms"] for step in seen["steps"] if step["name"] in STEPS}
    lab.step(f"{mib:5} MiB {way}: frozen {figures['frozen_ms']} ms, {figures['rounds']} rounds, "
             f"{figures['round_bytes'][-1] >> 10} KiB in the last one, "
             + ", ".join(f"{step} {figures.get(step)}" for step in STEPS))
    return figures


def there_and_back(lab, old, new, name, mib):
    """Figures of the two moves of a task of that size."""
    old.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(name=name).encode())
    old.run(f"systemctl start {name}")
    old.wait_until(f"grep -q ^beat /run/{name}", 90)
    move(lab, old, new)
    there = figures_of(lab, old, mib, "there")
    show_profile(old, new, name)
    new.run(f"grep -q ^beat /run/{name}")
    rollback(lab, old, new)
    back = figures_of(lab, old, mib, "back")
    old.run(f"grep -q ^beat /run/{name} && systemctl stop {name}")
    return [there, back]


def median(runs, key):
    """Of one figure."""
    return statistics.median(run[key] for run in runs)


def show(moves, plain_ms):
    """Prints the table; returns the two ratios."""
    print(f"\n  {RATE} MiB/s written, median of {2 * RUNS} moves, times in ms")
    print("  resident  rounds  last round  predicted  frozen    " +
          "".join(f"{step:>9}" for step in STEPS))
    for mib, runs in moves.items():
        last = statistics.median(run["round_bytes"][-1] for run in runs) / 2**10
        print(f"  {mib:4} MiB {median(runs, 'rounds'):7.0f} {last:7.0f} KiB "
              f"{median(runs, 'predicted_ms'):10.0f} {median(runs, 'frozen_ms'):7.0f}    " +
              "".join(f"{median(runs, step):9.0f}" for step in STEPS))
    growth = median(moves[SIZES[-1]], "frozen_ms") / median(moves[SIZES[0]], "frozen_ms")
    gain = plain_ms / median(moves[COMPARED], "frozen_ms")
    print(f"  {SIZES[-1]} MiB stand still {growth:.2f} times as long as {SIZES[0]} MiB "
          f"(goal: < {MAX_GROWTH})")
    print(f"  {COMPARED} MiB by plain stop-and-copy: {plain_ms:.0f} ms, {gain:.1f} times as long "
          f"(goal: >= {MIN_GAIN})\n", flush=True)
    return growth, gain


def keep(lab, moves, plain_ms, ratios):
    """Writes build/bench/blackout.json."""
    path = Path(lab.images.parent, "bench", "blackout.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({
        "time": int(time.time()), "old": lab.release("old"), "new": lab.release("new"),
        "rate_mib": RATE, "moves": moves, "stop_and_copy_ms": plain_ms,
        "growth": ratios[0], "gain": ratios[1],
    }, indent=1) + "\n")


def test(lab):
    """All sizes, RUNS times; sizes take turns, so that a slow moment hits each of them."""
    machine = lab.machine(memory="6G")
    with machine.boot("old") as old:
        plain_ms = stop_and_copy(lab, old)
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=3G")
        new.wait_until("systemctl is-active kho-new.target", 60)
        add_units(old)
        add_units(new)
        moves = {mib: [] for mib in SIZES}
        for number in range(RUNS):
            for mib in SIZES:
                moves[mib] += there_and_back(lab, old, new, f"mem{mib}-{number}", mib)
        ratios = show(moves, plain_ms)
        keep(lab, moves, plain_ms, ratios)
        assert machine.resets() == 0
        assert ratios[0] < MAX_GROWTH and ratios[1] >= MIN_GAIN, ratios
