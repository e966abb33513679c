# SPDX-License-Identifier: GPL-2.0-only
"""What the probes cost while they're attached: a byte that goes to another process and back
(two switches and four system calls, which is all that it does) with and without them, on both
kernels. Ratios of one run; times under emulation mean nothing."""

import json

from lib.probes import CGROUP, TOOL

ROUNDS = 2000
TIME_LIMIT = 900


def measure(lab, shell, name):
    """Prints the ratios of one kernel."""
    shell.run(f"mkdir -p {CGROUP}")
    took = json.loads(shell.run(f"{TOOL} overhead {ROUNDS} {CGROUP}", 300))
    base = took["without_us"]
    lab.step(f"{name}: {base:.1f} us a round without probes; workload that leaves "
             f"x{took['leaves_us'] / base:.2f}, that has come x{took['comes_us'] / base:.2f}, "
             f"anything else x{took['others_us'] / base:.2f}")
    assert all(us > 0 for us in took.values()), took


def test(lab):
    """Each kernel by itself."""
    machine = lab.machine(cpus=2, memory="2G")
    for name in ("old", "new"):
        with machine.boot(name) as shell:
            measure(lab, shell, lab.release(name))
