# SPDX-License-Identifier: GPL-2.0-only
"""How long clients wait while their machine gets a new kernel: by our two methods, and by those that
there were before (lib/methods.py). The same machine, the same redis, the same clients outside; the kernel
is one with KHO, before and after, since one of the methods needs it.

A connection that ends is opened again as soon as it can be: then the blackout ends with the first
answer on another one. In total: until the new kernel is all that runs and each client was answered.

The table and build/bench/methods.{json,svg} have what was seen, with little data and with more. Fails if a
method doesn't keep the connections that it should, or if a spawn's blackout isn't shorter by an order
of magnitude. The goal of two orders is out of an emulated machine's reach: it boots in ten seconds,
without firmware to speak of, and a spawn's half second is emulation's (docs/kho.md).
"""

import json
import time
from pathlib import Path

from lib import bars
from lib.by_kexec import BOOT_ID
from lib.load import Load
from lib.methods import ADDRESS, DISK, WAYS
from lib.net import Network

TIME_LIMIT = 3600
TIMED = True
CLIENTS = 10
SIZES_MIB = (64, 512, 2048)
GOAL, MIN_GAIN = 100, 10


def measure(lab, number, way, mib):
    """One upgrade, in a network that knows nothing of the others."""
    network = Network()
    client = network.client(f"outside{number}", "10.77.0.2/24")
    machine = lab.machine(memory=f"{8 + 3 * (mib // 1024)}G", nics=network.two_nics(), disks=[DISK])
    with machine.boot("kho", way.kernel) as old:
        way.set_up(old, mib)
        boot = old.run(BOOT_ID)
        load = Load(lab, client, "--redis", f"{ADDRESS}:6379", "--connections", str(CLIENTS),
                    *(["--reconnect"] if way.breaks else []))
        load.settle_on()
        begin = time.monotonic()
        new = way.go(lab, machine, old, mib)
        load.settle_on(300)
        total_ms = round((time.monotonic() - begin) * 1000)
        seen = load.stop()
        assert new.run(BOOT_ID) != boot
    lab.step(f"{mib} MiB, {way.title}: {total_ms} ms in total, clients: {seen}")
    kept = 0 if way.breaks else CLIENTS
    assert seen["opened"] == CLIENTS and seen["kept"] == kept and seen["wrong"] == 0, seen
    return {"method": way.title, "data_mib": mib, "blackout_ms": seen["blackout_ms"], "kept": seen["kept"],
            "opened": seen["opened"], "lost": seen["lost"], "total_ms": total_ms}


def show(rows):
    """The table of one size."""
    print(f"\n  redis with {rows[0]['data_mib']} MiB, {CLIENTS} clients\n"
          f"  {'method':32}{'blackout':>12}{'as long as a spawn':>20}{'connections':>14}{'in total':>12}")
    for row in rows:
        ratio = row["blackout_ms"] / rows[0]["blackout_ms"]
        print(f"  {row['method']:32}{bars.duration(row['blackout_ms']):>12}{ratio:>18.0f} x"
              f"{row['kept']:>8} of {row['opened']}{bars.duration(row['total_ms']):>12}")
    print(f"  (goal: CRIU and kexec, and a reboot, >= {GOAL} x)\n", flush=True)


def keep(lab, rows):
    """Writes build/bench/."""
    folder = Path(lab.images.parent, "bench")
    folder.mkdir(exist_ok=True)
    (folder / "methods.json").write_text(json.dumps({
        "time": int(time.time()), "release": lab.release("kho"), "methods": rows}, indent=1) + "\n")
    (folder / "methods.svg").write_text(bars.draw(
        f"Blackout of {CLIENTS} clients while their machine gets a new kernel",
        [(row["method"], row["blackout_ms"],
          f" with {row['data_mib']} MiB, {row['kept']} of {row['opened']} kept")
         for way in WAYS for row in rows if row["method"] == way.title]))


def test(lab):
    """One method after the other."""
    sizes = []
    for mib in SIZES_MIB:
        sizes.append([measure(lab, f"{mib}-{number}", way, mib) for number, way in enumerate(WAYS)])
        show(sizes[-1])
    keep(lab, sum(sizes, []))
    for rows in sizes:
        spawn, _, by_disk, _, reboot = (row["blackout_ms"] for row in rows)
        assert by_disk >= MIN_GAIN * spawn, f"CRIU and kexec: {by_disk / spawn:.0f} times"
        assert reboot >= MIN_GAIN * spawn, f"reboot: {reboot / spawn:.0f} times"
