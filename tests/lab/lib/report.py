# SPDX-License-Identifier: GPL-2.0-only
"""Reports of upgrades: docs/report.md is the schema, this holds a report to it."""

SCHEMA = 1

SPAN = {"name": str, "start_ms": int, "duration_ms": int}
WORKLOAD = {
    "name": str, "rss_bytes": int, "rounds": int, "round_bytes": list, "round_ms": list,
    "round_start_ms": list,
    "predicted_ms": int, "frozen_ms": int, "lazy_bytes": int, "lazy_ms": int, "result": str,
}
MOVE = {
    "schema": int, "result": str, "old_release": str, "new_release": str, "clock_ms": int, "began_ms": int,
    "frozen_limit_ms": int,
    "phases": [SPAN], "steps": [SPAN], "workloads": [WORKLOAD],
}
REASON = {"what": str, "why": str}
FAULTS = {"count": int, "total_us": int, "max_us": int, "slots": list}
KERNEL = {"retransmits": int, "resets_sent": int, "resets_received": int, "zero_windows": int,
          "window_probes": int}
DEMO = MOVE | {
    "client": {
        "opened": int, "kept": int, "reset": int, "sent": int, "answered": int, "lost": int,
        "wrong": int, "longest_gap_ms": float, "usual_gap_ms": float, "blackout_ms": float,
        "blackout_start_ms": int, "why": list,
    },
    "volume": {"clean": bool, "missing_bytes": int},
    "machine": {
        "reset": bool, "cpus_before": int, "cpus_after": int, "memory_before": int,
        "memory_after": int,
    },
    "baseline": {"stop_and_copy_blackout_ms": float, "ratio": float},
}
# of whichever object
MAY_LACK = {
    "trouble": str, "frozen_start_ms": int, "frozen_probe_ms": int, "sample_ms": int, "rehearsed_ms": int,
    "measured": {"dropped": int}, "not_measured": [REASON], "faults": FAULTS,
    "frozen_us": int, "silent_us": int, "first_syscall_us": int, "first_packet_us": int,
    "addresses": [{"name": str, "address": str}], "old": KERNEL, "new": KERNEL,
    "cpu": {"agent_ms": int, "helpers_ms": int}, "peer_agent_ms": int, "peer_helpers_ms": int,
}
RESTARTED = {"name": str, "result": str, "down_ms": int}


def faults(value, shape, where="report"):
    """What isn't as the schema says, one line each."""
    if isinstance(shape, type):
        right = isinstance(value, (int, float) if shape is float else shape)
        # a bool is an int to Python, but not to JSON
        if not right or (isinstance(value, bool) and shape is not bool):
            yield f"{where} is {value!r}, not of {shape.__name__}"
    elif isinstance(shape, list):
        for number, element in enumerate(value if isinstance(value, list) else [value]):
            kind = RESTARTED if shape[0] is WORKLOAD and "down_ms" in element else shape[0]
            yield from faults(element, kind, f"{where}[{number}]")
    else:
        for key in sorted(shape.keys() - value.keys()):
            yield f"{where} lacks {key}"
        for key in value:
            kind = shape.get(key) or MAY_LACK.get(key)
            if kind is None:
                yield f"{where} has {key}, which the schema doesn't know"
            else:
                yield from faults(value[key], kind, f"{where}.{key}")


def check(report, shape):
    """Raises if the report isn't of that shape."""
    wrong = list(faults(report, shape))
    assert not wrong, "\n".join(wrong)
    assert report["schema"] == SCHEMA, report["schema"]
