# SPDX-License-Identifier: GPL-2.0-only
"""The new kernel fails after the workloads have moved, and the policy is to stay: an agent that
was silent comes back, a kernel that hangs with interrupts off doesn't; the operator gives it up."""

from lib.failover import ask, go_there, is_back, machine_with_policy, write
from lib.reactor import LabTimeout
from lib.upgrade import status, wait_status

TIME_LIMIT = 900


def test(lab):
    """A silence, a hang, the operator's decision."""
    with machine_with_policy(lab, "stay") as (machine, old, client):
        new = go_there(lab, machine, old, "ttyS1")
        new.run("pkill -STOP kho-agent")
        lab.reactor.wait(lambda: "NewKernelFailure=stay" in status(old)["message"], 150,
                         "the old agent to give up")
        assert ask(client, "llen", "list") == ":200"
        new.run("pkill -CONT kho-agent")
        try:
            wait_status(lab, old, 60, phase="soak", connected=True)
        except LabTimeout:
            for shell in (old, new):
                lab.step(shell.call("khoctl status; journalctl --no-pager -b -u kho-agent -n 40").out)
            raise
        lab.step("an agent that was silent is back")
        write(new, 100)
        new.start("insmod /usr/lib/kho-lab/new/lab_hang.ko")
        wait_status(lab, old, 90, connected=False)
        refused = old.call("khoctl reclaim")
        assert refused.rc != 0 and "khoctl failover" in refused.out, refused
        old.run("khoctl failover", 180)
        is_back(lab, old, 300)
        assert ask(client, "llen", "list") == ":300"
        lab.step("it hangs with interrupts off, and the operator gives it up")
