# SPDX-License-Identifier: GPL-2.0
"""Charts of the benchmark: families as small multiples, ratios of all programs. Needs nothing but Python."""

import math
from xml.sax.saxutils import escape

from bench_summary import grouped, last
from svg import PATCHER, STOCK, TWIN, Axis, decade, document, line, rules, text, tick_time, upright

# Key of the row, label, colour, dashes.
SERIES = [("stock", "stock", STOCK, ""), ("patcher", "patcher", PATCHER, ""), ("twin", "twin (no rewriting)", TWIN, "4 3")]


def tick_short(exponent):
    """1, 10, 100, 1k, ... 10M, ... 1G."""
    return f"{10 ** (exponent % 3)}{['', 'k', 'M', 'G', 'T', 'P'][exponent // 3]}"


def title_of(family, harden):
    return family if not harden else f"{family} (harden {harden})"


def plain(name):
    """The name of an object without its ending."""
    return name.removesuffix(".o").removesuffix(".bpf")


# --- families ----------------------------------------------------------------------------------------------------------

COLUMNS, MARGIN, PANEL_WIDTH, PANEL_HEIGHT, HEAD = 4, 66, 240, 226, 76


def families_svg(rows, release):
    """A panel for each family, with the same axes: what a load costs, over the number of edits."""
    groups = grouped(rows)
    units = {row["unit"] for rows in groups.values() for row in rows}
    # Instructions and time have nothing in common; a family that has only times is left out beside others.
    unit = "insns" if "insns" in units else "ns"
    groups = {key: rows for key, rows in groups.items() if rows[0]["unit"] == unit}
    what = "executed instructions of a load" if unit == "insns" else "time of a load"
    scale = 1 if unit == "insns" else 1e-9
    width = MARGIN + COLUMNS * PANEL_WIDTH - 30
    height = HEAD + math.ceil(len(groups) / COLUMNS) * PANEL_HEIGHT + 24
    out = [
        text(MARGIN, 24, "Loading programs of N edits, for each thing that is rewritten", size=16, weight="bold"),
        text(MARGIN, 44, f"Linux {release}, {what}; both axes are logarithmic; the factor is stock / patcher", fill="#555"),
    ]
    at = MARGIN
    for _, label, colour, dashes in SERIES:
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        out.append(f'<path d="M{at} 60h24" stroke="{colour}" stroke-width="2"{dash}/>')
        out.append(text(at + 30, 64, label, fill=colour, weight="bold"))
        at += 110
    ns = [row["n"] for rows in groups.values() for row in rows if row["n"]]
    costs = [row[key] * scale for rows in groups.values() for row in rows for key, *_ in SERIES if row[key]]
    if ns and costs:
        low, high = decade(min(costs), -1), decade(max(costs) * 1.01, 1)
        for number, ((family, harden), rows) in enumerate(groups.items()):
            left, top = MARGIN + number % COLUMNS * PANEL_WIDTH, HEAD + number // COLUMNS * PANEL_HEIGHT
            x = Axis(min(ns) / 1.5, max(ns) * 1.5, left, left + PANEL_WIDTH - 46)
            y = Axis(low, high, top + PANEL_HEIGHT - 38, top + 24)
            out += panel(x, y, title_of(family, harden), rows, scale)
        middle = HEAD + (height - HEAD) / 2
        out.append(upright(16, middle, what))
        out.append(text(width / 2, height - 10, "N, edits of the program", anchor="middle"))
    return document(width, height, out)


def panel(x, y, title, rows, scale):
    tick = tick_short if scale == 1 else tick_time
    out = rules(x, y, [(10.0**e, tick_short(e)) for e in x.decades()], [(10.0**e, tick(e)) for e in y.decades()], 10)
    out.append(text(x.start, y.end - 6, title, weight="bold"))
    both = last(rows, "stock", "patcher")
    if both:
        said = f"{both['stock'] / both['patcher']:.3g}x"
        out.append(text(x.at(both["n"]), y.at(both["stock"] * scale) - 8, said, size=11, fill=STOCK, anchor="middle"))
    for key, label, colour, dashes in SERIES:
        points = [(row["n"], row[key] * scale) for row in rows if row[key] and row["n"]]
        if points:
            out += line(x, y, colour, dashes, points, lambda n, cost: f"{title}, {label}, N={n}: {cost:.4g}", 2.5)
    return out


# --- programs ----------------------------------------------------------------------------------------------------------

WIDTH, HEIGHT = 960, 560
LEFT, RIGHT, TOP, BOTTOM = 70, 40, 84, 58
TICKS = [part * 10.0**exponent for exponent in range(-4, 4) for part in (1, 2, 5)] + [0.7, 0.9, 1.1]
# Programs at each end of the curve that have their name in the chart.
NAMED = {0: 8, 2: 3}
COLOURS = {0: PATCHER, 2: STOCK}


