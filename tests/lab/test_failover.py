# SPDX-License-Identifier: GPL-2.0-only
"""The new kernel panics after the workloads have moved: it's fenced, the volume and the address
come back, services start anew in the old kernel; all that was synced is there."""

from lib.failover import ask, go_there, is_back, machine_with_policy, write
from lib.upgrade import status, wait_status

TIME_LIMIT = 600
LONG = True


def test(lab):
    """By policy the services start anew."""
    with machine_with_policy(lab, "restart") as (machine, old, client):
        new = go_there(lab, machine, old, "ttyS1")
        write(new, 300)
        assert ask(client, "llen", "list") == ":500"
        new.start("echo c >/proc/sysrq-trigger")
        wait_status(lab, old, 60, connected=False)
        is_back(lab, old, 500)
        assert "panicked" in status(old)["message"]
        assert ask(client, "llen", "list") == ":500"
        lab.step("a panic in the soak is answered")
