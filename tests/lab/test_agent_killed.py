# SPDX-License-Identifier: GPL-2.0-only
"""kill -9 of either agent: it comes back, finds its session, and goes on."""

import time

from lib.upgrade import IMAGES, memory_kib, retire, spawn, status, wait_status

LONG = True

HELLO_SECONDS = 120 # that a new kernel has (kho-agent/agent/spawn.h)


def kill_old(lab, old):
    """systemd starts it again; it finds the region, the tree and the peer."""
    pid = old.run("pidof kho-agent")
    old.run("pkill -9 kho-agent")
    old.wait_until(f"test -n \"$(pidof kho-agent)\" && test \"$(pidof kho-agent)\" != {pid}", 30)
    old.wait_until("khoctl status", 30)
    return wait_status(lab, old, 60, phase="sync", connected=True)


def kill_while_reserving(lab, old):
    """In the middle of taking CPUs and memory: all of it comes back."""
    before = memory_kib(old)
    old.run_bg(f"khoctl spawn {IMAGES}/new --cpus=2-3 --memory=1G")
    old.wait_until("test -e /run/kho-agent/reserved", 30)
    old.run("pkill -9 kho-agent")
    old.wait_until("khoctl status", 30)
    wait_status(lab, old, 90, phase="idle")
    assert old.run("cat /sys/devices/system/cpu/online") == "0-3"
    assert memory_kib(old) == before
    lab.step("killed while reserving: everything is back")


def stop_old(lab, old, new):
    """Stands still for longer than it takes to be given up: both find each other again. Its
    kernel has a pulse, so that a silence in which a kernel would be dead is not enough."""
    old.run("pkill -STOP kho-agent; sleep 20", 60)
    assert status(new)["connected"]
    lab.reactor.wait(lambda: not status(new)["connected"], 90, "the new agent to give up")
    old.run("pkill -CONT kho-agent")
    wait_status(lab, old, 60, phase="sync", connected=True)
    wait_status(lab, new, 60, phase="sync", connected=True)
    lab.step("the old agent stood still and is back")


def still_there(lab, old, killed):
    """What the old agent had begun to wait for when it was started again isn't missed later."""
    left = HELLO_SECONDS + 5 - (time.monotonic() - killed)
    old.run(f"sleep {max(left, 0):.0f}", HELLO_SECONDS + 30)
    wait_status(lab, old, 30, phase="sync", connected=True)
    lab.step("the new kernel is still there when the time to say hello is long over")


def test(lab):
    """Kills, then an upgrade to the end."""
    machine = lab.machine()
    with machine.boot("old") as old:
        kill_while_reserving(lab, old)
        new = spawn(machine, old, "new", "ttyS1", "--cpus=2-3 --memory=1G")
        upgrade, killed = status(old)["upgradeId"], time.monotonic()
        assert kill_old(lab, old)["upgradeId"] == upgrade
        lab.step("the old agent was killed and is back")
        stop_old(lab, old, new)
        new.run("killall -9 kho-agent")
        new.wait_until("khoctl status", 30)
        wait_status(lab, new, 60, phase="sync", connected=True)
        wait_status(lab, old, 60, phase="sync", connected=True)
        lab.step("the new agent was killed and is back")
        still_there(lab, old, killed)
        retire(lab, old, new)
        assert new.run("cat /sys/devices/system/cpu/online") == "0-3"
        new.run("killall -9 kho-agent")
        new.wait_until("khoctl status", 30)
        wait_status(lab, new, 60, phase="idle")
        assert new.run("cat /sys/devices/system/cpu/online") == "0-3"
        assert machine.resets() == 0
