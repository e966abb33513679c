# SPDX-License-Identifier: GPL-2.0-only
"""Failures in the middle of a move: the workload runs on, no client is reset, nothing is
lost, and the next move works. The numbers are those of the table in docs/moving.md; all
steps and sides are in soak_faults_*.py and soak_committed.py."""

from lib.faults import Fault, Faults

LONG = True

FAULTS = (
    Fault(20, "the new kernel's memory is full", free=60,
          says="MiB available; spawn it with more"),
    Fault(14, "the old agent is killed while the volume is away", old="restore after kill 100",
          says="killed"),
    Fault(18, "CRIU ends with sockets in repair mode, and the health command says no",
          old="release before end-criu", health="/usr/bin/false"),
    Fault(18, "CRIU can't be killed in a pre-dump and the dump, and the health command says no",
          old="pre-copy after kill-criu 100\ndump after kill-criu 100", health="/usr/bin/false",
          says="health"),
    Fault(51, "the new kernel can't undo, and is stopped", new="undo-restore before error",
          health="/usr/bin/false", says="health", lost=True),
)
LAST = Fault(15, "both agents are killed after commit", old="commit after kill",
             new="announce before kill")


def test(lab):
    """One failure after the other, then a move that succeeds."""
    Faults(lab).run(FAULTS, LAST)
