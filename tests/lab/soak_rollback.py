# SPDX-License-Identifier: GPL-2.0-only
"""There and back again and again: a rollback that fails leaves all in the new kernel, agents are
killed in the soak, the rollback is given in either kernel; clients notice nothing of it."""

from lib.there_and_back import back, machine_with_clients, there
from lib.upgrade import report, status, wait_status

TIME_LIMIT = 1200


def stays(lab, old, new):
    """A move back whose health command says no: all goes on in the new kernel."""
    conf = "/run/kho-agent/kho-agent.conf"
    new.run(f"cp {conf} /tmp/conf; sed -i 's,^HealthCommand=.*,HealthCommand=/usr/bin/false,' {conf}")
    result = old.call("khoctl rollback", 180)
    lab.step(result.out.strip().splitlines()[-1])
    assert result.rc != 0 and "health" in result.out and "besides" not in result.out, result.out
    assert report(old)["workloads"][0]["result"] == "stayed"
    assert status(old)["phase"] == status(new)["phase"] == "soak"
    assert new.run("redis-cli get counter") == "2"
    assert "kho-data" in new.run("findmnt -no SOURCE /srv/data")
    assert old.call("systemctl is-active redis-server").out.strip() != "active"
    new.run(f"mv /tmp/conf {conf}")


def kill_agents(lab, old, new):
    """The soak is known to agents that are started again."""
    for shell in (old, new):
        shell.run("pkill -9 kho-agent")
        shell.wait_until("khoctl status", 30)
    for shell in (old, new):
        wait_status(lab, shell, 60, phase="soak", connected=True)


def test(lab):
    """There, not back, back, there, back."""
    with machine_with_clients(lab) as (old, new):
        there(lab, old, new, 2)
        stays(lab, old, new)
        back(lab, old, new, old, 3)
        there(lab, old, new, 4)
        kill_agents(lab, old, new)
        back(lab, old, new, new, 5)
