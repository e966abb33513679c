#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Checks tests/model/upgrade.pml by spin, exhaustively:  mk/model.py [PROPERTY...]

Three kinds of properties, one result line each:

    assertions   PROP_*, and the plain ones of the model: one search with all of them
    formulas     what comes to be, by weak fairness: nobody who can go on is left out for ever
    found wrong  broken variants, which have to violate what they're made to violate, and
                 formulas that deny what has to be among the runs

A search that isn't whole, for lack of memory or of depth, counts as a failure.
"""

import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from results import Results

MODEL = Path("tests/model/upgrade.pml").resolve()
HEADERS = list(Path("kho-agent/upgrade").glob("*.h"))
INCOMPLETE = "the search isn't whole"
MEMORY_MB, DEPTH, LIMIT = 1800, 100000, 240

# What an assertion says when it fails, by the property that it stands for
ASSERTIONS = {
    "one-runner": "task[0]==3)&&(task[1]==3",
    "one-disk": "used[0]&&used[1]",
    "no-thaw-after-commit": "committed)",
    "runs-with-its-disk": "given_up",
    "fenced-first": "peer_lost&&lent",
    "undone-in-reverse": "last_undone",
    "undo-not-cut-short": "acts[",
    "no-criu-when-thawed": "criu[",
    "only-the-owner-commits": "owner_new==me",
}
PROPS = [f"-DPROP_{name}" for name in ("ONE_RUNNER", "ONE_DISK", "NO_THAW", "RUNS_WITH_DISK",
                                       "FENCED_FIRST")]
FORMULAS = ["always_idle", "nothing_lost", "dead_is_taken_back"]
DENIED = ["never_moved", "never_undone", "never_rolled_back", "never_failed_over"]
# Broken variant: what it violates, and by how many faults
BROKEN = {
    "NO_FENCE": ("fenced-first", 1),
    "UNFENCED": ("one-disk", 1),
    "FORGETS_COMMIT": ("no-thaw-after-commit", 1),
    "NO_RECORD": ("nothing_lost", 1),
    "CUT_SHORT": ("no-criu-when-thawed", 2),
    "UNDO_TRUSTED": ("one-disk", 2),
    "NO_SESSIONS": ("one-disk", 2),
    "BEGINS_UNDONE": ("one-disk", 1),
}


def run(command, folder):
    """A tool's output, or an exception with it."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT,
                          check=False)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


def build(folder, faults, broken=None, formulas=False):
    """Makes a search. Compiling it well takes longer than it runs."""
    defines = [f"-DFAULTS={faults}", *([f"-DBROKEN_{broken}"] if broken else []),
               *([] if formulas else PROPS)]
    kind = ["-DNFAIR=3"] if formulas else ["-DSAFETY", "-DNOCLAIM"]
    run(["spin", "-a", *defines, str(MODEL)], folder)
    run(["gcc", "-w", "-O0", *kind, f"-DMEMLIM={MEMORY_MB}", "-o", "pan", "pan.c"], folder)


def search(folder, formula=None):
    """Runs it; pan's output."""
    return run(["./pan", f"-m{DEPTH}", *(["-a", "-f", "-N", formula] if formula else [])], folder)


def verdict(out):
    """What a search has found: None is nothing, and then it has looked at everything."""
    for pattern in (r"pan:\d+: assertion violated (.*) \(at depth", r"pan:\d+: (.*) \(at depth"):
        match = re.search(pattern, out)
        if match:
            return match.group(1)
    whole = "errors: 0" in out and "max search depth too small" not in out
    return None if whole and "Search not completed" not in out else INCOMPLETE


def property_of(found):
    """The name of the property that an assertion stands for."""
    return next((name for name, text in ASSERTIONS.items() if text in found), found)


def size(out):
    """"1217035 states, 254 MB"."""
    states = re.search(r"(\d+) states, stored", out)
    memory = re.search(r"([\d.]+)\s+total actual memory", out)
    return f"{states.group(1)} states, {float(memory.group(1)):.0f} MB" if states and memory else ""


def assertions():
    """(verdict, name, detail) of each."""
    with tempfile.TemporaryDirectory(prefix="model-") as folder:
        build(folder, faults=3)
        out = search(folder)
    found = verdict(out)
    culprit = property_of(found) if found else None
    if culprit and culprit not in ASSERTIONS:
        yield "fail", "assertions", found
    for name in ASSERTIONS:
        if culprit is None or culprit == name:
            yield "fail" if culprit else "pass", name, found or size(out)


def formulas():
    """(verdict, name, detail) of each."""
    with tempfile.TemporaryDirectory(prefix="model-") as folder:
        build(folder, faults=2, formulas=True)
        for name in FORMULAS:
            out = search(folder, name)
            found = verdict(out)
            yield "fail" if found else "pass", name.replace("_", "-"), found or size(out)
        for name in DENIED:
            found = verdict(search(folder, name))
            wrong = found and found != INCOMPLETE
            yield "pass" if wrong else "fail", f"{name.replace('_', '-')}-is-wrong", found or ""


def broken_found(name):
    """One result."""
    expected, faults = BROKEN[name]
    formula = expected if expected in FORMULAS else None
    with tempfile.TemporaryDirectory(prefix="model-") as folder:
        build(folder, faults, name, formula is not None)
        found = verdict(search(folder, formula))
    good = found == "acceptance cycle" if formula else found and property_of(found) == expected
    what = f"broken-{name.lower().replace('_', '-')}-is-found"
    yield "pass" if good else "fail", what, f"{expected}: {found or 'nothing was found'}"


def names():
    """Names of the code that the model uses are the code's, and steps are in its order."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in HEADERS)
    model = MODEL.read_text(encoding="utf-8")
    unknown = [name for name in set(re.findall(r"\b_?KHO_[A-Z_]+\b", model))
               if not re.search(rf"\b{name}\b", text)]
    steps = re.findall(r"#define (KHO_STEP_\w+)\s+\d+", model)
    order = [text.find(f"\t{step}") for step in steps]
    good = not unknown and order == sorted(order)
    yield "pass" if good else "fail", "names", ", ".join(unknown) or "steps are in another order"


def timed(task, *args):
    """Results of a task, and how long it took."""
    begin = time.monotonic()
    try:
        found = list(task(*args))
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        found = [("fail", f"{task.__name__} {' '.join(args)}".strip(), str(error)[-2000:])]
    return found, time.monotonic() - begin


def main():
    """Entry point."""
    results = Results("model")
    tasks = [(assertions,), (names,), (formulas,), *[(broken_found, name) for name in BROKEN]]
    chosen = sys.argv[1:]
    with concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        for found, seconds in pool.map(lambda task: timed(*task), tasks):
            for result, name, detail in found:
                if not chosen or name in chosen:
                    shown = result == "fail" or detail.endswith("MB")
                    results.add(result, name, seconds, detail=detail if shown else "")
                    seconds = 0.0
    return results.finish()


sys.exit(main())
