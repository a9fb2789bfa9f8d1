# SPDX-License-Identifier: GPL-2.0
"""Histograms of counts as an SVG file: a panel each, classes of powers of two. Needs nothing but Python."""

from xml.sax.saxutils import escape

WIDTH, PANEL, LEFT, BAR = 860, 220, 60, 120


def classes(values):
    """[(label, count)]: 0, 1, 2, 3-4, 5-8, ... from the smallest value up to the largest."""
    found, low, high = [], 0, 0
    while low <= max(values, default=0):
        label = str(low) if low == high else f"{low}-{high}"
        if high >= min(values, default=0):
            found.append((label, sum(low <= value <= high for value in values)))
        low, high = high + 1, max(1, high * 2)
    return found


def histogram_svg(panels):
    """panels: [(title, what is counted, values)]; returns the text of the SVG file."""
    height = PANEL * len(panels)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
           'font-family="sans-serif" font-size="12">', f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>']
    for number, (title, unit, values) in enumerate(panels):
        top = number * PANEL
        found = classes(values)
        most = max((count for _, count in found), default=0) or 1
        step = (WIDTH - LEFT - 20) / max(1, len(found))
        out.append(f'<text x="{LEFT}" y="{top + 24}" font-size="14" font-weight="bold">{escape(title)} ({len(values)} {escape(unit)})</text>')
        base = top + PANEL - 40
        for i, (label, count) in enumerate(found):
            x, size = LEFT + i * step, BAR * count / most
            out.append(f'<rect x="{x + 3:.1f}" y="{base - size:.1f}" width="{step - 6:.1f}" height="{size:.1f}" fill="#0072b2"/>')
            out.append(f'<text x="{x + step / 2:.1f}" y="{base - size - 4:.1f}" text-anchor="middle">{count}</text>')
            out.append(f'<text x="{x + step / 2:.1f}" y="{base + 16}" font-size="10" text-anchor="middle">{label}</text>')
        out.append(f'<line x1="{LEFT}" y1="{base}" x2="{WIDTH - 20}" y2="{base}" stroke="#333333"/>')
    return "\n".join(out) + "\n</svg>\n"
