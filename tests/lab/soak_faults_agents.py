# SPDX-License-Identifier: GPL-2.0-only
"""Failures at every step of a move, on each side, one after the other on one machine: an agent
is killed, or the step fails. After each the workload runs on, clients keep their connections, the
volume is clean."""

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


def test(lab):
    """All of them."""
    Faults(lab).run([*of_old(), *of_new(), *of_undo()])
