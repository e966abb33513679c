# SPDX-License-Identifier: GPL-2.0-only
"""Failures in the middle of a move: the workload runs on, no client is reset, nothing is
lost, and the next move works. The numbers are those of the table in docs/moving.md."""

from lib.faults import CLIENTS, Faults
from lib.upgrade import move, retire


def test(lab):
    """One failure after the other, then a move that succeeds."""
    faults = Faults(lab)
    with faults.machine.boot("old") as old:
        faults.set_up(old)
        try:
            faults.need_new()
            lab.step("14: the old agent is killed while CRIU dumps")
            faults.arm("old", "dump after kill 100")
            assert faults.move().rc != 0
            faults.check_stays()
            assert "killed" in faults.report()["result"]
            faults.need_new()
            move(lab, old, faults.new)
        except Exception:
            faults.trouble()
            raise
        retire(lab, old, faults.new)
        seen = faults.load.settle()
        lab.step(f"clients: {seen}")
        assert seen["opened"] == seen["kept"] == CLIENTS and seen["reset"] == 0, seen
        assert seen["lost"] == 0 and seen["wrong"] == 0, seen
        assert faults.machine.resets() == 0
