# SPDX-License-Identifier: GPL-2.0-only
"""PostgreSQL as Debian has it, with its data on a volume."""

from .service import disk_of_size, make_file_system

UNIT, FOLDER = "postgresql@17-main.service", "/var/lib/postgresql"
PROGRAMS, SETTINGS = "/usr/lib/postgresql/17/bin", "/etc/postgresql/17/main"

DROP_IN = b"""[Unit]
Requires=kho-volume@data.service
After=kho-volume@data.service
[Service]
PrivateIPC=yes
"""


def serve(shell, address, subnet):
    """Clients of the subnet may come, and need no password."""
    shell.run(f"echo \"listen_addresses = '{address}'\" >{SETTINGS}/conf.d/lab.conf && "
              f"echo 'host all all {subnet} trust' >>{SETTINGS}/pg_hba.conf")


def make_movable(shell):
    """What the unit needs besides."""
    shell.run(f"mkdir -p /etc/systemd/system/{UNIT}.d")
    shell.write_file(f"/etc/systemd/system/{UNIT}.d/kho.conf", DROP_IN)
    shell.run("systemctl daemon-reload")


def make_volume(shell, sectors):
    """A disk with what Debian's package has made; returns its PCI function."""
    function = make_file_system(shell, sectors)
    shell.run(f"mount /dev/{disk_of_size(shell, sectors)} /mnt && cp -a {FOLDER}/. /mnt && "
              "umount /mnt")
    return function


def start(shell):
    """Again, if it runs. That is over when the server answers."""
    shell.run(f"systemctl restart {UNIT}", 120)
    assert shell.run(f"systemctl is-active {UNIT}") == "active"


def query(shell, text, settings=""):
    """By the UNIX socket, as the server's own user; returns what psql prints."""
    return shell.run(f"cd / && runuser -u postgres -- env PGOPTIONS='{settings}' "
                     f"{PROGRAMS}/psql -Atc \"{text}\"")
