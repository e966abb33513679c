# SPDX-License-Identifier: GPL-2.0-only
"""Failures in the middle of a move: the workload runs on, no client is reset, nothing is
lost, and the next move works. The numbers are those of the table in docs/moving.md."""

from lib.faults import Fault, Faults

FAULTS = (
    Fault(13, "the old agent is killed while memory is copied", old="pre-copy after kill 200",
          says="killed"),
    Fault(14, "the old agent is killed while CRIU dumps", old="dump after kill 100", says="killed"),
    Fault(14, "the old agent is killed while the volume is away", old="restore after kill 100",
          says="killed"),
    Fault(15, "the old agent is killed just before commit", old="commit before kill", says="killed"),
    Fault(16, "the new agent is killed while CRIU restores", new="restore after kill 100",
          says="started again"),
    Fault(16, "the new agent is killed when tasks run there", new="health before kill",
          says="started again"),
    Fault(18, "CRIU is killed while it dumps", old="dump after kill-criu 250", says="criu"),
    Fault(20, "CRIU can't restore", new="restore before spoil", says="restore"),
    Fault(21, "the frozen budget is spent", new="restore before late", frozen=2,
          says="MaxFrozenSec="),
)


def test(lab):
    """One failure after the other, then a move that succeeds."""
    Faults(lab).run(FAULTS)
