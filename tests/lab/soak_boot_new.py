# SPDX-License-Identifier: GPL-2.0-only
"""The same disk boots with the backports kernel: both stock kernels are healthy here."""

from test_boot_old import check_system


def test(lab):
    """Boots the new kernel by itself."""
    machine = lab.machine()
    with machine.boot("new") as new:
        check_system(lab, new, "new")
