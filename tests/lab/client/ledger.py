#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A client on another host that knows every commit PostgreSQL has acknowledged.

    ledger.py --to HOST:PORT --connections 8 --rate 5

Each writer commits rows (writer, 1), (writer, 2), ... one by one, --rate a second at
most, and counts what was acknowledged. Beside them two transactions stay open: each has
inserted a row and seen how many there are. On SIGUSR1 they go on: the one that commits
inserts another row, the one that rolls back, which is REPEATABLE READ, has to see as many
rows as before. Each has to be in the same backend and the same transaction still; then
"all answered" is printed as soon as every writer has had another acknowledgement.

It runs until its standard input ends, waits for the acknowledgements it's owed, reads the
table by a writer's connection and prints one JSON object. An error or a connection that
ends is never passed over and nothing is sent twice. A gap is between two
acknowledgements of one writer.
"""

import argparse
import asyncio
import json
import signal
import sys
import time

from pgwire import Connection, ServerError

MAKE = "CREATE TABLE IF NOT EXISTS ledger (writer int, number int)"
ROWS = "SELECT count(*) FROM ledger"
WHO = "SELECT pg_backend_pid(), pg_current_xact_id()"
COMMITTER, ABORTER = -1, -2


def insert(writer, number):
    """A row."""
    return f"INSERT INTO ledger VALUES ({writer}, {number})"


class Writer:
    """Numbered rows, each committed by itself."""

    def __init__(self, connection, number):
        self.connection, self.number = connection, number
        self.sent = self.acknowledged = 0
        self.why, self.times = "", []

    async def run(self, period, stop):
        """Writes until told to stop, or until something is wrong."""
        try:
            while not stop.is_set() and not self.why:
                begin = time.monotonic()
                self.sent += 1
                answer = await self.connection.query(insert(self.number, self.sent))
                if (answer.tags, answer.state) != (["INSERT 0 1"], "I"):
                    self.why = f"row {self.sent}: {answer}"
                    return
                self.acknowledged += 1
                self.times.append(time.monotonic())
                await asyncio.sleep(max(0, begin + period - time.monotonic()))
        except (OSError, asyncio.IncompleteReadError, ServerError) as error:
            self.why = repr(error)

    def longest_gap(self):
        """Seconds."""
        return max((b - a for a, b in zip(self.times, self.times[1:])), default=0.0)


class Transaction:
    """One that stays open until it's told to go on."""

    def __init__(self, connection, number, begin):
        self.connection, self.number, self._begin = connection, number, begin
        self.result, self._seen = "open", None

    async def open(self):
        """Its first row."""
        for text in (self._begin, insert(self.number, 1)):
            await self.connection.query(text)
        self._seen = await self._look()

    async def _look(self):
        """Who does it, and what the snapshot shows if it's kept."""
        who = (await self.connection.query(WHO)).rows
        kept = "REPEATABLE" in self._begin
        return who, (await self.connection.query(ROWS)).rows if kept else None

    async def end(self, word):
        """Its second row, and the end."""
        try:
            seen = await self._look()
            if seen != self._seen:
                self.result = f"{self._seen} became {seen}"
                return
            await self.connection.query(insert(self.number, 2))
            answer = await self.connection.query(word)
            self.result = " ".join(answer.tags + [answer.state])
        except (OSError, asyncio.IncompleteReadError, ServerError) as error:
            self.result = repr(error)


async def go_on(writers, committer, aborter):
    """Ends what was open; then another acknowledgement for each writer."""
    await asyncio.gather(committer.end("COMMIT"), aborter.end("ROLLBACK"))
    before = [w.acknowledged for w in writers]
    while not all(w.why or w.acknowledged > b + 1 for w, b in zip(writers, before)):
        await asyncio.sleep(0.05)
    print("all answered", flush=True)


async def summary(writers, transactions):
    """What was acknowledged, and what the table has."""
    found = await writers[0].connection.query("SELECT writer, number FROM ledger")
    return {
        "opened": len(writers), "broken": sum(bool(w.why) for w in writers),
        "why": sorted({w.why for w in writers if w.why}),
        "in_flight": sum(w.sent - w.acknowledged for w in writers),
        "acknowledged": {str(w.number): w.acknowledged for w in writers},
        "transactions": [t.result for t in transactions],
        "rows": sorted([int(writer), int(number)] for writer, number in found.rows),
        "longest_gap_ms": round(max(w.longest_gap() for w in writers) * 1000, 1)}


async def main():
    """Opens, says "ready", runs until the input ends, tells."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", required=True)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rate", type=float, default=5)
    args = parser.parse_args()
    host, _, port = args.to.rpartition(":")
    writers = [Writer(await Connection.open(host, int(port)), n) for n in range(args.connections)]
    await writers[0].connection.query(MAKE)
    committer = Transaction(await Connection.open(host, int(port)), COMMITTER, "BEGIN")
    aborter = Transaction(await Connection.open(host, int(port)), ABORTER,
                          "BEGIN ISOLATION LEVEL REPEATABLE READ")
    await committer.open()
    await aborter.open()
    print("ready", flush=True)
    stop, tasks, loop = asyncio.Event(), [], asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), stop.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: tasks.append(
        loop.create_task(go_on(writers, committer, aborter))))
    await asyncio.gather(*(w.run(1 / args.rate, stop) for w in writers))
    print(json.dumps(await summary(writers, [committer, aborter])), flush=True)


asyncio.run(main())
