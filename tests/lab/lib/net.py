# SPDX-License-Identifier: GPL-2.0-only
"""Networks of a test: bridges, taps and client namespaces.

A test has a network namespace of its own, so names are plain and all of it is
gone when the test's process is. Machines hang on a bridge by taps; a client
that shall see a machine from outside gets a namespace and a veth.
"""

import itertools
import json
import subprocess

from .qemu import Nic


def ip(*words):
    """Runs ip(8)."""
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


class Network:
    """A bridge. address is the test's own on it, e.g. "10.77.0.1/24"."""

    _numbers = itertools.count()

    def __init__(self, address=None):
        self.name = f"br{next(self._numbers)}"
        ip("link", "add", self.name, "type", "bridge")
        ip("link", "set", self.name, "up")
        if address:
            ip("address", "add", address, "dev", self.name)

    def tap(self):
        """A new tap on the bridge; returns its name, for a Nic."""
        name = f"tap{next(self._numbers)}"
        ip("tuntap", "add", "dev", name, "mode", "tap")
        self._join(name)
        return name

    def two_nics(self, machine=0):
        """One for each kernel of a machine, by the machine's number in this network."""
        return [Nic(self.tap(), f"52:54:00:00:0{machine}:0{n}") for n in (1, 2)]

    def client(self, name, *addresses):
        """A namespace with addresses on the bridge; returns the namespace."""
        number = next(self._numbers)
        outer, inner = f"veth{number}", f"vin{number}"
        ip("netns", "add", name)
        ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
        self._join(outer)
        ip("-n", name, "link", "set", "lo", "up")
        for address in addresses:
            nodad = ["nodad"] if ":" in address else []
            ip("-n", name, "address", "add", address, "dev", inner, *nodad)
        ip("-n", name, "link", "set", inner, "up")
        return Client(name)

    def _join(self, name):
        ip("link", "set", name, "master", self.name, "up")


class Client:
    """A namespace to run a program in, as another host would."""

    def __init__(self, name):
        self.name = name

    def start(self, *command, **options):
        """subprocess.Popen in the namespace."""
        return subprocess.Popen(["ip", "netns", "exec", self.name, *command], **options)

    def run(self, *command, timeout=60):
        """Runs to the end; returns its output."""
        return subprocess.run(["ip", "netns", "exec", self.name, *command], check=True, text=True,
                              timeout=timeout, stdin=subprocess.DEVNULL, capture_output=True).stdout

    def count_wakes(self, address, address6):
        """Counts from now on how often each of them says that it can't be reached: wakes()."""
        kind = "type destination-unreachable counter name"
        self.run("nft", "add table inet lab; add counter inet lab four; add counter inet lab six; "
                 "add chain inet lab in { type filter hook input priority 0; }; "
                 f"add rule inet lab in ip saddr {address} icmp {kind} four; "
                 f"add rule inet lab in ip6 saddr {address6} icmpv6 {kind} six")

    def wakes(self):
        """How often so far: (IPv4, IPv6)."""
        listed = json.loads(self.run("nft", "-j", "list", "counters"))["nftables"]
        counters = [entry["counter"] for entry in listed if "counter" in entry]
        packets = {counter["name"]: counter["packets"] for counter in counters}
        return packets["four"], packets["six"]
