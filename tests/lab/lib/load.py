# SPDX-License-Identifier: GPL-2.0-only
"""The load clients (client/load.py, client/stream.py) in a client's namespace."""

import json
import signal
import subprocess
from pathlib import Path

CLIENTS = Path(__file__).parent.parent / "client"


class Load:
    """Runs from start() to stop(), which returns what the clients have seen."""

    program, went_on = "load.py", "all answered"
    _number = 0

    def __init__(self, lab, client, *arguments):
        self._lab = lab
        Load._number += 1
        self._path = lab.out / f"load{Load._number}.log"
        self._log = self._path.open("w+")
        self._process = client.start("python3", str(CLIENTS / self.program), *arguments, text=True,
                                     stdin=subprocess.PIPE, stdout=self._log, stderr=self._log)
        lab.reactor.wait(lambda: "ready" in self._text() or self._process.poll() is not None, 60,
                         "connections of the load client")
        if self._process.poll() is not None:
            raise AssertionError(f"the load client could not connect:\n{self._text()}")

    def _text(self):
        self._log.flush()
        return self._path.read_text()

    def settle(self):
        """Waits until every connection has had an answer from now on, then stops."""
        self.settle_on()
        return self.stop()

    def settle_on(self, seconds=60):
        """Waits until every connection has had an answer, or bytes, from now on."""
        seen = self._text().count(self.went_on)
        self._process.send_signal(signal.SIGUSR1)
        self._lab.reactor.wait(lambda: self._text().count(self.went_on) > seen or
                               self._process.poll() is not None, seconds,
                               "an answer to every client")

    def stop(self):
        """Ends the load; returns its summary."""
        self._process.stdin.close()
        self._lab.reactor.wait(lambda: self._process.poll() is not None, 150, "the load's end")
        lines = self._text().splitlines()
        if self._process.returncode != 0:
            raise AssertionError("the load client failed:\n" + "\n".join(lines[-20:]))
        return json.loads(lines[-1])


class Streams(Load):
    """Connections that are full both ways."""

    program, went_on = "stream.py", "all went on"


class Ledger(Load):
    """PostgreSQL's, which know what was committed."""

    program = "ledger.py"
