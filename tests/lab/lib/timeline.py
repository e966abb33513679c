# SPDX-License-Identifier: GPL-2.0-only
"""A report as a picture: the whole upgrade on one line, the switch step by step, with
what the clients saw of it, and the rounds in which memory was copied.

No library draws it: a report is to be looked at wherever a browser is.
"""

from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, ROW = 960, 130, 110, 21
PLOT = WIDTH - LEFT - RIGHT
COLORS = {"spawn": "#9aa5b1", "preflight": "#72b7b2", "sync": "#4c78a8", "switch": "#e45756",
          "verify": "#f58518", "commit": "#54a24b", "soak": "#b279a2", "retire": "#6b7785"}
CLIENT, FROZEN, INK, FAINT = "#222831", "#c44e52", "#222831", "#d5dae0"


def span_text(ms):
    """A duration as people say it."""
    return f"{ms / 1000:.1f} s" if ms >= 10000 else f"{ms:.0f} ms"


def size_text(size):
    """A size as people say it."""
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.0f} KiB"


class Picture:
    """SVG that grows downwards."""

    def __init__(self):
        self.parts, self.y = [], 16

    def text(self, x, y, text, anchor="start", **style):
        """One line of text."""
        extra = "".join(f' {k.replace("_", "-")}="{v}"' for k, v in style.items())
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>'
                          f"{escape(text)}</text>")

    def box(self, x, y, width, height, color):
        """A filled box, at least a hair wide."""
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" '
                          f'height="{height:.1f}" fill="{color}"/>')

    def heading(self, text, note=""):
        """Begins a part."""
        self.y += 30
        self.text(16, self.y, text, font_size=14, font_weight="bold")
        if note:
            self.text(WIDTH - 16, self.y, note, "end", fill="#66717d")
        self.y += 10

    def axis(self, end, rows):
        """Vertical lines at round times, behind rows to come."""
        step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000,
                                50000, 100000, 10**9) if end / s <= 9)
        height = rows * ROW + 4
        for tick in range(0, int(end) + 1, step):
            x = LEFT + PLOT * tick / end
            self.box(x, self.y, 1, height, FAINT)
            label = f"{tick / 1000:g} s" if step >= 1000 else f"{tick} ms"
            self.text(x, self.y + height + 13, label, "middle", fill="#66717d", font_size=11)
        return PLOT / end

    def row(self, name, start, width, color, note):
        """A bar with its name before and a note behind it."""
        self.text(LEFT - 8, self.y + 15, name, "end")
        self.box(LEFT + start, self.y + 4, width, ROW - 7, color)
        self.text(LEFT + start + max(width, 1) + 5, self.y + 15, note, fill="#444d56")
        self.y += ROW

    def svg(self):
        """All of it."""
        height = self.y + 16
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
                f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12" '
                f'fill="{INK}">')
        return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *self.parts,
                          "</svg>", ""])


def phase_of(step, phases):
    """Name of the phase that a step began in."""
    inside = [p["name"] for p in phases if p["start_ms"] <= step["start_ms"]]
    return inside[-1] if inside else "sync"


def end_of(span):
    """When it was over."""
    return span["start_ms"] + span["duration_ms"]


def draw_title(picture, report):
    """What was done, and how it ended."""
    picture.y += 8
    picture.text(16, picture.y, f'Linux {report["old_release"]} to {report["new_release"]}: '
                 f'{report["result"]}', font_size=17, font_weight="bold")
    client, base = report.get("client"), report.get("baseline")
    if client and base:
        picture.y += 22
        picture.text(16, picture.y, f'{client["kept"]} of {client["opened"]} connections kept, '
                     f'{client["answered"]} of {client["sent"]} requests answered; clients waited '
                     f'{span_text(client["blackout_ms"])} at most, with plain stop-and-copy '
                     f'{span_text(base["stop_and_copy_blackout_ms"])} ({base["ratio"]} times as '
                     "long)")


def draw_phases(picture, phases):
    """A bar for each phase on one time axis."""
    end = max(end_of(p) for p in phases)
    picture.heading("The upgrade", f"{span_text(end)} in all; workloads run but for the switch")
    scale = picture.axis(end, len(phases))
    for phase in phases:
        picture.row(phase["name"], phase["start_ms"] * scale, phase["duration_ms"] * scale,
                    COLORS.get(phase["name"], "#888"), span_text(phase["duration_ms"]))
    picture.y += 16


def draw_switch(picture, report):
    """Each step from the freeze until clients are answered again."""
    phases, client = report["phases"], report.get("client")
    steps = [s for s in report["steps"] if phase_of(s, phases) in ("switch", "verify", "commit")]
    if not steps:
        return
    begin = steps[0]["start_ms"]
    if client and client["blackout_start_ms"]:
        begin = min(begin, client["blackout_start_ms"])
    end = max(end_of(s) for s in steps)
    if client:
        end = max(end, client["blackout_start_ms"] + client["longest_gap_ms"])
    frozen = next((s for s in steps if s["name"] == "freeze"), steps[0])["start_ms"]
    moved = [w for w in report["workloads"] if w["frozen_ms"]]
    rows = len(steps) + len(moved) + bool(client)
    picture.heading("The switch", "time since it began")
    scale = picture.axis(end - begin, rows)
    for step in steps:
        picture.row(step["name"], (step["start_ms"] - begin) * scale, step["duration_ms"] * scale,
                    COLORS.get(phase_of(step, phases), "#888"), span_text(step["duration_ms"]))
    for w in moved:
        picture.row(f'{w["name"]} frozen', (frozen - begin) * scale, w["frozen_ms"] * scale,
                    FROZEN, span_text(w["frozen_ms"]))
    if client:
        picture.row("longest gap", (client["blackout_start_ms"] - begin) * scale,
                    client["longest_gap_ms"] * scale, CLIENT, span_text(client["longest_gap_ms"]))
    picture.y += 16


def draw_rounds(picture, workloads):
    """What went over in each round, and after the switch."""
    copied = [w for w in workloads if w.get("round_bytes")]
    if not copied:
        return
    most = max(max(w["round_bytes"]) for w in copied) or 1
    picture.heading("Memory", "what each round of copying took over; the last one is frozen")
    for w in copied:
        picture.text(16, picture.y + 15, f'{w["name"]}: {size_text(w["rss_bytes"])} resident, '
                     f'{size_text(w["lazy_bytes"])} came in after it ran, within '
                     f'{span_text(w["lazy_ms"])}')
        picture.y += ROW
        for number, (size, ms) in enumerate(zip(w["round_bytes"], w["round_ms"]), 1):
            last = number == len(w["round_bytes"])
            picture.row(f"round {number}", 0, (PLOT - 30) * size / most, FROZEN if last else "#4c78a8",
                        f"{size_text(size)} in {span_text(ms)}")


def draw(report):
    """The report as SVG text."""
    picture = Picture()
    draw_title(picture, report)
    draw_phases(picture, report["phases"])
    draw_switch(picture, report)
    draw_rounds(picture, report["workloads"])
    return picture.svg()
