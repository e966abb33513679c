# SPDX-License-Identifier: GPL-2.0-only
"""Failures after commit: the new kernel has the workload whatever happens, the move goes on
to its end, and no client notices. A machine for each, since there's no way back."""

from lib.faults import Fault, Faults

TIME_LIMIT = 3600

FAULTS = (
    Fault(15, "the old agent is killed just after commit", old="commit after kill"),
    Fault(15, "the old agent is killed before it forwards", old="forward before kill"),
    Fault(15, "the old agent is killed when it has forwarded", old="forward after kill"),
    Fault(15, "the old agent is killed before the old tasks end", old="discard before kill"),
    Fault(15, "the old agent is killed before the old mount ends", old="forget before kill"),
    Fault(15, "the old agent is killed before all has settled", old="settle before kill"),
    Fault(16, "the new agent is killed before the volume is kept", new="keep before kill"),
    Fault(16, "the new agent is killed before it answers", new="keep answer kill"),
    Fault(16, "the new agent is killed before it announces", new="announce before kill"),
    Fault(16, "the new agent is killed before all has settled", new="settle before kill"),
    Fault(18, "CRIU ends after commit", old="commit after end-criu"),
)


def test(lab):
    """One machine after the other."""
    for number, fault in enumerate(FAULTS):
        Faults(lab, number).run([], last=fault)
