# SPDX-License-Identifier: GPL-2.0-only
"""Steps of an upgrade that several tests take."""

import json

from .machine import CLOCKSOURCE

IMAGES = "/var/lib/kho-agent/images"


def status(shell):
    """The agent's view, as khoctl gives it to scripts."""
    return json.loads(shell.run("khoctl --json status"))


def spawn(machine, shell, image, port, options="", folder=IMAGES):
    """Spawns an image from the kernel behind shell; returns the new kernel's shell."""
    spawned = shell.call(f"khoctl spawn {folder}/{image} --append=lab.port={port} {options}", 180)
    if spawned.rc != 0:
        raise AssertionError(f"{spawned}\nthe new kernel's console:\n"
                             + shell.call("khoctl console | tail -n 40").out)
    return machine.shell(port, image).wait_ready(60)


# by which an agent says that the kernel didn't take its BPF program, other than one that repeats what
# its peer says; quiet otherwise, and where the kernel was built without what BPF needs
UNSHIELDED = ("test ! -e /sys/kernel/btf/vmlinux || "
              "journalctl --no-pager -q -b -u kho-agent -g '^don.t kill a criu'")

NO_AGENT = 4  # khoctl's exit code: it's being started again


def wait_status(lab, shell, seconds, **want):
    """Waits until the agent's status has these values; one that was killed isn't there at once."""
    def there():
        result = shell.call("khoctl --json status")
        if result.rc == NO_AGENT:
            return False
        assert result.rc == 0, result.out
        now = json.loads(result.out)
        return all(now[key] == value for key, value in want.items())
    lab.reactor.wait(there, seconds, f"status {want}")
    return status(shell)


def memory_kib(shell):
    """MemTotal in KiB."""
    return int(shell.run("awk '/^MemTotal/{print $2}' /proc/meminfo"))


def memory_share(machine, shell):
    """MemTotal as a part of the machine's RAM: a kernel's own size isn't the other one's."""
    return memory_kib(shell) / (int(machine.spec.memory.removesuffix("G")) << 20)


def assert_clock(new):
    """A spawned kernel hasn't given up its only clock, and has timers that are finer than ticks."""
    assert new.run(f"cat {CLOCKSOURCE}") == "tsc"
    assert new.run("grep -c 'hres_active *: 1' /proc/timer_list") != "0"


def retire(lab, old, new, seconds=180):
    """The old kernel retires; waits until the new one has the machine."""
    old.start("khoctl retire")
    now = wait_status(lab, new, seconds, phase="idle")
    assert_clock(new)
    return now


def report(shell):
    """Of the last move, from the kernel that it went from."""
    return json.loads(shell.run("khoctl --json report"))


def _command(lab, shell, command, arrivals, departures, seconds):
    """Runs it; what both sides know is shown if it fails."""
    moved = shell.call(command, seconds)
    if moved.rc == 0:
        assert not departures.call(UNSHIELDED).out, "its CRIUs could be killed"
        return moved.out
    for side, logs in ((arrivals, "move/*/images/restore.log"), (departures, "dump/*/*/dump.log")):
        lab.step(side.call("journalctl --no-pager -b -n 60; "
                           f"tail -n 25 /run/kho-agent/{logs}").out)
    raise AssertionError(moved.out)


def move(lab, old, new, to="", seconds=180):
    """Moves all workloads to the new kernel."""
    return _command(lab, old, f"khoctl move {to}", new, old, seconds)


def rollback(lab, old, new, given_in=None, seconds=180):
    """Moves all workloads back."""
    return _command(lab, given_in or old, "khoctl rollback", old, new, seconds)
