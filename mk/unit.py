#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs Check programs and counts each of their tests:  mk/unit.py [--tier=NAME] PROGRAM...

Check writes TAP to a file; a program that dies, hangs or writes none counts as
one failure. What a program prints goes to build/logs/.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from results import Results

LIMIT = 300  # seconds a program
TAP = re.compile(r"^(not )?ok \d+ - (.*)$", re.M)


def run(program, log, tap):
    """Runs a program; returns what went wrong with it as a whole, or None."""
    env = dict(os.environ, CK_TAP_LOG_FILE_NAME=str(tap), CK_VERBOSITY="normal",
               CK_TIMEOUT_MULTIPLIER=os.environ.get("CK_TIMEOUT_MULTIPLIER", "4"))
    with open(log, "wb") as out:
        try:
            status = subprocess.run([program], env=env, stdin=subprocess.DEVNULL, stdout=out,
                                    stderr=out, timeout=LIMIT, check=False).returncode
        except subprocess.TimeoutExpired:
            return f"ran longer than {LIMIT} s"
    if status < 0:
        return f"killed by signal {-status}"
    return None if tap.exists() else f"no test ran (exit status {status})"


def tail(log, lines=30):
    """The end of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def main():
    """Entry point."""
    programs = sys.argv[1:]
    tier = programs.pop(0).removeprefix("--tier=") if programs[:1] == ["--tier=sim"] else "unit"
    results = Results(f"{tier}-san" if os.environ.get("SAN") else tier)
    logs = Path("build/logs")
    logs.mkdir(parents=True, exist_ok=True)
    for program in programs:
        name = Path(program).name.removeprefix("test_").removeprefix(f"{tier}_")
        log, tap = logs / f"{tier}-{name}.log", logs / f"{tier}-{name}.tap"
        tap.unlink(missing_ok=True)
        begin = time.monotonic()
        broken = run(program, log, tap)
        seconds = time.monotonic() - begin
        tests = TAP.findall(tap.read_text(errors="replace")) if tap.exists() else []
        passed = sum(1 for failed, _ in tests if not failed)
        if passed:
            results.add("pass", name, seconds, count=passed)
        for failed, what in tests:
            if failed:
                results.add("fail", f"{name}: {what}")
        if broken:
            results.add("fail", name, seconds, detail=f"{broken}\n{tail(log)}")
    return results.finish()


sys.exit(main())