def programs_svg(rows, release):
    """Ratios of all programs, sorted: a dot each. Ranks are logarithmic, as few programs gain much."""
    curves = []
    for harden in COLOURS:
        of_level = [row for row in rows if row["harden"] == harden and row["ratio"]]
        if of_level:
            curves.append((harden, sorted(of_level, key=lambda row: (row["ratio"], row["object"], row["program"]))))
    out = [
        text(LEFT, 24, "Loading the programs of the kernel's selftests: executed instructions, patcher / stock",
             size=16, weight="bold"),
        text(LEFT, 44, f"Linux {release}; sorted by the ratio; both axes are logarithmic. Below 1 the patcher gains.",
             fill="#555"),
    ]  # fmt: skip
    if curves:
        ratios = [row["ratio"] for _, rows in curves for row in rows]
        x = Axis(0.9, 1.2 * max(2, *(len(rows) for _, rows in curves)), LEFT, WIDTH - RIGHT)
        low, high = min(ratios + [0.8]) / 1.15, max(ratios + [1.05])
        # Room for a name above the worst.
        y = Axis(low, high * (high / low) ** 0.08, HEIGHT - BOTTOM, TOP)
        ticks = [(value, f"{value:g}") for value in TICKS if y.has(value)]
        out += rules(x, y, [(10.0**e, tick_short(e)) for e in x.decades()], ticks)
        out.append(f'<path d="M{x.start} {y.at(1):.1f}H{x.end}" stroke="#222" stroke-width="1.5"/>')
        out.append(text((x.start + x.end) / 2, HEIGHT - 16, "rank of the program", anchor="middle"))
        out.append(upright(18, (y.start + y.end) / 2, "patcher / stock"))
        # Where no name can be: dots, those far to the right are close to 1 and have no names beside them.
        taken = [(x.at(rank) - 5, x.at(rank) + 5, y.at(row["ratio"])) for _, rows in curves for rank, row in enumerate(rows[:99], 1)]
        for number, (harden, rows) in enumerate(curves):
            out += curve(x, y, COLOURS[harden], rows)
            above = sum(row["ratio"] > 1.005 for row in rows)
            said = f"{'blinded (harden 2)' if harden else 'as it is (harden 0)'}: {len(rows)} programs, {above} above 1.005"
            out.append(text(LEFT + 420 * number, 66, said, fill=COLOURS[harden], weight="bold"))
        for harden, rows in curves:
            out += names(x, y, COLOURS[harden], rows, NAMED[harden], taken)
            if len(rows) > 1:
                out += worst(x, y, COLOURS[harden], rows[-1], len(rows), taken)
    return document(WIDTH, HEIGHT, out)


def curve(x, y, colour, rows):
    """All dots as one path, which is small; two at the same place are one."""
    places = dict.fromkeys((round(x.at(rank), 1), round(y.at(row["ratio"]), 1)) for rank, row in enumerate(rows, 1))
    path = "".join(f"M{a:g} {b:g}h0" for a, b in places)
    return [f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="5" stroke-linecap="round" opacity="0.8"/>']


def describe(row):
    return f"{plain(row['object'])}/{row['program']} {row['ratio']:.4g}"


def names(x, y, colour, rows, count, taken):
    """Names of those that gain most, right of their dots, and below each other where there is no room."""
    leads, out = [], []
    for rank, row in enumerate(rows[:count], 1):
        if row["ratio"] > 0.995:
            break
        at_x, at_y = x.at(rank), y.at(row["ratio"])
        label_x, label_y = at_x + 14, place(at_x + 14, at_y, describe(row), taken, 1)
        if label_y > min(y.start - 6, at_y + 80):
            continue
        taken.append((label_x, label_x + width(describe(row)), label_y))
        if label_y - at_y > 1:
            leads.append(f'<path d="M{at_x:.1f} {at_y:.1f}L{label_x - 2:.1f} {label_y:.1f}" stroke="{colour}" opacity="0.5"/>')
        out.append(name(label_x, label_y, row, colour, "start"))
    return leads + out


def worst(x, y, colour, row, rank, taken):
    """The name of the one that gains least, above its dot and left of it. It is there in any case."""
    right = max(x.at(rank) - 10, x.start + 4 + width(describe(row)))
    left = right - width(describe(row))
    label_y = place(left, y.at(row["ratio"]) - 16, describe(row), taken, -1)
    if label_y < y.end + 8:
        label_y = place(left, y.at(row["ratio"]) + 16, describe(row), taken, 1)
    taken.append((left, right, label_y))
    return [name(right, label_y, row, colour, "end")]


def width(said):
    return 6.1 * len(said)


def place(left, at, said, taken, step):
    """The nearest height, downwards or upwards, at which the text covers no other."""
    right = left + width(said)
    while any(left < r and l < right and abs(at - h) < 14 for l, r, h in taken):
        at += step
    return at


def name(x, y, row, colour, anchor):
    title = f"{row['object']}/{row['program']}: {row['patcher']:,} of {row['stock']:,} instructions".replace(",", " ")
    halo = ' stroke="#fff" stroke-width="3" paint-order="stroke"'
    return f"<g><title>{escape(title)}</title>{text(x, y + 4, describe(row), 11, fill=colour, anchor=anchor, extra=halo)}</g>"
