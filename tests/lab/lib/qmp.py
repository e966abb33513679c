# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's machine protocol: commands with answers, and a record of all events."""

import json

from .stream import Stream


class QmpError(Exception):
    """QEMU refused a command."""


class Qmp:
    """One connection. Events are kept in .events, oldest first."""

    def __init__(self, reactor, path):
        self.events = []
        self._reactor = reactor
        self._answers = []
        self._rest = ""
        self._stream = Stream(reactor, path, "qmp")
        self._stream.listeners.append(self._on_text)
        self.command("qmp_capabilities")

    def _on_text(self, text):
        *lines, self._rest = (self._rest + text).split("\n")
        for line in filter(str.strip, lines):
            message = json.loads(line)
            if "event" in message:
                self.events.append(message)
            elif "QMP" not in message:
                self._answers.append(message)

    def command(self, name, **arguments):
        """Runs a command and returns what it returns."""
        request = {"execute": name}
        if arguments:
            request["arguments"] = arguments
        self._answers.clear()
        self._stream.send(json.dumps(request).encode() + b"\n")
        self._reactor.wait(lambda: self._answers, 60, f"answer to QMP {name}")
        answer = self._answers.pop(0)
        if "error" in answer:
            raise QmpError(f"QMP {name}: {answer['error'].get('desc')}")
        return answer["return"]

    def hmp(self, line):
        """Runs a command of the human monitor and returns its text."""
        return self.command("human-monitor-command", **{"command-line": line})

    def seen(self, name):
        """The events of that name so far."""
        return [event for event in self.events if event["event"] == name]

    def wait_event(self, name, seconds):
        """Waits for an event that has come, or comes, by that name."""
        return self._reactor.wait(lambda: self.seen(name), seconds, f"QMP event {name}")[-1]

    def close(self):
        """Ends the connection."""
        self._stream.close()
