# SPDX-License-Identifier: GPL-2.0-only
"""kill -9 of the agents at random instants of whole upgrades, from the first to the last one's end, a
few in each: systemd starts it again, and it finishes or undoes what was under way. Clients keep
their connections, and the next upgrade works. LAB_CYCLES= says how many, LAB_SEED= which."""

import os
import random
import time

from lib.kills import Kill, Kills

TIME_LIMIT = 36000
NUMBER = int(os.environ.get("LAB_CYCLES", "100"))
SEED = int(os.environ.get("LAB_SEED", "1"))
DEPTH_MAX = 4 # kernels in a row on one machine
BACK_SHARE = 0.6 # of upgrades that are aborted in their soak: they cost no machine
FAILED_MAX = 3
EACH = 3 # instants in one upgrade; those that come when it's over, or undone, don't count


def uptime_ms(shell):
    """Of its kernel."""
    return int(float(shell.run("cut -d' ' -f1 /proc/uptime")) * 1000)


class Times:
    """How long upgrades take here, by those in which nobody is killed: in ms, of the old kernel
    since the upgrade's beginning, of the new one since its agent's start and until its end."""

    def __init__(self):
        self.old, self.born, self.new = {}, 0, {}

    def take(self, kills, back):
        """One upgrade."""
        began = time.monotonic()
        kills.upgrade(Kill(back=back))
        self.old[back] = int((time.monotonic() - began) * 1000)
        if not back:
            shell = kills.shell
            self.new[back] = uptime_ms(shell)
            self.born = int(shell.run("systemctl show -P ExecMainStartTimestampMonotonic "
                                      "kho-agent")) // 1000
            # that there is also a way back makes a new kernel's life longer by so much
            self.new[True] = max(self.new[back], self.old[True] - self.old[back] + self.new[back])

    def draw(self, lot):
        """Instants of one of them."""
        back = lot.random() < BACK_SHARE
        of_old = sum(lot.random() < 0.5 for _ in range(EACH))
        old = [lot.randrange(self.old[back]) for _ in range(of_old)]
        new = [lot.randrange(self.born, self.new[back]) for _ in range(EACH - of_old)]
        return Kill(tuple(sorted(old)), tuple(sorted(new)), back)


class Soak:
    """All of them, and what came of them."""

    def __init__(self, lab):
        self.lab, self.lot, self.times = lab, random.Random(SEED), Times()
        self.killed, self.drawn, self.machines, self.failed = [], 0, 0, []

    def _measure(self, kills):
        """Both kinds, before the first kill."""
        if not self.times.old:
            self.times.take(kills, True)
            self.times.take(kills, False)
            self.lab.step(f"without a kill, ms: old {self.times.old}, new {self.times.born} to "
                          f"{self.times.new}")

    def _one(self, kills):
        kill = self.times.draw(self.lot)
        try:
            at = kills.upgrade(kill)[1]
        except Exception as error:
            self.lab.step(f"FAILED: {error}"[:2000])
            kills.trouble()
            self.failed.append(f"{len(self.killed) + 1}: {kill}: {error}"[:500])
            raise
        self.drawn += EACH
        self.killed += at
        self.lab.step(f"   {len(self.killed)} kills so far; now at: {', '.join(at) or 'none'}")

    def machine(self):
        """As many as one machine is good for."""
        self.machines += 1
        kills = Kills(self.lab, self.machines)
        with kills.machine.boot("old") as shell:
            kills.set_up(shell)
            self._measure(kills)
            while len(self.killed) < NUMBER and kills.depth < DEPTH_MAX:
                self._one(kills)
            kills.upgrade(Kill())
            kills.finish()

    def run(self):
        """Machine after machine; a few failures are told, and the rest is tried all the same."""
        self.lab.step(f"seed {SEED}, {NUMBER} kills")
        while len(self.killed) < NUMBER:
            before = len(self.failed)
            try:
                self.machine()
            except Exception:
                # what failed otherwise is this test's failure at once
                if len(self.failed) == before or len(self.failed) == FAILED_MAX:
                    raise
        self.lab.step(f"{len(self.killed)} kills on {self.machines} machines, of {self.drawn} drawn: the "
                      "others' time was after the upgrade's end")
        assert not self.failed, self.failed


def test(lab):
    """All of them."""
    Soak(lab).run()
