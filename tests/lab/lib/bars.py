# SPDX-License-Identifier: GPL-2.0-only
"""A picture of a few durations that differ by orders of magnitude: bars on a logarithmic axis."""

import math
from xml.sax.saxutils import escape

LEFT, WIDTH, ROW, TOP, RIGHT = 230, 480, 34, 44, 230
UNITS = ((1000, "ms", 1), (600000, "s", 1000), (float("inf"), "min", 60000))


def duration(ms):
    """As people say it."""
    for limit, unit, size in UNITS:
        if ms < limit:
            return f"{ms / size:.{0 if unit == 'ms' or ms / size >= 100 else 1}f} {unit}"
    raise AssertionError("unreachable")


def _text(x, y, text, *attributes):
    return f'<text x="{x:.0f}" y="{y:.0f}" {" ".join(attributes)}>{escape(text)}</text>'


def _axis(low, high, bottom):
    """A line and its value for each power of ten."""
    for power in range(low, high + 1):
        x = LEFT + WIDTH * (power - low) / (high - low)
        yield f'<line x1="{x:.0f}" x2="{x:.0f}" y1="{TOP - 8}" y2="{bottom}" stroke="#ddd"/>'
        yield _text(x, bottom + 16, duration(10**power), 'text-anchor="middle"', 'fill="#666"')


def draw(title, bars):
    """SVG of bars, as (label, ms, note); shorter ones are better. Those of the first label stand out."""
    low = math.floor(math.log10(min(ms for _, ms, _ in bars)))
    high = math.ceil(math.log10(max(ms for _, ms, _ in bars)))
    bottom = TOP + ROW * len(bars)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" '
             f'height="{bottom + 28}" font-family="sans-serif" font-size="13">',
             '<rect width="100%" height="100%" fill="white"/>',
             _text(12, 22, title, 'font-size="15"', 'font-weight="bold"'),
             *_axis(low, high, bottom)]
    for number, (label, ms, note) in enumerate(bars):
        y = TOP + ROW * number
        width = max(2, WIDTH * (math.log10(ms) - low) / (high - low))
        lines += [_text(LEFT - 8, y + 16, label, 'text-anchor="end"'),
                  f'<rect x="{LEFT}" y="{y}" width="{width:.0f}" height="22" '
                  f'fill="{"#2a7" if label == bars[0][0] else "#79b"}"/>',
                  _text(LEFT + width + 6, y + 16, f"{duration(ms)}{note}")]
    return "\n".join(lines + ["</svg>"]) + "\n"
