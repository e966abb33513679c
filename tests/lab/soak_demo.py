# SPDX-License-Identifier: GPL-2.0-only
"""The demo ten times in a row: no connection lost, no answer lost or wrong, no byte of the
volume lost, no reset. LAB_CYCLES= says how often."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TIMES = int(os.environ.get("LAB_CYCLES", "10"))
TIME_LIMIT = 12000
TIMED = True


def one(lab, number):
    """Runs it in a process of its own; returns its report. It checks what it promises itself."""
    status = subprocess.run([sys.executable, str(HERE / "run"), "--one", str(HERE / "demo.py")],
                            check=False).returncode
    assert status == 0, f"demo {number} failed"
    seen = json.loads((lab.images.parent / "demo" / "report.json").read_text())
    (lab.out / f"report{number}.json").write_text(json.dumps(seen, indent=2) + "\n")
    client = seen["client"]
    lab.step(f"demo {number}: blackout {client['blackout_ms']} ms, {client['answered']} answers, "
             f"stop-and-copy {seen['baseline']['ratio']} times as long")
    return seen


def test(lab):
    """As often as it takes; then what they had in common."""
    reports = [one(lab, number) for number in range(1, TIMES + 1)]
    total = {key: sum(r["client"][key] for r in reports)
             for key in ("opened", "kept", "reset", "sent", "answered", "lost", "wrong")}
    missing = sum(r["volume"]["missing_bytes"] for r in reports)
    blackouts = [r["client"]["blackout_ms"] for r in reports]
    lab.step(f"{TIMES} demos: {total}, {missing} bytes missing")
    lab.step(f"blackout: median {statistics.median(blackouts):.0f} ms, longest "
             f"{max(blackouts):.0f} ms; ratios {[r['baseline']['ratio'] for r in reports]}")
    assert total["kept"] == total["opened"] and total["reset"] == 0
    assert total["lost"] == 0 and total["wrong"] == 0 and missing == 0
    assert total["answered"] == total["sent"]
