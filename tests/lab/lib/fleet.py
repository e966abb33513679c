# SPDX-License-Identifier: GPL-2.0-only
"""A fleet: an etcd of three members on another host than its machines, and their view of it."""

import json
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
RUN = "/run/kho-agent" # where configuration may be, too
KHO_FLEET = TOP / "build/bin/kho-fleet"
HEALTH = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).read().decode())"


class Etcd:
    """Three members in a client's namespace, which has an address for each."""

    def __init__(self, lab, client, addresses):
        self._lab, self._client = lab, client
        self.endpoints = " ".join(f"http://{address}:2379" for address in addresses)
        self._cluster = ",".join(f"e{n}=http://{address}:2380" for n, address in enumerate(addresses))
        self._addresses = addresses
        self._members = [self._start(n) for n in range(len(addresses))]
        lab.reactor.wait(self.answers, 60, "etcd's quorum")

    def _start(self, number):
        address = self._addresses[number]
        with open(self._lab.out / f"etcd{number}.log", "ab") as log:
            return self._client.start(
                "etcd", f"--name=e{number}", f"--data-dir={self._lab.out}/etcd{number}",
                f"--listen-client-urls=http://{address}:2379",
                f"--advertise-client-urls=http://{address}:2379",
                f"--listen-peer-urls=http://{address}:2380",
                f"--initial-advertise-peer-urls=http://{address}:2380",
                f"--initial-cluster={self._cluster}", "--initial-cluster-state=new",
                # all of it is emulated, and slow
                "--heartbeat-interval=500", "--election-timeout=5000",
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def answers(self):
        """Whether a member that lives has a quorum."""
        for address, member in zip(self._addresses, self._members):
            if member.poll() is None:
                done = self._client.start("python3", "-c", HEALTH, f"http://{address}:2379/health",
                                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
                return '"true"' in done.communicate()[0]
        return False

    def kill(self, number):
        """As by a power failure; the others go on."""
        self._members[number].kill()
        self._members[number].wait()

    def restart(self, number):
        """With the data that it had."""
        self._members[number] = self._start(number)

    def stop(self):
        """All of them."""
        for member in self._members:
            member.kill()
            member.wait()


class Operator:
    """khoctl fleet on a host that isn't one of the machines."""

    def __init__(self, lab, client, endpoints):
        self._lab, self._client = lab, client
        self._etc = lab.out / "operator"
        self._etc.mkdir(exist_ok=True)
        (self._etc / "kho-agent.conf").write_text(f"[Fleet]\nEndpoints={endpoints}\n")

    def call(self, *words):
        """Exit code and output."""
        done = self._client.start(
            "unshare", "--mount", "sh", "-c",
            f'mkdir -p {RUN} && mount --bind {self._etc} {RUN} && exec {KHO_FLEET} "$@"', "sh", *words,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
        out = done.communicate(timeout=60)[0]
        return done.returncode, out

    def run(self, *words):
        """Output of what has to succeed."""
        code, out = self.call(*words)
        assert code == 0, (words, code, out)
        return out

    def status(self):
        """The rollout, and machines by name."""
        told = json.loads(self.run("--json", "status"))
        return told.get("rollout"), {machine["name"]: machine for machine in told["machines"]}

    def start(self, **document):
        """Begins a rollout."""
        path = self._etc / f"{document['id']}.json"
        path.write_text(json.dumps({"schema": 1, **document}))
        self.run("start", str(path))

    def wait(self, what, condition, seconds):
        """Until condition(rollout, machines) is true; what's told changes are steps."""
        last = [None]

        def holds():
            rollout, machines = self.status()
            line = "; ".join(f"{name} {m['state']} {m['reason']} {m['message']}".strip()
                             for name, m in machines.items())
            if line != last[0]:
                self._lab.step(line)
            last[0] = line
            return condition(rollout, machines)
        self._lab.reactor.wait(holds, seconds, what)
