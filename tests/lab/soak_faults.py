# SPDX-License-Identifier: GPL-2.0-only
"""Failures at every step of a move, on each side, one after the other on one machine:
after each the workload runs on, clients keep their connections, the volume is clean."""

from lib.faults import Fault, Faults

TIME_LIMIT = 5400

OLD = ("arm", "pre-copy", "let-go", "catch-up", "sync", "hold", "freeze", "mute", "dump",
       "release", "commit")
NEW = ("prepare", "address", "expect", "take", "restore", "resume", "health")
UNDONE_OLD = ("release", "dump", "mute", "freeze", "hold", "catch-up", "let-go", "pre-copy")
UNDONE_NEW = ("resume", "restore", "take", "address", "prepare")
NO = "/usr/bin/false"


def of_old():
    """At each step of the old side."""
    for step in OLD:
        for when in ("before", "after"):
            # what is after the commit is another story
            if step != "commit" or when == "before":
                yield Fault(14, f"the old agent is killed {when} {step}",
                            old=f"{step} {when} kill", says="killed")
                yield Fault(19, f"{step} fails, {when}", old=f"{step} {when} error", says=step)
    for step in NEW:
        yield Fault(14, f"the old agent is killed when {step} is asked for",
                    old=f"{step} after kill", says="killed")


def of_new():
    """At each step of the new side."""
    for step in NEW:
        for when in ("before", "after", "answer"):
            # of a step that takes its time, or has nothing to do, one is the other
            yield Fault(16, f"the new agent is killed {when} {step}",
                        new=f"{step} {when} kill", says="started again")
        # after health comes commit
        if step != "health":
            yield Fault(16, f"the new agent is killed soon after {step} has begun",
                        new=f"{step} after kill 100", says="started again")
        yield Fault(20, f"{step} fails there", new=f"{step} before error", says=step)


def of_undo():
    """While the failure before, a health command that says no, is undone."""
    for step in UNDONE_OLD:
        yield Fault(50, f"the old agent is killed while it undoes {step}", health=NO,
                    old=f"undo-{step} before kill", says="killed")
    for step in UNDONE_NEW:
        yield Fault(50, f"the new agent is killed while it undoes {step}", health=NO,
                    new=f"undo-{step} before kill", says="health")


def of_rehearsal():
    """A copy is dumped and restored while the workload runs on."""
    for when in ("before", "after"):
        yield Fault(13, f"the old agent is killed {when} sample", rehearsal="yes",
                    old=f"sample {when} kill", says="killed")
    yield Fault(13, "the old agent is killed while a sample is dumped", rehearsal="yes",
                old="sample after kill 200", says="killed")
    yield Fault(18, "CRIU is killed while a sample is dumped", rehearsal="yes",
                old="sample after kill-criu 250")
    for when in ("before", "after", "answer"):
        yield Fault(16, f"the new agent is killed {when} rehearse", rehearsal="yes",
                    new=f"rehearse {when} kill", says="started again")
    yield Fault(20, "CRIU is killed in the rehearsal", rehearsal="yes",
                new="rehearse after kill-criu 100")


def of_criu():
    """CRIU is killed at different times of its work; it can't dump; it can't restore."""
    for ms in (20, 60, 100, 150, 200, 300, 400):
        yield Fault(18, f"CRIU is killed after {ms} ms of the dump",
                    old=f"dump after kill-criu {ms}")
    yield Fault(13, "the old agent is killed while memory is copied", old="pre-copy after kill 200",
                says="killed")
    yield Fault(14, "the old agent is killed while CRIU dumps", old="dump after kill 100",
                says="killed")
    yield Fault(17, "CRIU is killed while it copies memory", old="pre-copy after kill-criu 150")
    yield Fault(18, "CRIU is killed when all is dumped", old="release before kill-criu")
    yield Fault(19, "CRIU fails early in the dump", old="dump before criu-fault 1", says="CRIU")
    yield Fault(20, "CRIU is killed while it restores", new="restore after kill-criu 100")
    yield Fault(20, "kho-restore is killed while it restores", new="restore after kill-restore 100")
    yield Fault(20, "what came is damaged", new="restore before spoil", says="restore")


def of_memory():
    """The new kernel has no room for it."""
    yield Fault(20, "the new kernel's memory is full", free=60, says="MiB available; spawn it with more")


def of_time():
    """What stands still for too long is thawed."""
    for step in ("take", "restore", "resume"):
        yield Fault(21, f"{step} isn't done in time", new=f"{step} before late", frozen=2,
                    says="MaxFrozenSec=")
    yield Fault(21, "the answer is too late", new="restore answer late", frozen=2,
                says="MaxFrozenSec=")


def of_kernel():
    """The new kernel is lost."""
    for step in ("prepare", "restore", "health"):
        yield Fault(22, f"the new kernel panics at {step}", new=f"{step} before panic", lost=True)
    yield Fault(22, "the new kernel hangs at restore", new="restore before hang", lost=True)
    yield Fault(30, "garbage in the lane to the new agent", old="restore before garbage", lost=True)
    yield Fault(31, "garbage in the lane to the old agent", new="restore before garbage", lost=True)


def test(lab):
    """All of them."""
    faults = Faults(lab)
    faults.run([*of_old(), *of_new(), *of_undo(), *of_rehearsal(), *of_criu(), *of_time(),
                *of_memory(), *of_kernel()])
