# SPDX-License-Identifier: GPL-2.0-only
"""Failures of other kinds in a move, one after the other on one machine: of a rehearsal, of time and
memory, and the loss of the new kernel."""

from lib.faults import Fault, Faults

TIME_LIMIT = 3600


def of_rehearsal():
    """A copy is dumped and restored while the workload runs on."""
    for when in ("before", "after"):
        yield Fault(13, f"the old agent is killed {when} sample", rehearsal="yes",
                    old=f"sample {when} kill", says="killed")
    yield Fault(13, "the old agent is killed while a sample is dumped", rehearsal="yes",
                old="sample after kill 200", says="killed")
    yield Fault(18, "CRIU can't be killed while a sample is dumped", rehearsal="yes",
                old="sample after kill-criu 250", health="/usr/bin/false", says="health")
    for when in ("before", "after", "answer"):
        yield Fault(16, f"the new agent is killed {when} rehearse", rehearsal="yes",
                    new=f"rehearse {when} kill", says="started again")
    yield Fault(20, "CRIU is killed in the rehearsal", rehearsal="yes",
                new="rehearse after kill-criu 100")


def of_time():
    """What stands still for too long is thawed. 8 s: on a busy host two pass before the step."""
    for step in ("take", "restore", "resume"):
        yield Fault(21, f"{step} isn't done in time", new=f"{step} before late", frozen=8,
                    says="MaxFrozenSec=")
    yield Fault(21, "the answer is too late", new="restore answer late", frozen=8,
                says="MaxFrozenSec=")


def of_memory():
    """The new kernel has no room for it."""
    yield Fault(20, "the new kernel's memory is full", free=60, says="MiB available; spawn it with more")


def of_kernel():
    """The new kernel is lost."""
    for step in ("prepare", "restore", "health"):
        yield Fault(22, f"the new kernel panics at {step}", new=f"{step} before panic", lost=True)
    yield Fault(22, "the new kernel hangs at restore", new="restore before hang", lost=True)
    yield Fault(30, "garbage in the lane to the new agent", old="restore before garbage", lost=True)
    yield Fault(31, "garbage in the lane to the old agent", new="restore before garbage", lost=True)


def test(lab):
    """All of them."""
    Faults(lab).run([*of_rehearsal(), *of_time(), *of_memory(), *of_kernel()])
