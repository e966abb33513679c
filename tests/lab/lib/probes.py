# SPDX-License-Identifier: GPL-2.0-only
"""The agent's probes in the guest's kernels: by themselves (guest/bpf.c), and in reports."""

import json

TOOL = "/usr/lib/kho-lab/lab-bpf"
CGROUP = "/sys/fs/cgroup/lab-probes"
PROGRAMS = 10  # of all probes, on the side that workloads come to


def _count(shell):
    """Programs, maps and links that the kernel holds."""
    return json.loads(shell.run(f"{TOOL} count"))


def check_cycles(lab, shell, times):
    """All of them are loaded, attached and taken off, many times; nothing is left."""
    shell.run(f"mkdir -p {CGROUP}")
    before = _count(shell)
    done = json.loads(shell.run(f"{TOOL} cycle {times} {CGROUP}", 600))
    lab.step(f"probes, {times} times: {done}")
    assert not any(done["why"].values()), done["why"]
    assert before["ours"] == 0 and done["meanwhile"]["ours"] == PROGRAMS, done
    assert done["fds_before"] == done["fds_after"], done
    # the kernel frees them when nobody can be in them any more
    lab.reactor.wait(lambda: _count(shell) == before, 60, f"all of them gone, as before: {before}")
    shell.run(f"rmdir {CGROUP}")


def check_gone(lab, *shells):
    """No move is under way: no probe is there."""
    for shell in shells:
        lab.reactor.wait(lambda: _count(shell)["ours"] == 0, 60, "all probes gone")


def measured(report, workload=0):
    """What the probes saw of a workload; nothing may be missing."""
    seen = report["workloads"][workload]["measured"]
    assert "not_measured" not in seen and seen["dropped"] == 0, seen
    return seen


def check_plausible(report, clients):
    """Against the agent's own clock, and what clients outside saw."""
    seen, frozen_ms = measured(report), report["workloads"][0]["frozen_ms"]
    # the agent counts from before it asks for the freeze until it's told of the resume
    assert 0 < seen["frozen_us"] <= (frozen_ms + 1) * 1000, (seen, frozen_ms)
    assert seen["frozen_us"] >= frozen_ms * 500, (seen, frozen_ms)
    assert seen["frozen_us"] < seen["silent_us"], seen
    assert seen["first_syscall_us"] <= seen["first_packet_us"], seen
    # a client asks once in a period, so its gap is longer than the silence by a part of that, or by
    # all of it; and a busy host's client is late by itself: soak_blackout_agrees is strict
    shortest, longest = clients["blackout_ms"], clients["longest_gap_ms"]
    slack = max(0.25 * shortest, 50)
    assert shortest - slack <= seen["silent_us"] / 1000 <= longest + slack, (seen, clients)
    for address in report["addresses"]:
        assert {"old", "new"} <= address.keys(), address
        assert address["new"]["resets_sent"] == address["old"]["resets_sent"] == 0, address
