#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs khoctl watch on a terminal of its own until the screen shows a text, makes the terminal
larger, waits until it's drawn anew, and presses q. Prints what was seen, as JSON.

    watch_tty.py TEXT
"""

import fcntl
import json
import os
import pty
import re
import select
import struct
import sys
import termios
import time

SECONDS = 100


def resize(terminal, rows, columns):
    """The kernel tells the program by SIGWINCH."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def read_until(terminal, *patterns):
    """All that was drawn until it has these; without any: until the program's end."""
    seen, deadline = b"", time.monotonic() + SECONDS
    while not patterns or not all(re.search(pattern, seen) for pattern in patterns):
        ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError(f"{patterns} isn't shown: {seen[-2000:]}")
        try:
            got = os.read(terminal, 65536)
        except OSError:
            got = b""
        if not got:
            break
        seen += got
    return seen


def main(text):
    """The exit code is khoctl's, in the JSON."""
    pid, terminal = pty.fork()
    if pid == 0:
        # the terminal has a size before khoctl asks for it
        resize(0, 24, 80)
        os.environ["TERM"] = "xterm-256color"
        os.execvp("khoctl", ["khoctl", "watch"])
    seen = read_until(terminal, re.escape(text.encode()), rb"q quits")
    resize(terminal, 40, 120)
    # drawn anew, with the line at the bottom where that is now
    bottom = rb"\x1b\[40(;\d+H|d)[^q]{0,24}q quits"
    redrawn = read_until(terminal, bottom)
    os.write(terminal, b"q")
    rest = read_until(terminal)
    _, status = os.waitpid(pid, 0)
    print(json.dumps({
        "exit": os.waitstatus_to_exitcode(status),
        "colors": bool(re.search(rb"\x1b\[3[1-6]m", seen)),
        "bottom": bool(re.search(bottom, redrawn)),
        "left": b"\x1b[?1049l" in rest,
    }))


main(*sys.argv[1:])
