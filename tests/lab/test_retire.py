# SPDX-License-Identifier: GPL-2.0-only
"""The old kernel disappears, the new one has the whole machine and can end it."""

from lib.upgrade import memory_share, spawn, wait_status


def check_all_is_ours(lab, machine, new, functions):
    """Every CPU, nearly all memory, every function but the bridges between buses."""
    # the one that was offline on purpose stays so, and can be used
    assert new.run("cat /sys/devices/system/cpu/online") == "0-2"
    new.run("echo 1 >/sys/devices/system/cpu/cpu3/online")
    share = memory_share(machine, new)
    lab.step(f"{share:.1%} of the memory")
    assert share >= 0.91, share
    there = set(new.run("ls /sys/bus/pci/devices").split())
    assert there == functions, there ^ functions


def work(new):
    """A load on all CPUs and most of the memory, checked."""
    new.run("for n in 0 1 2 3; do taskset -c $n sha256sum /usr/bin/busybox & done; wait")
    free = int(new.run("awk '/^MemFree/{print $2}' /proc/meminfo"))
    size = free * 8 // 10
    new.run(f"mkdir -p /tmp/m && mount -t tmpfs -o size={size}k m /tmp/m")
    new.run(f"dd if=/dev/zero of=/tmp/m/f bs=1M count={size // 1024 - 8} 2>/dev/null", 120)
    new.run("umount /tmp/m")


KILLER = """#!/bin/sh
# in place of systemctl, which the agent would ask for the restart
umount -l /usr/bin/systemctl
kill -9 $PPID
"""


def killed_on_the_way_out(lab, old):
    """The old agent is killed when all is ready for its kernel's restart, before that's asked for:
    the next one undoes it, and this kernel is no different from before."""
    # one that's given up, and comes back
    old.run("echo 1 >/sys/devices/system/cpu/cpu1/online")
    old.write_file("/root/killer", KILLER)
    old.run("chmod 755 /root/killer && mount --bind /root/killer /usr/bin/systemctl")
    # its answer doesn't come
    old.call("khoctl retire", 60)
    wait_status(lab, old, 60, phase="sync", connected=True)
    assert "about to retire" in old.run("journalctl -b -u kho-agent")
    assert old.run("cat /sys/devices/system/cpu/online") == "0-1"
    old.run("echo 0 >/sys/devices/system/cpu/cpu1/online")
    assert old.call("test -e /run/kho-agent/retiring").rc != 0
    lab.step("the old agent was killed as it was about to retire, and all is as before")


def retire_past_a_kill(lab, old, new):
    """The new agent is killed when it knows what it will get, before it's there to get."""
    old.start("khoctl retire")
    new.wait_until("test -e /run/kho-agent/left", 30)
    new.run("killall -9 kho-agent")
    wait_status(lab, new, 180, phase="idle")
    new.run("test ! -e /run/kho-agent/left")


def test(lab):
    """Spawn, retire, work, reboot."""
    machine = lab.machine()
    with machine.boot("old") as old:
        functions = set(old.run("cd /sys/bus/pci/devices; for f in *; do case $(cat $f/class) in "
                                "0x0604*) ;; *) echo $f ;; esac; done").split())
        # one that was offline before comes along, too, but stays offline
        old.run("echo 0 >/sys/devices/system/cpu/cpu1/online")
        new = spawn(machine, old, "new", "ttyS1", "--cpus=2-3 --memory=1G")
        # a service that takes longer to stop than an agent may be silent
        old.run("systemd-run --unit=slow -p KillSignal=SIGCONT -p TimeoutStopSec=20 sleep 1000")
        killed_on_the_way_out(lab, old)
        retire_past_a_kill(lab, old, new)
        lab.step("retired")
        assert machine.resets() == 0
        check_all_is_ours(lab, machine, new, functions)
        work(new)
        assert machine.resets() == 0
        new.start("reboot -f")
        lab.reactor.wait(lambda: machine.resets() == 1, 60, "reset by the new kernel's reboot")
