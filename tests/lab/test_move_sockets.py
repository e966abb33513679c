# SPDX-License-Identifier: GPL-2.0-only
"""200 established connections in one move, IPv4 and IPv6, each full in both directions:
none is reset, no byte is lost or doubled. A scope, that nobody has written a unit file
for, moves with them."""

from lib.load import Streams
from lib.service import give_address, machine_and_client, nic_functions
from lib.upgrade import move, report, spawn
from lib.zoo import SCOPE, ask, start, start_scope

LONG = True

ADDRESS, ADDRESS6 = "10.77.0.10", "fd77::10"
PORT, EACH = 7777, 100
UNIT, FOLDER = f"lab-zoo@stream-{PORT}.service", f"zoo-stream-{PORT}"

CONFIG = """
[Workload streams]
Unit={unit}
Addresses=vip
MaxBlackoutSec=60

[Workload grove]
Unit={scope}
MaxBlackoutSec=60

[Address vip]
Address={address}/24 {address6}/64
Functions={functions}
"""


def test(lab):
    """Fill, move, count."""
    machine, client = machine_and_client(lab, "10.77.0.2/24", "fd77::2/64")
    with machine.boot("old") as old:
        functions = nic_functions(old)
        give_address(old, functions[0], f"{ADDRESS}/24", f"{ADDRESS6}/64")
        old.write_file("/etc/kho-agent/kho-agent.conf", CONFIG.format(
            unit=UNIT, scope=SCOPE, address=ADDRESS, address6=ADDRESS6,
            functions=" ".join(functions)).encode())
        start(old, UNIT, FOLDER)
        start_scope(old)
        new = spawn(machine, old, "new-system", "ttyS1", "--cpus=2-3 --memory=1536M")
        new.wait_until("systemctl is-active kho-new.target", 60)
        load = Streams(lab, client, "--to", f"{ADDRESS}:{PORT}", "--to", f"[{ADDRESS6}]:{PORT}",
                       "--connections", str(EACH))
        new.run("mkdir -p /run/grove")
        load.settle_on()
        lab.step(f"before: {ask(old, FOLDER)}")
        queues = old.run(f"ss -Htn sport = :{PORT} | awk '{{r+=$2>0; s+=$3>0}} END {{print NR, r, s}}'")
        lab.step(f"connections, with unread, with unsent data: {queues}")
        assert int(queues.split()[0]) == 2 * EACH, queues
        move(lab, old, new)
        for line in old.run("khoctl report").splitlines():
            lab.step(line)
        load.settle_on()
        lab.step(f"after: {ask(new, FOLDER, 'hurry')}")
        seen = load.stop()
        lab.step(f"clients: {seen}")
        text = ask(new, FOLDER)
        lab.step(f"server: {text}")
        lab.step(f"scope: {ask(new, 'grove')}")
        assert [seen["result"] for seen in report(old)["workloads"]] == ["moved", "moved"]
        assert seen["opened"] == seen["ended"] == 2 * EACH and seen["broken"] == 0, seen
        assert seen["wrong"] == 0 and seen["why"] == [""], seen
        # what one side has sent, the other has read: to the byte
        assert f"{2 * EACH} clients, {2 * EACH} ended, {seen['sent']} in, {seen['read']} out" in text
        # nor did a rehearsal's copy run, whose memory isn't there
        assert new.call("dmesg | grep -c segfault").out.strip() == "0"
        assert machine.resets() == 0
