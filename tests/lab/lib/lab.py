# SPDX-License-Identifier: GPL-2.0-only
"""What a test is given: machines, a place for its files, steps to show.

A test is a file tests/lab/test_NAME.py with a first line in its docstring that
says what it shows, and a function test(lab) that raises if it isn't so.
"""

import shutil
import time
from pathlib import Path

from .machine import Machine
from .qemu import MachineSpec
from .reactor import Reactor


class Skip(Exception):
    """Raised by a test that can't run here; the message says why."""


class Lab:
    """One test's lab."""

    def __init__(self, name, images):
        self.name, self.images = name, Path(images).resolve()
        self.out = self.images / name
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir(parents=True)
        self.reactor = Reactor()
        self.restarts = 0
        self.machines = []
        self._begin = time.monotonic()

    def machine(self, **spec):
        """A machine of its own; see qemu.MachineSpec for what can be said."""
        machine = Machine(self, f"m{len(self.machines)}", MachineSpec(**spec))
        self.machines.append(machine)
        return machine

    def has_kernel(self, kernel):
        """Whether there's one of that name: "old" and "new" always are."""
        return (self.images / f"{kernel}.release").exists()

    def release(self, kernel):
        """Of one that there is."""
        return (self.images / f"{kernel}.release").read_text().strip()

    def step(self, text):
        """Shows what happens, with the time since the test's start."""
        print(f"  {time.monotonic() - self._begin:8.1f} s  {text}", flush=True)

    def restarted(self, text):
        """Counts a machine that had to be started again."""
        self.restarts += 1
        self.step(f"RESTART: {text}")

    def close(self):
        """Leaves no process."""
        for machine in self.machines:
            machine.kill()
