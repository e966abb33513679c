# SPDX-License-Identifier: GPL-2.0-only
"""A connection to PostgreSQL by protocol 3.0: trust authentication, simple queries.

    connection = await Connection.open("10.0.0.1", 5432)
    answer = await connection.query("SELECT 1")     # answer.rows == [("1",)]

A message is a letter, its size in four bytes, and its content; a string ends by a zero.
"""

import asyncio
import struct
from dataclasses import dataclass, field

PROTOCOL = 3 << 16
AUTHENTICATED = 0
FATAL = b"VFATAL\0"  # the severity of an error that ends the connection


class ServerError(Exception):
    """The server's word that it couldn't do what it was asked for."""


@dataclass
class Answer:
    """Rows as text, what the server says was done, and the state of the transaction:
    I is none, T an open one, E one that can only be rolled back."""
    rows: list = field(default_factory=list)
    tags: list = field(default_factory=list)
    state: str = ""


def strings(content):
    """The strings of a message."""
    return [part.decode() for part in content.split(b"\0") if part]


def row(content):
    """One row of text; None is NULL."""
    (count,), at, values = struct.unpack_from(">h", content), 2, []
    for _ in range(count):
        (size,) = struct.unpack_from(">i", content, at)
        at += 4
        values.append(None if size < 0 else content[at:at + size].decode())
        at += max(size, 0)
    return tuple(values)


class Connection:
    """One connection, which is never opened again."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, host, port, user="postgres", database="postgres"):
        """Connects and waits until the server is ready for a query."""
        self = cls(*await asyncio.open_connection(host, port))
        words = f"user\0{user}\0database\0{database}\0\0".encode()
        self._writer.write(struct.pack(">ii", 8 + len(words), PROTOCOL) + words)
        await self._answer()
        return self

    async def query(self, text):
        """Asks, and reads the whole answer."""
        content = text.encode() + b"\0"
        self._writer.write(b"Q" + struct.pack(">i", 4 + len(content)) + content)
        return await self._answer()

    async def _message(self):
        kind, size = struct.unpack(">ci", await self._reader.readexactly(5))
        return kind, await self._reader.readexactly(size - 4)

    async def _answer(self):
        answer, error = Answer(), None
        while True:
            kind, content = await self._message()
            if kind == b"R" and struct.unpack(">i", content[:4]) != (AUTHENTICATED,):
                raise ServerError("the server wants a password")
            if kind == b"E":
                error = ServerError("; ".join(strings(content)))
            elif kind == b"D":
                answer.rows.append(row(content))
            elif kind == b"C":
                answer.tags += strings(content)
            elif kind == b"Z":
                answer.state = content.decode()
            if error and (kind == b"Z" or FATAL in content):
                raise error
            if kind == b"Z":
                return answer
