#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""One line a test, and the closing line that sums up every tier.

A tier makes a Results, add()s what it ran and finish()es. The lines go to the
file $KHO_RESULTS, which mk/check.sh names; run as a program, this sums up that
file and exits non-zero if anything failed, or if nothing ran.
"""

import os
import sys

WHY_LINES = 12
WORD = {"pass": "ok", "fail": "FAIL", "skip": "skip"}


class Results:
    """What one tier ran."""

    def __init__(self, tier):
        self._tier = tier
        self._path = os.environ.get("KHO_RESULTS")
        self._counts = dict.fromkeys(WORD, 0)

    def add(self, verdict, name, seconds=0.0, count=1, detail="", why=""):
        """Shows and records a test, or count tests in one line. The end of why, what a
        failure was, is repeated where all is summed up."""
        many = f" ({count} tests)" if count > 1 else ""
        print(f"  {WORD[verdict]:8} {self._tier}/{name}{many} {seconds:.1f} s", flush=True)
        if detail:
            print("\n".join(f"      {line}" for line in detail.splitlines()), flush=True)
        self._counts[verdict] += count
        if self._path and count:
            with open(self._path, "a", encoding="utf-8") as out:
                out.write(f"{verdict} {count} {seconds:.1f} {self._tier}/{name}\n")
                out.writelines(f"why {line}\n" for line in why.splitlines()[-WHY_LINES:])

    def finish(self):
        """The tier's exit status. A tier that is run by itself sums up."""
        if not self._path:
            print(closing_line(self._counts))
        return 1 if self._counts["fail"] else 0


def closing_line(counts):
    """N passed, N failed."""
    skipped = f", {counts['skip']} skipped" if counts["skip"] else ""
    return f"{counts['pass']} passed, {counts['fail']} failed{skipped}"


def main():
    """Sums up $KHO_RESULTS."""
    totals = {"pass": 0, "fail": 0, "skip": 0}
    failed = []
    with open(os.environ["KHO_RESULTS"], encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("why "):
                failed[-1].append(line[4:].rstrip())
                continue
            verdict, count, _seconds, name = line.split(maxsplit=3)
            totals[verdict] += int(count)
            if verdict == "fail":
                failed.append([name.strip()])
    for name, *why in failed:
        print("\n      ".join([f"FAILED: {name}", *why]))
    print(closing_line(totals))
    sys.exit(1 if totals["fail"] or not totals["pass"] else 0)


if __name__ == "__main__":
    main()
