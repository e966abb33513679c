# SPDX-License-Identifier: GPL-2.0-only
"""Runs one test in this process: used by tests/lab/run, one process a test."""

import importlib.util
import os
import subprocess
import traceback
from pathlib import Path

from .lab import Lab, Skip

TAIL_LINES = 25
FAILED, SKIPPED = 1, 77
WHY = "why"  # the file that says what the failure was


def load(path):
    """Imports a test file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def show_consoles(lab):
    """The end of every console and log that has something."""
    for path in sorted(lab.out.rglob("*.log")):
        lines = path.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        if lines and path.name != "lab0.log":
            print(f"--- end of {path}")
            print("\n".join(f"    {line}" for line in lines), flush=True)


def tell_why(lab, failure):
    """Keeps what is repeated when all tests are over: the failure, and the CPUs of a silence."""
    lines = [f"{type(failure).__name__}: {failure}"]
    for machine in lab.machines:
        lines += [f"{machine.name}: {line}" for line in machine.last_look]
    (lab.out / WHY).write_text("\n".join(lines) + "\n")
    print("\n".join(lines[1:]), flush=True)


def own_network():
    """Network and mount namespaces for this process: taps and client namespaces
    need no names of their own, and are gone with it."""
    os.unshare(os.CLONE_NEWNET | os.CLONE_NEWNS)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    os.makedirs("/run/netns", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "netns", "/run/netns"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def run_one(path, images):
    """Runs one test file; returns an exit status."""
    own_network()
    module = load(Path(path))
    lab = Lab(Path(path).stem.removeprefix("test_"), images)
    try:
        module.test(lab)
    except Skip as reason:
        lab.step(f"skipped: {reason}")
        return SKIPPED
    except Exception as failure:  # whatever it was, it is this test's failure
        traceback.print_exc()
        tell_why(lab, failure)
        lab.close()
        show_consoles(lab)
        return FAILED
    finally:
        lab.close()
    if lab.restarts:
        lab.step(f"machines started again in their own boot: {lab.restarts}")
    return 0
