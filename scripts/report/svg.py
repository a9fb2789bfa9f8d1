# SPDX-License-Identifier: GPL-2.0
"""What the charts have in common: the frame of the file, logarithmic axes, text, lines. Needs nothing but Python."""

import math
from xml.sax.saxutils import escape

# Told apart by the colour-blind.
STOCK, PATCHER, TWIN, REWRITING = "#d55e00", "#0072b2", "#6b6b6b", "#009e73"


class Axis:
    """A logarithmic scale between two values, drawn from start to end."""

    def __init__(self, low, high, start, end):
        self.low, self.high = math.log10(low), math.log10(high)
        self.start, self.end = start, end

    def at(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def has(self, value):
        return self.low - 1e-9 <= math.log10(value) <= self.high + 1e-9

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


def document(width, height, parts):
    """The text of the SVG file."""
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="13" fill="#222">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    return "\n".join(head + parts + ["</svg>"]) + "\n"


def text(x, y, content, size=13, weight="normal", fill="#222", anchor="start", extra=""):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{fill}" '
        f'text-anchor="{anchor}"{extra}>{escape(content)}</text>'
    )


def upright(x, y, content, size=13):
    """The name of a vertical axis."""
    return text(x, y, content, size=size, anchor="middle", extra=f' transform="rotate(-90 {x} {y:.1f})"')


def rules(x, y, ticks_x, ticks_y, size=13):
    """A frame with a line at each tick; ticks are pairs of a value and its text."""
    out = []
    for value, label in ticks_y:
        at = y.at(value)
        out.append(f'<path d="M{x.start} {at:.1f}H{x.end}" stroke="#ddd"/>')
        out.append(text(x.start - 8, at + 4, label, size=size, anchor="end"))
    for value, label in ticks_x:
        at = x.at(value)
        out.append(f'<path d="M{at:.1f} {y.start}V{y.end}" stroke="#ddd"/>')
        out.append(text(at, y.start + 18, label, size=size, anchor="middle"))
    out.append(f'<rect x="{x.start}" y="{y.end}" width="{x.end - x.start}" height="{y.start - y.end}" '
               'fill="none" stroke="#888"/>')  # fmt: skip
    return out


def line(x, y, colour, dashes, points, title, radius=3.5):
    """A line with a dot at each point; title(point) is what the mouse shows there."""
    path = "L".join(f"{x.at(a):.1f} {y.at(b):.1f}" for a, b in points)
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    out = [f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>']
    for a, b in points:
        out.append(f'<circle cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="{radius}" fill="{colour}">'
                   f"<title>{escape(title(a, b))}</title></circle>")  # fmt: skip
    return out
