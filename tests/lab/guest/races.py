# SPDX-License-Identifier: GPL-2.0-only
"""Run in the guest, beside refuse.py and while no kernel is spawned: calls to the module while
something else changes. Prints OK and what was done, or what's wrong.

    races.py link SECONDS       LINK and UNLINK, while the doorbell's interrupt moves
    races.py online SECONDS     CLAIM of a memory block, while somebody onlines it
"""

import contextlib
import os
import signal
import struct
import sys
import time

from refuse import DOORBELL, OWN, Block, read, write

CPU = "/sys/devices/system/cpu"
MASKS = ("1-2", "2-3", "1,3")  # never CPU 0: what has moved there isn't moved by hotplug
SETTLED = 0.05  # seconds: onlining that had begun is over by then


@contextlib.contextmanager
def meanwhile(step):
    """Repeats step in a process of its own, whatever it fails with."""
    child = os.fork()
    while not child:
        with contextlib.suppress(OSError):
            step()
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def doorbell_irq():
    """Number of the doorbell's interrupt."""
    for line in read("/proc/interrupts").splitlines():
        if "MULTIKERNEL" in line:
            return int(line.split(":")[0])
    raise SystemExit("no doorbell")


def set_masks(irq):
    """Says three times where the interrupt may go."""
    for mask in MASKS:
        with contextlib.suppress(OSError):
            write(f"/proc/irq/{irq}/smp_affinity_list", mask)


def toggle_cpus():
    """Takes CPUs 1 to 3 down and up: an interrupt that is there moves at once."""
    for cpu in (1, 2, 3):
        for value in "01":
            write(f"{CPU}/cpu{cpu}/online", value)


def apic_id_of(cpu):
    """As /proc/cpuinfo has it."""
    ids = [int(line.split(":")[1]) for line in read("/proc/cpuinfo").splitlines()
           if line.startswith(("processor", "apicid"))]
    return dict(zip(ids[::2], ids[1::2]))[cpu]


def race_link(seconds):
    """The last link is kept until nothing moves: it has to say where the interrupt is."""
    irq, count, end = doorbell_irq(), 0, time.monotonic() + seconds
    with Block() as block, block.map() as pages:
        with meanwhile(lambda: set_masks(irq)), meanwhile(toggle_cpus):
            while time.monotonic() < end:
                block.link()
                block.unlink()
                count += 1
            block.link()
            time.sleep(1)
        for cpu in (1, 2, 3):
            write(f"{CPU}/cpu{cpu}/online", "1")
        word = struct.unpack_from("<Q", pages, OWN + DOORBELL)[0]
        block.unlink()
    there = int(read(f"/proc/irq/{irq}/effective_affinity_list"))
    write(f"/proc/irq/{irq}/smp_affinity_list", "0-3")
    if word & 0xffffffff != apic_id_of(there):
        return f"the page says {word:#x}, but the interrupt is on CPU {there}"
    return f"OK, linked {count} times"


def race_online(seconds):
    """A block that could be claimed stays offline."""
    count, end = 0, time.monotonic() + seconds
    with Block(claimed=False) as block:
        def toggle():
            for state in ("online", "offline"):
                with contextlib.suppress(OSError):
                    write(f"{block.path}/state", state)

        with meanwhile(toggle):
            while time.monotonic() < end:
                try:
                    block.claim()
                except OSError:
                    continue
                time.sleep(SETTLED)
                state = read(f"{block.path}/state").strip()
                block.release()
                count += 1
                if state == "online":
                    return f"it was claimed and came online, the {count}th time"
    return f"OK, claimed {count} times" if count else "it couldn't be claimed once"


if __name__ == "__main__":
    print({"link": race_link, "online": race_online}[sys.argv[1]](float(sys.argv[2])))
