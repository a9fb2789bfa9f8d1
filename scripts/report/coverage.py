#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Coverage of the engine by the host's tests: coverage.py EXPORT ENGINE LEAST MISSED.

EXPORT is what `llvm-cov export` wrote, ENGINE the directory of the engine's sources. Prints a table, a file a line, and writes
the places that are not reached to MISSED, one a line. Status 1: fewer than LEAST % of the lines are reached.
"""

import json
import os
import sys
from pathlib import Path

KINDS = ["lines", "regions", "functions", "branches"]


def cell(covered, count):
    return f"{covered:>8}/{count:<4}{100 * covered / count if count else 100:6.1f}%"


def row(name, numbers):
    """numbers: {kind: (covered, count)}."""
    return f"{name:14}" + "".join(f"{cell(*numbers[kind]):>20}" for kind in KINDS)


def missed(name, file):
    """Places of a file that are not reached, in words."""
    places = []
    # A segment: line, column, count, has a count, begins a region, is a gap.
    for line, column, count, has_count, begins, gap in (s[:6] for s in file["segments"]):
        if has_count and begins and not gap and count == 0:
            places.append(f"{name}:{line}:{column}: not reached")
    # A branch: line, column, end line, end column, times taken, times not taken.
    for branch in file.get("branches", []):
        for what, times in (("true", branch[4]), ("false", branch[5])):
            if not times:
                places.append(f"{name}:{branch[0]}:{branch[1]}: never {what}")
    return places


def report(data, engine):
    """Returns (lines of the table, places that are not reached, (lines covered, lines))."""
    total = {kind: [0, 0] for kind in KINDS}
    table, places = [f"{'file':14}" + "".join(f"{kind:>20}" for kind in KINDS)], []
    for file in sorted(data["files"], key=lambda f: os.path.basename(f["filename"])):
        path = os.path.normpath(file["filename"])
        if os.path.dirname(path) != os.path.normpath(engine):
            continue
        numbers = {kind: (file["summary"][kind]["covered"], file["summary"][kind]["count"]) for kind in KINDS}
        for kind, (covered, count) in numbers.items():
            total[kind][0] += covered
            total[kind][1] += count
        table.append(row(os.path.basename(path), numbers))
        places += missed(os.path.basename(path), file)
    return table + [row("total", total)], places, tuple(total["lines"])


def main():
    path, engine, least, missed_path = sys.argv[1:]
    table, places, (covered, count) = report(json.loads(Path(path).read_text())["data"][0], engine)
    print("the engine, without the code that only a kernel can run (the view of C's structures, sessions, statistics, mode verify)")
    print("\n".join(table))
    Path(missed_path).write_text("\n".join(places + [""]))
    if not count or 100 * covered < int(least) * count:
        sys.exit(f"error: fewer than {least} % of the engine's lines are reached; see {missed_path}")


if __name__ == "__main__":
    main()
