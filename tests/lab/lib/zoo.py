# SPDX-License-Identifier: GPL-2.0-only
"""The zoo (guest/zoo.c): tasks that know whether all that they have is whole."""

ZOO = "/usr/lib/kho-lab/zoo"
ADDRESSES = ("10.99.0.10", "fd99::10")
SCOPE = "lab-grove.scope"


def configure(shell, units, seconds):
    """Each is a workload of its own, by its name here, and may stand still for so long."""
    text = "".join(f"[Workload {name}]\nUnit={unit}\nMaxBlackoutSec={seconds}\n"
                   for name, unit in units.items())
    shell.write_file("/etc/kho-agent/kho-agent.conf", text.encode())


def give_loopback(shell):
    """Addresses as of a service, on a NIC that each kernel has."""
    for address in ADDRESSES:
        shell.run(f"ip address add {address} dev lo {'nodad' if ':' in address else ''}")


def start_zoo(shell):
    """The task with one of everything."""
    shell.run("mkdir -p /etc/systemd/system/lab-zoo.service.d")
    shell.write_file("/etc/systemd/system/lab-zoo.service.d/addresses.conf",
                     f"[Service]\nEnvironment='ADDRESSES={' '.join(ADDRESSES)}'\n".encode())
    shell.run("systemctl daemon-reload")
    start(shell, "lab-zoo", "zoo")


def start(shell, unit, folder):
    """A unit of the zoo; waits until it can be asked."""
    shell.run(f"systemctl start {unit}")
    shell.wait_until(f"test -S /run/{folder}/control", 30)


def start_scope(shell):
    """No unit file: a tree that somebody has started, in a slice of its own."""
    shell.run("mkdir -p /run/grove")
    shell.run_bg(f"RUNTIME_DIRECTORY=/run/grove systemd-run --scope --unit={SCOPE} "
                 f"--slice=lab-wood.slice setsid {ZOO} tree 7 </dev/null", "/run/grove.log")
    shell.wait_until("test -S /run/grove/control", 30)


def ask(shell, folder, words="how are you"):
    """What it says; raises if that isn't "ok"."""
    answer = shell.call(f"{ZOO} ask /run/{folder} '{words}'")
    assert answer.rc == 0 and answer.out.startswith("ok"), f"{folder}:\n{answer.out}"
    return answer.out.strip()


def pids(shell, unit):
    """Of all processes of the unit."""
    group = shell.run(f"systemctl show -P ControlGroup {unit}")
    return sorted(shell.run(f"cat '/sys/fs/cgroup{group}/cgroup.procs'").split())


def is_heard(shell):
    """systemd gets word of the service that it watches, from now on, too."""
    beats = int(ask(shell, "zoo-notify").split()[1])
    shell.wait_until("systemctl show -P StatusText lab-zoo-notify | awk '{exit !($2 > "
                     f"{beats + 40})}}'", 60, "word of the service")
