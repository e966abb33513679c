# SPDX-License-Identifier: GPL-2.0-only
"""Where CRIU's time goes, by the stamps in its log."""

import re

STAMP = re.compile(r"^\((\d+\.\d+)\) *(.*)$", re.M)


def stamps(log):
    """(seconds, line) of each line that has a stamp."""
    return [(float(at), line) for at, line in STAMP.findall(log)]


def longest(log, count=12):
    """The longest pauses, in order of time: (begin ms, duration ms, line before, line after)."""
    lines = stamps(log)
    pauses = [((b[0] - a[0]) * 1000, a, b) for a, b in zip(lines, lines[1:])]
    top = sorted(pauses, reverse=True, key=lambda p: p[0])[:count]
    return [(a[0] * 1000, ms, a[1], b[1]) for ms, a, b in sorted(top, key=lambda p: p[1][0])]


def show(name, log, count=12):
    """Prints them."""
    lines = stamps(log)
    if not lines:
        return
    print(f"  {name}: {len(lines)} lines, {(lines[-1][0] - lines[0][0]) * 1000:.0f} ms, begins at "
          f"{lines[0][0] * 1000:.0f} ms")
    for begin, ms, before, after in longest(log, count):
        print(f"    {begin:7.1f} +{ms:6.1f} ms  {before[:60]}  ->  {after[:60]}", flush=True)
