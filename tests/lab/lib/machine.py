# SPDX-License-Identifier: GPL-2.0-only
"""Running machines: start, shells and consoles, never a process left.

    machine = lab.machine(cpus=4, disks=[Disk("data")])
    with machine.boot("old") as old:
        old.run("uname -r")
        machine.wait_console("ttyS1", "Linux version", 60)
        new = machine.shell("ttyS1").wait_ready(60)
        assert not machine.resets()
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from .cpus import look_at_cpus
from .gdb import Gdb
from .qemu import CommandLine
from .qmp import Qmp
from .reactor import SLOWNESS, LabTimeout
from .shell import Shell
from .stream import Stream

BOOT_SECONDS = 90
BOOT_SILENCE = 40  # a guest that prints nothing for so long in its boot has stalled
BOOT_LINES = 12
CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
BOOT_TRIES = 3  # emulation stalls a guest in its own boot now and then
CONSOLE = "console=ttyS0 root=/dev/vda"


class MachineDied(Exception):
    """QEMU ended while the test still needed it."""


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Machine:
    """One machine. All its files are in lab.out (build/lab/<test>/)."""

    def __init__(self, lab, name, spec):
        self.name, self.spec = name, spec
        self._lab, self._reactor = lab, lab.reactor
        self.work = lab.out if name == "m0" else lab.out / name
        self.work.mkdir(exist_ok=True)
        self.qmp = None
        self._process = None
        self._streams, self._shells = {}, {}
        self._may_end = False
        self._boot_guard = None
        self._looks = 0
        self.last_look = []  # what its CPUs did when it was waited for in vain

    @contextlib.contextmanager
    def boot(self, kernel="old", append=""):
        """Boots the disk with one of the stock kernels; yields its shell.

        A boot that stalls is tried again and counted: nothing of ours has run
        by then.
        """
        try:
            yield self._boot(kernel, append)
        except LabTimeout:
            self.last_look = self.look_at_cpus()
            raise
        finally:
            self.kill()

    @contextlib.contextmanager
    def boot_image(self, append=""):
        """Makes a machine that boots spec.image; yields a gdb.Gdb that has it to let go."""
        try:
            self._start("image", append)
            yield Gdb(self._reactor, self._run / "gdb")
        finally:
            self.kill()

    def _boot(self, kernel, append):
        for attempt in range(1, BOOT_TRIES + 1):
            self._start(kernel, f"{CONSOLE} {append}".strip())
            self.qmp.command("cont")
            begin = time.monotonic()
            try:
                self._watch_boot()
                shell = self.shell("lab0", kernel).wait_ready(BOOT_SECONDS)
                self._unwatch_boot()
                self._check_clock(shell)
                self._lab.step(f"{self.name} is up on the {kernel} kernel "
                               f"({time.monotonic() - begin:.0f} s)")
                return shell
            except LabTimeout as trouble:
                self._unwatch_boot()
                if attempt == BOOT_TRIES:
                    raise
                last = self.console("ttyS0").text.splitlines()[-BOOT_LINES:]
                last += self.look_at_cpus()
                self.kill()
                self._lab.restarted(f"its boot has failed, starting it again: {trouble}; it printed "
                                    "last:\n" + "\n".join(last))
        raise AssertionError("unreachable")

    def _check_clock(self, shell):
        """On a busy host the emulated clocks disagree at times, and the kernel gives the TSC up."""
        used = shell.run(f"cat {CLOCKSOURCE}")
        if used != "tsc":
            raise LabTimeout(f"{self.name} doesn't trust its TSC, and uses {used}")

    def _watch_boot(self):
        console, seen = self.console("ttyS0"), [0, time.monotonic()]

        def guard():
            if len(console.text) != seen[0]:
                seen[:] = len(console.text), time.monotonic()
            elif time.monotonic() - seen[1] > BOOT_SILENCE * SLOWNESS:
                raise LabTimeout(f"{self.name} has been silent for {BOOT_SILENCE} s")

        self._boot_guard = guard
        self._reactor.guards.append(guard)

    def _unwatch_boot(self):
        if self._boot_guard in self._reactor.guards:
            self._reactor.guards.remove(self._boot_guard)

    def _start(self, kernel, append):
        self._run = Path(tempfile.mkdtemp(prefix="lab-"))
        args = CommandLine(self.spec, self.work, self._run).build(self._lab.images, kernel, append)
        (self.work / "qemu.cmd").write_text(" ".join(args) + "\n")
        with open(self.work / "qemu.log", "ab") as log:
            self._process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                             preexec_fn=_die_with_parent)
        self._may_end = False
        self._exit = os.pidfd_open(self._process.pid)
        self._reactor.add(self._exit, self._on_exit)
        self._reactor.guards.append(self._guard)
        self._reactor.wait((self._run / "qmp").exists, 30, "start of QEMU")
        self.qmp = Qmp(self._reactor, self._run / "qmp")
        for name in [f"ttyS{n}" for n in range(self.spec.serials)] + ["lab0"]:
            self._streams[name] = Stream(self._reactor, self._run / name, f"{name} of {self.name}")

    def _on_exit(self):
        self._reactor.remove(self._exit)
        self._process.wait()

    def _guard(self):
        if self._process.returncode is not None and not self._may_end:
            tail = (self.work / "qemu.log").read_text(errors="replace")[-500:]
            raise MachineDied(f"QEMU of {self.name} ended with {self._process.returncode}: {tail}")

    def console(self, name):
        """The stream of "ttyS0", "ttyS1", ...; its .text is all since the start."""
        return self._streams[name]

    def wait_console(self, name, pattern, seconds, start=0):
        """Waits for a regular expression on a console; returns the match."""
        return self.console(name).wait(pattern, seconds, start)

    def shell(self, port, kernel=None):
        """The shell on a port. wait_ready() before use, on a new one."""
        if port not in self._shells:
            self._shells[port] = Shell(self._reactor, self._streams[port], kernel or port)
        return self._shells[port]

    def resets(self):
        """How often the machine was reset, seen from outside."""
        return len(self.qmp.seen("RESET"))

    def wait_end(self, seconds):
        """Waits until the machine has powered itself off."""
        self._may_end = True
        self._reactor.wait(lambda: self._process.returncode is not None, seconds,
                           f"power-off of {self.name}")

    def look_at_cpus(self):
        """What the CPUs do, a line each; more is in cpus-N.txt. Nothing if it doesn't run."""
        if self._process is None or self._process.returncode is not None:
            return []
        self._looks += 1
        return look_at_cpus(self, self.work / f"cpus-{self._looks}.txt")

    def kill(self):
        """Ends QEMU and forgets its streams. Safe to call twice."""
        if self._process is None:
            return
        self._reactor.guards.remove(self._guard)
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()
            self._reactor.remove(self._exit)
        os.close(self._exit)
        for stream in self._streams.values():
            stream.close()
        self._streams, self._shells = {}, {}
        self.qmp.close()
        shutil.rmtree(self._run, ignore_errors=True)
        self._process = None
