# SPDX-License-Identifier: GPL-2.0-only
"""Waiting for things, in one place.

A Reactor watches file descriptors and calls back when one is readable. Every
wait of the lab is Reactor.wait(): it pumps events until a condition holds or
a deadline passes, so consoles, shells, QMP and QEMU's own exit all move on
whatever the test happens to be waiting for. There are no threads, and no
sleep stands in for an event.
"""

import os
import selectors
import time

# Emulation on a busy host is slow in bursts: one factor for all deadlines
SLOWNESS = float(os.environ.get("LAB_SLOWNESS", "1"))


class LabTimeout(Exception):
    """A deadline passed; the message says what was waited for."""


class Reactor:
    """Descriptors with callbacks, and waits with deadlines."""

    def __init__(self):
        self._selector = selectors.DefaultSelector()
        self.guards = []  # functions that raise if waiting has become pointless

    def add(self, fd, on_readable):
        """Calls on_readable() whenever fd has something."""
        self._selector.register(fd, selectors.EVENT_READ, on_readable)

    def remove(self, fd):
        """Stops watching fd."""
        self._selector.unregister(fd)

    def pump(self, seconds):
        """Handles what comes within that time; returns after the first batch."""
        for key, _ in self._selector.select(seconds):
            key.data()

    def wait(self, condition, seconds, what):
        """Pumps until condition() is true and returns its value."""
        end = time.monotonic() + seconds * SLOWNESS
        while True:
            value = condition()
            if value:
                return value
            for guard in self.guards:
                guard()
            left = end - time.monotonic()
            if left <= 0:
                raise LabTimeout(f"no {what} within {seconds * SLOWNESS:.0f} s")
            self.pump(min(left, 1.0))
