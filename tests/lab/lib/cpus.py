# SPDX-License-Identifier: GPL-2.0-only
"""What a machine's CPUs do, seen from outside: for a guest that has fallen silent.

Two looks tell a CPU that goes on from one that spins or sleeps for good; the local
APIC tells whether its timer is armed and an interrupt waits. Addresses are those of
whichever kernel runs there, wherever it was put (KASLR): what is in the idle loop
stands at the same place on all of that kernel's CPUs.
"""

import re
import time

BETWEEN = 2.0  # seconds
STACK_WORDS = 96
PC = re.compile(r"^RIP=([0-9a-f]+) RFL=([0-9a-f]+).*HLT=([01])", re.M)
STACK = re.compile(r"RSP=([0-9a-f]+)")
IF = 1 << 9  # of RFLAGS: interrupts are on


def _registers(qmp):
    """For each CPU what QEMU tells of its registers."""
    return re.split(r"^CPU#\d+\s*$", qmp.hmp("info registers -a"), flags=re.M)[1:]


def _line(number, before, after):
    was, now = PC.search(before), PC.search(after)
    if not was or not now:
        return f"CPU {number}: unknown"
    where = "stays at" if was[1] == now[1] else "moves, is at"
    masked = "" if int(now[2], 16) & IF else ", interrupts off"
    return f"CPU {number} {where} {now[1]}{masked}{', halted' if now[3] == '1' else ''}"


def look_at_cpus(machine, path):
    """Writes all that can be seen to a file; returns one line for each CPU."""
    qmp, lines = machine.qmp, []
    before = _registers(qmp)
    time.sleep(BETWEEN)  # whatever happens meanwhile is what is looked for
    after = _registers(qmp)
    with open(path, "w", encoding="utf-8") as out:
        out.write(qmp.hmp("info status") + qmp.hmp("info pic"))
        for number, pair in enumerate(zip(before, after)):
            out.write(f"== CPU {number}\n{pair[0]}\n-- later\n{pair[1]}\n")
            qmp.hmp(f"cpu {number}")
            out.write(qmp.hmp(f"info lapic {number}") + "\n")
            stack = STACK.search(pair[1])
            if stack:
                out.write(qmp.hmp(f"x/{STACK_WORDS}gx 0x{stack[1]}") + "\n")
            lines.append(_line(number, *pair))
    return lines
