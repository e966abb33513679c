# SPDX-License-Identifier: GPL-2.0-only
"""PostgreSQL moves with its data on a volume while clients outside write: transactions that
are open go on where they were, and every commit that was acknowledged is there, once."""

import json

from lib import postgres
from lib.load import Ledger
from lib.net import Network
from lib.qemu import Disk
from lib.service import disk_of_size, give_address, nic_functions
from lib.upgrade import move, retire, spawn

TIME_LIMIT = 700
LONG = True
ADDRESS, SUBNET = "10.77.0.10", "10.77.0.0/24"
WRITERS = 8
SECTORS = 1 << 19

CONFIG = """
[Workload postgres]
Unit={unit}
Addresses=vip
Volumes=data
HealthCommand={programs}/pg_isready -t 0 -h {address} -U postgres -d postgres
HealthTimeoutSec=30

[Address vip]
Address={address}/24
Functions={functions}

[Volume data]
Function={disk}
MountPoint={folder}
FileSystem=ext4
"""

# In a file of its own: without it something is missing
FILES = """
[Workload postgres]
Files=/dev/shm/PostgreSQL.*
"""


def set_up(old):
    """Debian's own unit, on the volume."""
    functions = nic_functions(old)
    give_address(old, functions[0], f"{ADDRESS}/24")
    disk = postgres.make_volume(old, SECTORS)
    old.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(
        unit=postgres.UNIT, programs=postgres.PROGRAMS, address=ADDRESS,
        functions=" ".join(functions), disk=disk, folder=postgres.FOLDER))
    postgres.serve(old, ADDRESS, SUBNET)
    old.run("systemctl start kho-volume@data")
    postgres.start(old)


def make_movable(lab, old):
    """What it lacks is named, and when that's done nothing is."""
    found = json.loads(old.call("khoctl --json check").out)["workloads"][0]["findings"]
    for finding in found:
        lab.step(f"check: {finding['kind']}: {finding['cause']}; {finding['remedy']}")
    assert {finding["kind"] for finding in found} == {"sysv-ipc", "shared-memory"}, found
    old.run("mkdir -p /etc/kho-agent/kho-agent.conf.d")
    old.write_file("/etc/kho-agent/kho-agent.conf.d/files.conf", FILES)
    postgres.make_movable(old)
    postgres.start(old)
    old.run("khoctl check")


def state(shell):
    """What a server that's started anew has not."""
    return (shell.run(f"systemctl show -P MainPID {postgres.UNIT}"),
            postgres.query(shell, "SELECT pg_postmaster_start_time()"))


def upgrade(lab, machine, old, client):
    """Both kernels, with clients from before the move to the end; what they have seen."""
    new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=1536M")
    new.wait_until("systemctl is-active kho-new.target", 60)
    # the lab's image is older than these settings; an operator's isn't
    postgres.serve(new, ADDRESS, SUBNET)
    postgres.make_movable(new)
    before = state(old)
    ledger = Ledger(lab, client, "--to", f"{ADDRESS}:5432", "--connections", str(WRITERS))
    move(lab, old, new)
    for line in old.run("khoctl report").splitlines():
        lab.step(line)
    ledger.settle_on()
    is_the_same(old, new, before)
    retire(lab, old, new)
    return new, ledger.stop()


def is_the_same(old, new, before):
    """It wasn't started anew, is an ordinary unit in one place, and can still grow."""
    assert state(new) == before
    assert old.call(f"systemctl is-active {postgres.UNIT}").out.strip() == "inactive"
    for unit in (postgres.UNIT, "kho-volume@data.service"):
        assert new.run(f"systemctl is-active {unit}") == "active"
    # another process, and shared memory with it
    plan = postgres.query(new, "EXPLAIN ANALYZE SELECT count(*) FROM ledger",
                          "-c debug_parallel_query=on")
    assert "Workers Launched: 1" in plan, plan


def expected(seen):
    """All rows: those acknowledged, and the two of the transaction that was committed."""
    rows = [[int(writer), number] for writer, count in seen["acknowledged"].items()
            for number in range(1, count + 1)]
    return sorted(rows + [[-1, 1], [-1, 2]])


def check(lab, seen):
    """What the clients have seen, and what the server told them at the end."""
    rows = seen.pop("rows")
    lab.step(f"clients: {seen}")
    assert seen["opened"] == WRITERS and not seen["broken"] and not seen["in_flight"], seen
    assert seen["transactions"] == ["COMMIT I", "ROLLBACK I"], seen
    assert min(seen["acknowledged"].values()) > 0
    assert rows == expected(seen)


def starts_anew(lab, new, seen):
    """From the volume, by the unit's own commands; then the volume is looked at."""
    postgres.start(new)
    out = postgres.query(new, "SELECT writer, number FROM ledger")
    rows = sorted([int(word) for word in line.split("|")] for line in out.splitlines())
    assert rows == expected(seen)
    new.run("systemctl stop kho-volume@data", 120)
    assert new.call(f"systemctl is-active {postgres.UNIT}").out.strip() == "inactive"
    lab.step(new.run(f"e2fsck -fn /dev/{disk_of_size(new, SECTORS)} 2>/dev/null | tail -n 1"))
    new.run(f"e2fsck -fn /dev/{disk_of_size(new, SECTORS)}")


def test(lab):
    """One move, one retirement, one restart."""
    network = Network()
    client = network.client("outside", "10.77.0.2/24")
    machine = lab.machine(disks=[Disk("data", "256M")],
                          nics=network.two_nics())
    with machine.boot("old") as old:
        set_up(old)
        make_movable(lab, old)
        lab.step("PostgreSQL serves, its data on the volume")
        new, seen = upgrade(lab, machine, old, client)
        check(lab, seen)
        starts_anew(lab, new, seen)
        assert machine.resets() == 0
