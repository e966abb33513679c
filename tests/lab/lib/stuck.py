# SPDX-License-Identifier: GPL-2.0-only
"""The service that holds what can't move (guest/stuck.py)."""


def start_stuck(shell, *words):
    """Starts it, or starts it again, holding these things."""
    shell.run("mkdir -p /var/lib/lab-stuck")
    shell.write_file("/var/lib/lab-stuck/holds", " ".join(words))
    shell.run("rm -f /var/lib/lab-stuck/starts; systemctl restart lab-stuck")
    shell.wait_until("test -s /var/lib/lab-stuck/starts", 30)


def starts(shell):
    """The releases of the kernels that it was started on."""
    return shell.run("cat /var/lib/lab-stuck/starts").split()
