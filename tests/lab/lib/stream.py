# SPDX-License-Identifier: GPL-2.0-only
"""A Unix-socket character device of QEMU, as seen by the driver."""

import re
import socket


class Stream:
    """Keeps all that came in, tells listeners, and sends.

    QEMU itself writes the same bytes to a log file, so nothing is lost when
    the driver is not looking.
    """

    def __init__(self, reactor, path, name):
        self.name = name
        self.text = ""
        self.listeners = []
        self._reactor = reactor
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(path))
        reactor.add(self._socket, self._on_readable)

    def _on_readable(self):
        data = self._socket.recv(65536)
        if not data:
            self._reactor.remove(self._socket)
            return
        text = data.decode("utf-8", "replace")
        self.text += text
        for listener in self.listeners:
            listener(text)

    def send(self, data):
        """Sends bytes; blocks no longer than the guest takes to read them."""
        self._socket.sendall(data)

    def search(self, pattern, start=0):
        """The first match of a regular expression from offset start on."""
        return re.compile(pattern, re.M).search(self.text, start)

    def wait(self, pattern, seconds, start=0):
        """Waits until the pattern appears and returns the match."""
        return self._reactor.wait(lambda: self.search(pattern, start), seconds,
                                  f"'{pattern}' on {self.name}")

    def close(self):
        """Safe to call twice."""
        try:
            self._reactor.remove(self._socket)
        except (KeyError, ValueError):
            pass
        self._socket.close()
