# SPDX-License-Identifier: GPL-2.0-only
"""PostgreSQL as a workload, program and data on a volume, and its clients on another host.

Its program is copied to the volume with the libraries that new kernels' systems lack: so
target images stay small, and it's a service of which all but systemd's unit moves.
"""

import json
import subprocess
from pathlib import Path

PROGRAM = Path(__file__).parent.parent / "client" / "pgload.py"
HOME = "/srv/data/pg"
BIN = f"{HOME}/usr/lib/postgresql/17/bin"

UNIT = """[Unit]
{needs}
[Service]
Type=notify
User=postgres
# System V shared memory, which postgres keeps a little of, moves in a namespace of its own
PrivateIPC=yes
Environment=LD_LIBRARY_PATH={home}/lib
ExecStart={bin}/postgres -D {home}/data -c hba_file={home}/hba -c ident_file=/dev/null \
	-c listen_addresses={address} -c unix_socket_directories={home}/run \
	-c shared_buffers=32MB -c huge_pages=off -c jit=off -c ssl=off -c fsync=on
TimeoutSec=120
"""
NEEDS = "Requires=kho-volume@data.service\nAfter=kho-volume@data.service\n"

INSTALL = r"""
set -e
mkdir -p {home}/lib {home}/run
cp -r --parents /usr/lib/postgresql/17/bin /usr/lib/postgresql/17/lib /usr/share/postgresql {home}/
cp /usr/lib/x86_64-linux-gnu/libicu*.so.?? {home}/lib/
cp -r /var/lib/postgresql/17/main {home}/data
echo 'host all all {network} trust' >{home}/hba
touch {home}/data/postgresql.conf
chown -R postgres: {home}
"""


def add_unit(shell, address, needs=""):
    """The unit lab-postgres; its first start needs the volume, mounted by systemd."""
    shell.write_file("/etc/systemd/system/lab-postgres.service",
                     UNIT.format(home=HOME, bin=BIN, address=address, needs=needs).encode())
    shell.run("systemctl daemon-reload")


def install(shell, address, network):
    """Everything to the volume, which is mounted; then it's started."""
    shell.write_file("/run/install", INSTALL.format(home=HOME, network=network).encode())
    shell.run("sh /run/install", 180)
    add_unit(shell, address, NEEDS)
    shell.run("systemctl start lab-postgres", 120)


class Clients:
    """client/pgload.py in a client's namespace."""

    def __init__(self, lab, client, address, connections=6):
        self._lab, self._path = lab, lab.out / "pgload.log"
        self._log = self._path.open("w+")
        self._process = client.start(
            "python3", str(PROGRAM), address, "5432", "postgres", "postgres", "--connections",
            str(connections), text=True, stdin=subprocess.PIPE, stdout=self._log,
            stderr=self._log)
        self._wait("ready", 60)

    def _wait(self, text, seconds):
        def there():
            if self._process.poll():
                raise AssertionError("the clients of postgres failed:\n"
                                     + self._path.read_text()[-2000:])
            return text in self._path.read_text()
        self._lab.reactor.wait(there, seconds, f"'{text}' of the clients of postgres")

    def tell(self, word):
        """Has it done, and returns what was answered."""
        done = f"done {word}"
        assert done not in self._path.read_text(), "once is enough"
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        self._wait(done, 60)
        return next(line for line in self._path.read_text().splitlines() if done in line)

    def stop(self):
        """Ends them, with a last look at all that was acknowledged; returns their summary."""
        self._process.stdin.write("stop\n")
        self._process.stdin.flush()
        self._lab.reactor.wait(lambda: self._process.poll() is not None, 60, "the clients' end")
        text = self._path.read_text()
        assert self._process.returncode == 0, text[-2000:]
        return json.loads(text.splitlines()[-1])
