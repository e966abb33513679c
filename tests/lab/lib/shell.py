# SPDX-License-Identifier: GPL-2.0-only
"""Commands in a guest, through lab-shell (guest/lab-shell.c has the protocol).

A line that printk broke up fails its CRC and is ignored here; a result that
stays incomplete is asked for again with the same id, which the guest answers
from memory. So nothing runs twice and nothing is half.
"""

import base64
import itertools
import re
import time
import zlib
from dataclasses import dataclass

from .reactor import SLOWNESS, LabTimeout

LINE = re.compile(r"@LAB (\d+) (\S+) (\S+)(?: (\d+))? ([0-9a-f]{8})(?=\r?\n)")
ASK_AGAIN = 3.0  # seconds without a line before a result is asked for again


class CommandFailed(Exception):
    """A command in the guest exited non-zero or ran out of time."""


@dataclass
class Result:
    """What a command did. rc is -1 if its time ran out."""
    rc: int
    out: str


class Shell:
    """One lab-shell, over one stream."""

    _ids = itertools.count(int(time.time()) % 100000 * 1000 + 1)

    def __init__(self, reactor, stream, kernel):
        self.kernel = kernel  # how messages name it: "old", "ttyS1"
        self._reactor = reactor
        self._stream = stream
        self._scanned = 0
        self._ready = False
        self._reset(0)
        stream.listeners.append(self._on_text)

    def _reset(self, request):
        self._id, self._lines, self._end, self._last = request, {}, None, time.monotonic()

    def _on_text(self, _text):
        text = self._stream.text
        for match in LINE.finditer(text, self._scanned):
            self._scanned = match.end()
            self._on_line(match)

    def _on_line(self, match):
        body, crc = match.group(0).rsplit(" ", 1)
        if zlib.crc32(body.encode()) != int(crc, 16):
            return
        request, kind, value, extra = match.group(1, 2, 3, 4)
        self._ready = self._ready or kind == "ready"
        if int(request) != self._id:
            return
        self._last = time.monotonic()
        if kind == "end":
            self._end = int(value), int(extra)
        elif kind.isdigit():
            self._lines[int(kind)] = value

    def _send(self, body):
        self._stream.send(f"{body} {zlib.crc32(body.encode()):08x}\n".encode())

    def _result(self):
        if self._end is None or len(self._lines) < self._end[1]:
            return None
        data = b"".join(base64.b64decode(self._lines[n]) for n in range(self._end[1]))
        return Result(self._end[0], data.decode("utf-8", "replace"))

    def renew(self):
        """Whoever was behind this port has gone; another kernel's lab-shell will be."""
        self._reset(0)
        self._ready, self._scanned = False, len(self._stream.text)
        return self

    def wait_ready(self, seconds):
        """Waits until lab-shell runs in the guest."""
        asked = [0.0]

        def answered():
            if not self._ready and time.monotonic() - asked[0] > ASK_AGAIN:
                asked[0] = time.monotonic()
                self._send("@LAB 0 0 ping")
            return self._ready

        self._reactor.wait(answered, seconds, f"lab-shell of the {self.kernel} kernel")
        return self

    def start(self, command, timeout=60):
        """Sends a command and returns at once; finish() has its result."""
        self._reset(next(self._ids))
        text = base64.b64encode(command.encode()).decode()
        self._request = f"@LAB {self._id} {int(timeout * SLOWNESS * 1000)} {text}"
        self._started, self._limit, self._command = time.monotonic(), timeout, command
        self._send(self._request)

    def _finished(self):
        result = self._result()
        now = time.monotonic()
        overdue = self._end is not None or now - self._started > self._limit * SLOWNESS
        if result is None and overdue and now - self._last > ASK_AGAIN:
            self._last = now
            self._send(self._request)
        return result

    def poll(self):
        """The Result of the command that start() sent, or None so far."""
        return self._finished()

    def finish(self):
        """The result of the command that start() sent."""
        left = self._limit - (time.monotonic() - self._started) / SLOWNESS
        return self._reactor.wait(self._finished, left + 30,
                                  f"end of '{self._command}' in the {self.kernel} kernel")

    def call(self, command, timeout=60):
        """Runs a command and returns its Result, whatever that is."""
        self.start(command, timeout)
        return self.finish()

    def run(self, command, timeout=60):
        """Runs a command that has to succeed; returns its output, stripped."""
        result = self.call(command, timeout)
        if result.rc == -1:
            raise LabTimeout(f"'{command}' in the {self.kernel} kernel ran longer than {timeout} s:\n"
                             + result.out)
        if result.rc != 0:
            raise CommandFailed(f"'{command}' in the {self.kernel} kernel: exit {result.rc}:\n"
                                + result.out)
        return result.out.strip()

    def run_bg(self, command, log="/dev/null"):
        """Leaves a command running in the guest; returns its pid."""
        quoted = command.replace("'", "'\\''")
        return int(self.run(f"setsid sh -c '{quoted}' >{log} 2>&1 & echo $!"))

    def wait_until(self, command, seconds, what=None):
        """Repeats a command in the guest until it succeeds; one round trip a try."""
        wait = f"until {command}; do sleep 0.2; done"
        result = self.call(wait, seconds)
        if result.rc != 0:
            raise LabTimeout(f"no {what or command} in the {self.kernel} kernel "
                             f"within {seconds} s:\n{result.out}")
        return result.out.strip()

    def write_file(self, path, data):
        """Makes a small file in the guest from bytes or text."""
        data = data.encode() if isinstance(data, str) else data
        text = base64.b64encode(data).decode()
        self.run(f"printf %s '{text}' | base64 -d >'{path}'")
