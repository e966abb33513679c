# SPDX-License-Identifier: GPL-2.0-only
"""Traffic between a client namespace and a machine (guest/traffic.py), and the
guest's end of migrate/net (guest/net.c)."""

import json
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "guest/traffic.py"
IN_GUEST = "/usr/lib/kho-lab/traffic.py"


class Flow:
    """A program of guest/traffic.py in a client namespace."""

    def __init__(self, client, *words):
        self._process = client.start(str(SCRIPT), *map(str, words), stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def running(self):
        """Whether it still runs."""
        return self._process.poll() is None

    def finish(self, seconds=60):
        """Its answer, when it ended well."""
        out, err = self._process.communicate(timeout=seconds)
        assert self._process.returncode == 0, err
        return json.loads(out)


class Driver:
    """lab-net in a guest."""

    def __init__(self, shell, function, *addresses):
        self.shell, self.function = shell, function
        shell.run_bg("exec /usr/lib/kho-lab/lab-net serve", "/run/lab-net.log")
        shell.wait_until("/usr/lib/kho-lab/lab-net ask leftovers", 20, "lab-net")
        self.ask("services", function, *addresses)

    def ask(self, *words):
        """Has to succeed; returns the answer."""
        return self.shell.run(f"/usr/lib/kho-lab/lab-net ask {' '.join(map(str, words))}")

    def fails(self, *words):
        """Has to fail; returns the message."""
        result = self.shell.call(f"/usr/lib/kho-lab/lab-net ask {' '.join(map(str, words))}")
        assert result.rc == 2, result
        return result.out.strip()

    def counts(self, what="stats"):
        """held, released, dropped."""
        return tuple(map(int, self.ask(what).split()))


def nic_function(shell, mac):
    """The PCI function of the NIC with this MAC address."""
    shell.wait_until(f"udevadm settle && grep -q {mac} /sys/class/net/*/address", 30, "the NIC")
    return shell.run(f"basename $(readlink -f $(dirname $(grep -l {mac} /sys/class/net/*/address))"
                     "/device/..)")


def serve(shell, *words):
    """Starts a server of guest/traffic.py in a guest; returns its pid."""
    return shell.run_bg(f"exec {IN_GUEST} {' '.join(map(str, words))}", f"/run/{words[0]}.log")
