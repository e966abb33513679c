# SPDX-License-Identifier: GPL-2.0-only
"""6.12 spawns 7.x beside itself under load; both run on, and talk."""

from lib.pair import check_pair


def test(lab):
    """The usual direction."""
    check_pair(lab, "old", "new")
