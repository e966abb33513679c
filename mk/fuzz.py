#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs libFuzzer programs, each for $FUZZ_SECONDS:  mk/fuzz.py PROGRAM...

As many at a time as there are CPUs: each is one thread. Seeds come from
tests/fuzz/corpus/NAME/ and what is found new is kept in build/fuzz/corpus/NAME/.
An input that fails is left in build/fuzz/ by a name that starts with NAME-.
"""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from results import Results


def command(program, name, seconds):
    """One fuzzer's command line."""
    found = Path("build/fuzz/corpus", name)
    found.mkdir(parents=True, exist_ok=True)
    seeds = Path("tests/fuzz/corpus", name)
    words = [program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
             "-print_final_stats=1", f"-artifact_prefix=build/fuzz/{name}-", str(found)]
    return words + ([str(seeds)] if seeds.is_dir() else [])


def run(program, seconds):
    """Runs one; returns what Results.add() takes."""
    name = Path(program).name.removeprefix("fuzz_")
    log = Path(f"build/logs/fuzz-{name}.log")
    begin = time.monotonic()
    with open(log, "wb") as out:
        status = subprocess.run(command(program, name, seconds), stdin=subprocess.DEVNULL,
                                stdout=out, stderr=out, timeout=seconds + 120,
                                check=False).returncode
    text = log.read_text(errors="replace")
    runs = re.search(r"number_of_executed_units: *(\d+)", text)
    detail = f"{int(runs.group(1)):,} inputs" if runs else ""
    if status:
        detail = "\n".join(text.splitlines()[-40:])
    return "fail" if status else "pass", name, time.monotonic() - begin, 1, detail


def main():
    """Entry point."""
    results = Results("fuzz")
    seconds = int(os.environ.get("FUZZ_SECONDS") or 5)
    Path("build/logs").mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for outcome in pool.map(lambda program: run(program, seconds), sys.argv[1:]):
            results.add(*outcome)
    return results.finish()


sys.exit(main())
