# SPDX-License-Identifier: GPL-2.0-only
"""Failures of CRIU in a move, one after the other on one machine. Whoever tries to kill it while it
is at the tasks can't, so the move goes on, to a health command that says no."""

from lib.faults import Fault, Faults

TIME_LIMIT = 3600


def faults():
    """CRIU can't be killed, whenever it's tried; it ends; it can't dump; it can't restore."""
    for ms in (20, 60, 100, 150, 200, 250, 300, 350, 400, 500):
        yield Fault(18, f"CRIU can't be killed after {ms} ms of the dump",
                    old=f"dump after kill-criu {ms}", health="/usr/bin/false", says="health")
    # whether it's asked before it's seen to be gone is a matter of luck, and so is who tells it
    yield Fault(18, "CRIU ends before it dumps", old="dump before end-criu", says="CRIU")
    yield Fault(13, "the old agent is killed while memory is copied", old="pre-copy after kill 200",
                says="killed")
    yield Fault(14, "the old agent is killed while CRIU dumps", old="dump after kill 100",
                says="killed")
    for ms in (50, 100, 150, 250):
        yield Fault(17, f"CRIU can't be killed after {ms} ms of copying memory",
                    old=f"pre-copy after kill-criu {ms}", health="/usr/bin/false", says="health")
    # which alone would do no harm: docs/limits.md
    yield Fault(18, "CRIU ends when all is dumped, and the health command says no",
                old="release before end-criu", health="/usr/bin/false", says="health")
    # the one that dumps is started while the round before is under way
    yield Fault(19, "CRIU fails early in the dump", old="catch-up before criu-fault 1", says="CRIU")
    yield Fault(20, "CRIU is killed while it restores", new="restore after kill-criu 100")
    yield Fault(20, "kho-restore is killed while it restores", new="restore after kill-restore 100")
    yield Fault(20, "what came is damaged", new="restore before spoil", says="restore")


def test(lab):
    """All of them."""
    Faults(lab).run(list(faults()))
