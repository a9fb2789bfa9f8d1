# SPDX-License-Identifier: GPL-2.0
"""The ladder as a chart: log-log, one line each for stock, patcher, twin and rewriting. Needs nothing but Python."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 540
LEFT, RIGHT, TOP, BOTTOM = 76, 150, 62, 58

# Key of the row, label, colour (told apart by the colour-blind), dashes. Upper lines first.
SERIES = [
    ("stock_ns_median", "stock", "#d55e00", ""),
    ("patcher_ns_median", "patcher", "#0072b2", ""),
    ("twin_ns_median", "twin (no rewriting)", "#6b6b6b", "6 4"),
    ("rewrite_ns_median", "patcher: rewriting", "#009e73", "2 4"),
]


class Axis:
    """A logarithmic scale from whole decade to whole decade, or from the given ends."""

    def __init__(self, low, high, start, end):
        self.low, self.high = math.log10(low), math.log10(high)
        self.start, self.end = start, end

    def at(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def decades(self):
        return range(math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9) + 1)


def decade(value, away):
    """The whole power of ten below or above a value."""
    return 10.0 ** (math.floor(math.log10(value)) if away < 0 else math.ceil(math.log10(value)))


def tick_time(exponent):
    unit, shift = ("s", 0) if exponent >= 0 else ("ms", 3) if exponent >= -3 else ("us", 6)
    return f"{10 ** (exponent + shift):,} {unit}".replace(",", " ")


def tick_count(exponent):
    return f"{10 ** exponent:,}".replace(",", " ")


def ladder_svg(rows, release):
    """Draws rows of the ladder; returns the text of the SVG file."""
    lines = []
    for key, label, colour, dashes in SERIES:
        points = [(row["n"], row[key] / 1e9) for row in rows if row.get(key)]
        if points:
            lines.append((label, colour, dashes, points))
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="13" fill="#222">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        text(LEFT, 24, "Loading a socket filter of N context loads, each rewritten to 3 insns", size=16, weight="bold"),
        text(LEFT, 44, f"Linux {release}, median load time; both axes are logarithmic", fill="#555"),
    ]
    if lines:
        ns = [n for *_, points in lines for n, _ in points]
        times = [t for *_, points in lines for _, t in points]
        # Room at the sides, so that no point lies on the frame.
        x = Axis(min(ns) / 1.4, max(ns) * 1.4, LEFT, WIDTH - RIGHT)
        y = Axis(decade(min(times), -1), decade(max(times), 1), HEIGHT - BOTTOM, TOP)
        out += grid(x, y)
        for label, colour, dashes, points in lines:
            out += line(x, y, colour, dashes, points)
        out += labels(x, y, lines)
    out.append("</svg>")
    return "\n".join(out) + "\n"


def text(x, y, content, size=13, weight="normal", fill="#222", anchor="start", extra=""):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{fill}" '
        f'text-anchor="{anchor}"{extra}>{escape(content)}</text>'
    )


def grid(x, y):
    out = []
    for exponent in y.decades():
        at = y.at(10.0**exponent)
        out.append(f'<path d="M{x.start} {at:.1f}H{x.end}" stroke="#ddd"/>')
        out.append(text(x.start - 8, at + 4, tick_time(exponent), anchor="end"))
    for exponent in x.decades():
        at = x.at(10.0**exponent)
        out.append(f'<path d="M{at:.1f} {y.start}V{y.end}" stroke="#ddd"/>')
        out.append(text(at, y.start + 18, tick_count(exponent), anchor="middle"))
    out.append(f'<rect x="{x.start}" y="{y.end}" width="{x.end - x.start}" height="{y.start - y.end}" '
               'fill="none" stroke="#888"/>')  # fmt: skip
    out.append(text((x.start + x.end) / 2, HEIGHT - 16, "N, context loads in the program", anchor="middle"))
    middle = (y.start + y.end) / 2
    out.append(text(18, middle, "load time", anchor="middle", extra=f' transform="rotate(-90 18 {middle:.1f})"'))
    return out


def line(x, y, colour, dashes, points):
    path = "L".join(f"{x.at(n):.1f} {y.at(t):.1f}" for n, t in points)
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    out = [f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>']
    for n, t in points:
        title = escape(f"N={n}: {t:.3g} s")
        out.append(f'<circle cx="{x.at(n):.1f}" cy="{y.at(t):.1f}" r="3.5" fill="{colour}"><title>{title}</title></circle>')
    return out


def labels(x, y, lines):
    """A name at the end of each line, moved down where ends are close."""
    ends = sorted((y.at(points[-1][1]), x.at(points[-1][0]), label, colour) for label, colour, _, points in lines)
    out, last = [], {}
    for at_y, at_x, label, colour in ends:
        # Beside the frame if there is no room for a name in it.
        left = at_x + 10 if at_x < x.end - 60 else x.end + 8
        at_y = max(at_y, last.get(left, -math.inf) + 17)
        last[left] = at_y
        out.append(text(left, at_y + 4, label, fill=colour, weight="bold"))
    return out
