# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's debugger port: stops a machine at an address and reads its clock there.

While a machine stands at a breakpoint its clocks stand too, so looking costs the
guest no time that it could measure.
"""

import re

from .stream import Stream

RAX, RDX, RIP = 0, 2, 16  # numbers as in "g" of x86-64
PACKET = re.compile(r"\$([^#]*)#..")
RDTSC = "0f31"


def integer(text):
    """A register as the protocol has it: bytes in hex, lowest first."""
    return int.from_bytes(bytes.fromhex(text), "little")


class Gdb:
    """One connection; the machine has to stand still when it is made."""

    def __init__(self, reactor, path):
        self._reactor = reactor
        self._stream = Stream(reactor, path, "gdb")
        self._at = 0

    def _ask(self, packet, seconds=30):
        """Sends a packet and returns the answer to it."""
        checksum = sum(packet.encode()) & 0xFF
        self._stream.send(f"+${packet}#{checksum:02x}".encode())
        match = self._reactor.wait(lambda: PACKET.search(self._stream.text, self._at), seconds,
                                   f"answer to gdb's '{packet}'")
        self._at = match.end()
        return match[1]

    def _do(self, packet):
        answer = self._ask(packet)
        if answer != "OK":
            raise RuntimeError(f"QEMU's debugger port answers '{packet}' with '{answer}'")

    def run_to(self, address, seconds):
        """Lets the machine run until a CPU is about to execute that address."""
        self._do(f"Z1,{address:x},1")
        stop = self._ask("c", seconds)
        if not stop.startswith("T05"):
            raise RuntimeError(f"the machine stopped with '{stop}' before {address:#x}")
        self._do(f"z1,{address:x},1")

    def tsc(self):
        """The time stamp counter of the CPU that stopped: has it execute RDTSC."""
        regs = self._ask("g")
        saved = {n: regs[n * 16:n * 16 + 16] for n in (RAX, RDX, RIP)}
        pc = integer(saved[RIP])
        code = self._ask(f"m{pc:x},2")
        self._do(f"M{pc:x},2:{RDTSC}")
        self._ask("s")
        regs = self._ask("g")
        self._do(f"M{pc:x},2:{code}")
        for number, value in saved.items():
            self._do(f"P{number:x}={value}")
        low, high = (integer(regs[n * 16:n * 16 + 16]) & 0xFFFFFFFF for n in (RAX, RDX))
        return high << 32 | low

    def let_go(self):
        """Ends the connection; the machine runs on."""
        self._do("D")
        self._stream.close()
