# SPDX-License-Identifier: GPL-2.0-only
"""Ten moves of a redis with clients outside, five there and five back: for each, how long it
was silent by the probes of both kernels, and how long the clients waited, by another host's
clock, agree within 10 % or 2 ms. It's frozen for a part of that only: packets wait for verify,
commit and announce, too; that part is shown. Clients ask often, as how long they wait is
known to a period of theirs."""

import os

from lib.load import Load
from lib.probes import measured
from lib.service import machine_and_client, serve_redis
from lib.upgrade import move, report, rollback, spawn
from test_move_net import ADDRESS

TIME_LIMIT = 1800
TIMED = True
CLIENTS = 4
RATE = 40
PAIRS = int(os.environ.get("LAB_CYCLES", "5"))


def agrees(silent_ms, blackout_ms):
    """Within 10 %, or 2 ms."""
    return abs(silent_ms - blackout_ms) <= max(0.1 * blackout_ms, 2)


def one(lab, client, old, name, go, here):
    """A move from here with clients of its own, who count from 1; returns what doesn't agree, or None."""
    here.run("redis-cli flushall")
    load = Load(lab, client, "--redis", f"{ADDRESS}:6379", "--connections",
                str(CLIENTS), "--rate", str(RATE))
    go()
    seen, told = load.settle(), report(old)
    assert seen["kept"] == CLIENTS and seen["lost"] == seen["wrong"] == seen["reset"] == 0, seen
    probes = measured(told)
    silent_ms, blackout_ms = probes["silent_us"] / 1000, seen["blackout_ms"]
    line = (f"{name}: silent {silent_ms:.1f} ms by the probes, clients waited {blackout_ms:.1f} ms "
            f"({silent_ms / blackout_ms - 1:+.1%}); frozen {probes['frozen_us'] / 1000:.1f} ms by "
            f"the probes, {told['workloads'][0]['frozen_ms']} ms by the agent")
    lab.step(line)
    return None if agrees(silent_ms, blackout_ms) else line


def test(lab):
    """There and back."""
    machine, client = machine_and_client(lab, "10.77.0.2/24")
    with machine.boot("old") as old:
        serve_redis(old, ADDRESS)
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=1536M")
        new.wait_until("systemctl is-active kho-new.target", 60)
        wrong = []
        for pair in range(1, PAIRS + 1):
            wrong.append(one(lab, client, old, f"move {pair}", lambda: move(lab, old, new), old))
            wrong.append(one(lab, client, old, f"move {pair} back",
                             lambda: rollback(lab, old, new), new))
        wrong = [line for line in wrong if line]
        assert not wrong, "\n".join(wrong)
