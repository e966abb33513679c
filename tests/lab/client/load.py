#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A client on another host: kept connections to redis and nginx, every answer checked.

    load.py --redis HOST:PORT --http HOST:PORT --connections 10 --rate 5

Each connection has one request in flight, --rate times a second. On redis it counts
by INCR on a key of its own, so that an answer lost, doubled or wrong shows; from nginx
it gets one file and compares it. A connection that ends is counted as reset, and not opened
again but with --reconnect; then gaps go on until the first answer on another connection, and
redis may count from where it likes. It runs until its standard input ends, then prints one JSON
object.
On SIGUSR1 it prints "all answered" once every connection has had an answer since.
Gaps are between two good answers on one connection; blackout is the longest gap of
all, less that connection's usual one; blackout_at is when it began, by this host's
monotonic clock.
"""

import argparse
import asyncio
import json
import signal
import statistics
import sys
import time

CONNECT_SECONDS, RECONNECT_SECONDS, RETRY_SECONDS = 30, 1, 0.05


class Connection:
    """One kept connection and what it has seen."""

    def __init__(self, kind, host, port, number, again=False):
        self.kind, self.host, self.port, self.number = kind, host, port, number
        self.again = again # it's opened again when it has ended
        self.sent = self.answered = self.wrong = 0
        self.base = 0 # what redis had counted before, None: not known
        self.reset = self.opened = False
        self.why = self.last = ""
        self.times = []

    async def open(self, seconds=CONNECT_SECONDS):
        """Connects."""
        self.reader, self.writer = await asyncio.wait_for(
            asyncio.open_connection(self.host, self.port), seconds)
        self.opened = True

    async def _open_again(self, stop):
        """As soon as the server is there."""
        self.writer.close()
        self.base = None
        while not stop.is_set():
            await asyncio.sleep(RETRY_SECONDS)
            try:
                return await self.open(RECONNECT_SECONDS)
            except OSError:
                pass
        return None

    def request(self):
        """The next request's bytes."""
        if self.kind == "redis":
            return f"INCR load-{self.number}\r\n".encode()
        return f"GET / HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode()

    def _counts(self, line):
        if self.base is None:
            if not line.startswith(b":"):
                raise ConnectionError(f"the server isn't ready: {line}")
            self.base = int(line[1:]) - self.answered - 1
        return line == f":{self.base + self.answered + 1}\r\n".encode()

    async def answer(self):
        """Reads one answer; true: it's right."""
        self.last = line = await self.reader.readuntil(b"\r\n")
        if self.kind == "redis":
            return self._counts(line)
        length = None
        while header := (await self.reader.readuntil(b"\r\n")).strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = await self.reader.readexactly(length or 0)
        if self.number not in FIRST_BODY:
            FIRST_BODY[self.number] = body
        return line.startswith(b"HTTP/1.1 200") and body == FIRST_BODY[self.number]

    async def _ask(self, period, stop):
        while not stop.is_set():
            begin = time.monotonic()
            self.writer.write(self.request())
            self.sent += 1
            good = await self.answer()
            self.times.append(time.monotonic())
            self.answered += 1
            self.wrong += not good
            if not good and not self.why:
                self.why = f"{self.kind} answer {self.answered}: {self.last}"
            rest = period - (time.monotonic() - begin)
            if rest > 0:
                await asyncio.sleep(rest)

    async def run(self, period, stop):
        """Asks until told to stop; the last answer is waited for."""
        while not stop.is_set():
            try:
                await self._ask(period, stop)
            except (OSError, asyncio.IncompleteReadError) as error:
                self.reset, self.why = True, repr(error)
                if not self.again:
                    return
                await self._open_again(stop)

    def gaps(self):
        """Seconds between answers."""
        return [b - a for a, b in zip(self.times, self.times[1:])]


FIRST_BODY = {}


def summary(connections):
    """What the report wants."""
    longest, usual, blackout, blackout_at = 0.0, [], 0.0, 0.0
    for connection in connections:
        gaps = connection.gaps()
        if not gaps:
            continue
        normal = statistics.median(gaps)
        usual.append(normal)
        longest = max(longest, *gaps)
        if max(gaps) - normal > blackout:
            blackout = max(gaps) - normal
            blackout_at = connection.times[gaps.index(max(gaps))]
    opened = [c for c in connections if c.opened]
    return {
        "opened": len(opened), "kept": sum(not c.reset for c in opened),
        "reset": sum(c.reset for c in opened), "sent": sum(c.sent for c in opened),
        "answered": sum(c.answered for c in opened),
        "lost": sum(c.sent - c.answered for c in opened), "wrong": sum(c.wrong for c in opened),
        "longest_gap_ms": round(longest * 1000, 1),
        "usual_gap_ms": round(statistics.median(usual) * 1000, 1) if usual else None,
        "blackout_ms": round(blackout * 1000, 1), "blackout_at": blackout_at,
        "redis_answered": sum(c.answered for c in opened if c.kind == "redis"),
        "why": sorted({c.why for c in opened if c.why}),
    }


async def tell_answered(connections):
    """Says so when every connection has had another two answers, or has ended."""
    before = [c.answered for c in connections]
    while not all(c.reset and not c.again or c.answered > b + 1 for c, b in zip(connections, before)):
        await asyncio.sleep(0.05)
    print("all answered", flush=True)


async def main():
    """Opens, says "ready", runs until the input ends, tells."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--redis", action="append", default=[])
    parser.add_argument("--http", action="append", default=[])
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--rate", type=float, default=5)
    parser.add_argument("--reconnect", action="store_true")
    args = parser.parse_args()
    connections = []
    for kind, targets in (("redis", args.redis), ("http", args.http)):
        for target in targets:
            host, _, port = target.rpartition(":")
            for _ in range(args.connections):
                connections.append(Connection(kind, host.strip("[]"), int(port), len(connections),
                                              args.reconnect))
    for connection in connections:
        await connection.open()
    print("ready", flush=True)
    stop, tasks = asyncio.Event(), []
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), stop.set)
    loop.add_signal_handler(signal.SIGUSR1,
                            lambda: tasks.append(loop.create_task(tell_answered(connections))))
    await asyncio.gather(*(c.run(1 / args.rate, stop) for c in connections))
    print(json.dumps(summary(connections)), flush=True)


asyncio.run(main())
