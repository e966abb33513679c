# SPDX-License-Identifier: GPL-2.0-only
"""A report's steps as a picture: one bar a step, and where the workloads stood still."""

from xml.sax.saxutils import escape

WIDTH, LEFT, ROW, TOP = 960, 120, 22, 40
COLORS = {"sync": "#4c78a8", "switch": "#e45756", "verify": "#f58518", "commit": "#54a24b",
          "soak": "#b279a2"}


def phase_of(step, phases):
    """Name of the phase that a step began in."""
    inside = [p["name"] for p in phases if p["start_ms"] <= step["start_ms"]]
    return inside[-1] if inside else "sync"


def bar(row, step, scale, color):
    """One step: its name, a bar, its duration."""
    x, y = LEFT + step["start_ms"] * scale, TOP + row * ROW
    width = max(step["duration_ms"] * scale, 1)
    return (f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(step["name"])}</text>'
            f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{ROW - 7}" fill="{color}"/>'
            f'<text x="{x + width + 4:.1f}" y="{y + 14}">{step["duration_ms"]} ms</text>')


def draw(report):
    """The report as SVG text."""
    steps = report["steps"]
    end = max(s["start_ms"] + s["duration_ms"] for s in steps)
    scale = (WIDTH - LEFT - 90) / max(end, 1)
    height = TOP + ROW * (len(steps) + 1)
    title = f'{report["old_release"]} to {report["new_release"]}: {report["result"]}'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             'font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="12" y="22" font-size="15">{escape(title)}</text>']
    for row, step in enumerate(steps):
        parts.append(bar(row, step, scale, COLORS.get(phase_of(step, report["phases"]), "#888")))
    return "\n".join([*parts, "</svg>", ""])
