# SPDX-License-Identifier: GPL-2.0-only
"""Workloads move to the new kernel and back, with clients from outside, a service address and a
data volume: no connection, no answer and no byte is lost."""

from lib.there_and_back import back, machine_with_clients, there

TIME_LIMIT = 600
LONG = True


def test(lab):
    """There, back, and the machine is the old kernel's."""
    with machine_with_clients(lab) as (old, new):
        there(lab, old, new, 2)
        back(lab, old, new, old, 3)
