# SPDX-License-Identifier: GPL-2.0-only
"""7.x spawns 6.12 beside itself: the way back works like the way there."""

from lib.pair import check_pair


def test(lab):
    """The other direction."""
    check_pair(lab, "new", "old")
