# SPDX-License-Identifier: GPL-2.0
"""The ladder as a chart: log-log, one line each for stock, patcher, twin and rewriting. Needs nothing but Python."""

import math

from svg import (
    PATCHER, REWRITING, STOCK, TWIN, Axis, decade, document, line, rules, text, tick_count, tick_time, upright,
)  # fmt: skip

WIDTH, HEIGHT = 860, 540
LEFT, RIGHT, TOP, BOTTOM = 76, 150, 62, 58

# Key of the row, label, colour, dashes. Upper lines first.
SERIES = [
    ("stock_ns_median", "stock", STOCK, ""),
    ("patcher_ns_median", "patcher", PATCHER, ""),
    ("twin_ns_median", "twin (no rewriting)", TWIN, "6 4"),
    ("rewrite_ns_median", "patcher: rewriting", REWRITING, "2 4"),
]


def ladder_svg(rows, release):
    """Draws rows of the ladder; returns the text of the SVG file."""
    lines = []
    for key, label, colour, dashes in SERIES:
        points = [(row["n"], row[key] / 1e9) for row in rows if row.get(key)]
        if points:
            lines.append((label, colour, dashes, points))
    out = [
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
            out += line(x, y, colour, dashes, points, lambda n, t: f"N={n}: {t:.3g} s")
        out += labels(x, y, lines)
    return document(WIDTH, HEIGHT, out)


def grid(x, y):
    out = rules(
        x, y, [(10.0**e, tick_count(e)) for e in x.decades()], [(10.0**e, tick_time(e)) for e in y.decades()]
    )
    out.append(text((x.start + x.end) / 2, HEIGHT - 16, "N, context loads in the program", anchor="middle"))
    out.append(upright(18, (y.start + y.end) / 2, "load time"))
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
