# SPDX-License-Identifier: GPL-2.0-only
"""On both stock kernels all probes are loaded, attached and taken off a hundred times, and the
kernel has no program, map or link of theirs then, nor the process a descriptor."""

from lib.probes import check_cycles

TIME_LIMIT = 900
TIMES = 100


def test(lab):
    """Each kernel by itself."""
    for name in ("old", "new"):
        machine = lab.machine(cpus=2, memory="2G")
        with machine.boot(name) as shell:
            check_cycles(lab, shell, TIMES)
        machine.kill()
