# SPDX-License-Identifier: GPL-2.0-only
"""Waiting for programs that have no event for what they do."""

import contextlib
import time
import urllib.error

LIMIT = 60
LOOK_SEC = 0.1


def until(what, condition, process):
    """Waits for a condition, as long as the program lives."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{what}: the program has ended"
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            if condition():
                return
        time.sleep(LOOK_SEC)
    raise AssertionError(f"{what}: not within {LIMIT} s")
