# SPDX-License-Identifier: GPL-2.0-only
"""What the probes cost while they're attached, on both kernels. The worst case: a byte that goes to
another process and back (two switches and four system calls, which is all that it does). And the
demo's server under load: how many requests a redis answers whose clients ask as fast as they can.
Ratios of one run; times under emulation mean nothing."""

import json
import statistics

from lib.probes import CGROUP, TOOL
from lib.service import start_redis

ROUNDS = 2000
PAIRS, REQUESTS = 5, 20000
TIME_LIMIT = 900
TIMED = True
REDIS = "/sys/fs/cgroup/system.slice/redis-server.service"


def worst_case(lab, shell, name):
    """Prints the ratios of one kernel."""
    shell.run(f"mkdir -p {CGROUP}")
    took = json.loads(shell.run(f"{TOOL} overhead {ROUNDS} {CGROUP}", 300))
    base = took["without_us"]
    lab.step(f"{name}: {base:.1f} us a round without probes; workload that leaves "
             f"x{took['leaves_us'] / base:.2f}, that has come x{took['comes_us'] / base:.2f}, "
             f"anything else x{took['others_us'] / base:.2f}")
    assert all(us > 0 for us in took.values()), took


def requests_a_second(shell):
    """That redis answers."""
    told = shell.run(f"redis-benchmark --csv -t incr -n {REQUESTS} -c 10", 120)
    return float(told.splitlines()[-1].split(",")[1].strip('"'))


def with_probes(shell, side):
    """The same, with those of a workload that leaves, or that has come."""
    shell.run_bg(f"sleep 600 | {TOOL} run {REDIS} {side}", "/run/probes.log")
    shell.wait_until("grep -q ready /run/probes.log", 30)
    answered = requests_a_second(shell)
    shell.run("pkill -x sleep")
    shell.wait_until("! pgrep -x lab-bpf", 30)
    return answered


def under_load(lab, shell, name):
    """With and without take turns, so that a slow moment hits both."""
    start_redis(shell)
    requests_a_second(shell)
    for side in ("leaves", "comes"):
        ratios = []
        for _ in range(PAIRS):
            without = requests_a_second(shell)
            ratios.append(without / with_probes(shell, side))
        lab.step(f"{name}: a request of redis takes x{statistics.median(ratios):.2f} with the probes of a "
                 f"workload that {side} ({min(ratios):.2f} to {max(ratios):.2f} of {PAIRS})")
        assert 0 < statistics.median(ratios) < 2, ratios


def test(lab):
    """Each kernel by itself."""
    machine = lab.machine(cpus=2, memory="2G")
    for name in ("old", "new"):
        with machine.boot(name) as shell:
            worst_case(lab, shell, lab.release(name))
            under_load(lab, shell, lab.release(name))
