#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A client on another host: connections that are full both ways, every byte checked.

    stream.py --to HOST:PORT ... --connections 100

The server is zoo_service.c ("zoo stream"). Each connection sends its number (4 bytes,
little endian), then a pattern made from it, as fast as it's taken, and reads such a
pattern, slowly: so data waits unread and unsent in both directions. A byte lost,
doubled or wrong shows. When standard input ends it sends no more, reads the rest to
its end, and prints one JSON object. On SIGUSR1 it prints "all went on" once every
connection has read something since.
"""

import argparse
import json
import selectors
import signal
import socket
import sys
import time

PATTERN = 65521  # a prime
BUFFER = 16384
PORTION = 2048  # read by a connection in a turn
TURN = 0.2  # seconds
END_SECONDS = 120


def make_pattern():
    """As the server makes it, twice over so that a piece is a slice."""
    x, out = 1, bytearray()
    for _ in range(PATTERN):
        x = (x * 1103515245 + 12345) & 0xffffffff
        out.append(x >> 16 & 0xff)
    return bytes(out) * 2


TWICE = make_pattern()


class Connection:
    """One connection and what went over it."""

    def __init__(self, number, address):
        self.number = number
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        self.socket.settimeout(30)
        self.socket.connect(address)
        self.socket.sendall(number.to_bytes(4, "little"))
        self.socket.setblocking(False)
        self.sent = self.read = self.wrong = 0
        self.why, self.ended = "", False
        self.longest, self.last = 0.0, time.monotonic()

    def piece(self, direction, at, size):
        """Of the pattern, from byte at on."""
        begin = (self.number * 7919 + direction * 104729 + at) % PATTERN
        return TWICE[begin:begin + size]

    def fail(self, error):
        """It's over before its time."""
        self.why, self.ended = repr(error), True

    def write_some(self):
        """All that goes in."""
        try:
            while not self.ended:
                self.sent += self.socket.send(self.piece(1, self.sent, BUFFER))
        except BlockingIOError:
            pass
        except OSError as error:
            self.fail(error)

    def read_some(self, portion):
        """No more than a portion."""
        try:
            data = self.socket.recv(portion)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(error)
            return
        if not data:
            self.ended = True
            return
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last), now
        self.wrong += data != self.piece(0, self.read, len(data))
        self.read += len(data)


def run(connections, stdin):
    """Turns, until the input ends."""
    selector, waiting = selectors.DefaultSelector(), None
    selector.register(stdin, selectors.EVENT_READ)
    asked = []
    signal.signal(signal.SIGUSR1, lambda *_: asked.append(True))
    while not selector.select(TURN):
        for connection in connections:
            connection.write_some()
            connection.read_some(PORTION)
        if asked:
            asked.clear()
            waiting = {c: c.read for c in connections}
        if waiting is not None and all(c.ended or c.read > n for c, n in waiting.items()):
            print("all went on", flush=True)
            waiting = None


def finish(connections):
    """Nothing more is sent; what the server still has to say is read."""
    for connection in connections:
        if not connection.ended:
            connection.socket.shutdown(socket.SHUT_WR)
    end = time.monotonic() + END_SECONDS
    while time.monotonic() < end and not all(c.ended for c in connections):
        for connection in connections:
            if not connection.ended:
                connection.read_some(1 << 16)
        time.sleep(0.01)


def main():
    """Opens, says "ready", runs, tells."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", action="append", default=[])
    parser.add_argument("--connections", type=int, default=100)
    args = parser.parse_args()
    connections = []
    for target in args.to:
        host, _, port = target.rpartition(":")
        for _ in range(args.connections):
            connections.append(Connection(len(connections), (host.strip("[]"), int(port))))
    print("ready", flush=True)
    run(connections, sys.stdin)
    broken = [c for c in connections if c.why]
    finish(connections)
    print(json.dumps({
        "opened": len(connections), "broken": len(broken), "why": sorted({c.why for c in connections}),
        "ended": sum(c.ended for c in connections), "wrong": sum(c.wrong for c in connections),
        "sent": sum(c.sent for c in connections) + 4 * len(connections),
        "read": sum(c.read for c in connections),
        "longest_gap_ms": round(max(c.longest for c in connections) * 1000, 1)}), flush=True)


main()
