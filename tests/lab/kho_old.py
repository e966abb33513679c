# SPDX-License-Identifier: GPL-2.0-only
"""A kernel with KHO and our patches is the old one: it spawns 7.x beside itself under load, with
IPIs that the kernel itself keeps at home."""

from lib.pair import check_pair


def test(lab):
    """As between stock kernels."""
    check_pair(lab, "kho", "new")
