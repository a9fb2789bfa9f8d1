#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes bench.json, bench.md and charts of the raw outputs of the benchmark, and compares results.

bench.py report [--in DIR] [--out DIR] [--complete]   status 1: a row failed or differs, or a part of the whole is missing
bench.py compare BASE NEW [--tolerance T] [--mean T] [--subset]  status 1: a figure is larger, or missing
bench.py check EXPECTED NEW                           the same with the few rows of a committed file
bench.py expect NEW --pick ROW ... --out FILE         writes such a file
bench.py machine                                      prints where this is measured
Status 2: an input cannot be read, or is not whole.
"""

import argparse
import datetime
import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True
import bench_compare  # noqa: E402
import bench_input  # noqa: E402
import bench_summary  # noqa: E402
import bench_svg  # noqa: E402
import bench_tables  # noqa: E402
from loader_report import Unusable, commit, cpu, tell, write  # noqa: E402

CHARTS = [
    ("All programs", "Ratio patcher/stock of all programs, sorted", "bench-programs.svg"),
    ("Families", "Instructions of a load over N, a panel for each family", "bench-families.svg"),
]


def report(args):
    bench = bench_input.read(args.input, args.complete)
    bench["summary"] = bench_summary.summary(bench)
    out, release = Path(args.out), bench["machine"].get("kernel") or "(unknown)"
    if isinstance(release, dict):
        release = release.get("release", "(unknown)")
    charts = []
    for chart, rows, draw in zip(CHARTS, (bench["programs"], bench["families"]), (bench_svg.programs_svg, bench_svg.families_svg)):
        path = out / chart[2]
        # No chart of an earlier run stays beside these tables.
        path.unlink(missing_ok=True)
        if rows:
            charts.append(chart)
            write(path, draw(rows, release))
    write(out / "bench.json", json.dumps(bench, indent=1) + "\n")
    write(out / "bench.md", bench_tables.markdown(bench, charts))

    bench_tables.show(bench)
    for note in bench["notes"]:
        print(f"left out: {note}")
    for part in bench["missing"]:
        print(f"missing: {part} was not run")
    print("Results: " + ", ".join(str(out / name) for name in ["bench.json", "bench.md", *(chart[2] for chart in charts)]))
    return tell(bench["problems"], "every row that was measured is whole")


def machine(args):
    """Prints machine.json."""
    where = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "kernel": args.kernel,
        "accel": args.accel,
        "cpu": cpu(),
    }
    print(json.dumps(where, indent=1))
    return 0


def tolerance(text):
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError("has to be between 0 and 1")
    return value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("report", help="bench.json, bench.md, charts and tables of the raw outputs")
    made.add_argument("--in", dest="input", default="results/bench", help="the raw outputs (default: %(default)s)")
    made.add_argument("--out", default="results", help="where the results go (default: %(default)s)")
    made.add_argument("--complete", action="store_true", help="a part that was not run is an error")
    made.set_defaults(handle=report)
    compared = commands.add_parser("compare", help="did something get more expensive?")
    compared.add_argument("base", help="bench.json of before")
    compared.add_argument("new", help="bench.json of now")
    compared.add_argument("--tolerance", type=tolerance, default=0.01, help="as a part of 1 (default: %(default)s)")
    compared.add_argument("--mean", type=tolerance, help="the same for the geometric mean of all (default: not judged)")
    compared.add_argument("--subset", action="store_true", help="only rows that both have, of which there has to be one")
    compared.set_defaults(handle=lambda args: bench_compare.compare(args.base, args.new, args.tolerance, args.mean, args.subset))
    checked = commands.add_parser("check", help="is it as a committed file expects?")
    checked.add_argument("expected", help="what 'expect' wrote")
    checked.add_argument("new", help="bench.json of now")
    checked.set_defaults(handle=lambda args: bench_compare.check(args.expected, args.new))
    chosen = commands.add_parser("expect", help="writes a file for 'check'")
    chosen.add_argument("new", help="bench.json")
    chosen.add_argument("--pick", action="append", required=True, metavar="ROW",
                        help="object/program[:harden] or family=N[:harden]; may be repeated")  # fmt: skip
    chosen.add_argument("--tolerance", type=tolerance, default=0.01, help="as a part of 1 (default: %(default)s)")
    chosen.add_argument("--out", required=True, type=Path, metavar="FILE")
    chosen.set_defaults(handle=lambda args: bench_compare.expect(args.new, args.pick, args.tolerance, args.out))
    where = commands.add_parser("machine", help="prints machine.json")
    where.add_argument("--kernel", default="", help="release of the kernel")
    where.add_argument("--accel", default="TCG, -icount shift=0,sleep=off", help="how QEMU runs (default: %(default)s)")
    where.set_defaults(handle=machine)
    args = parser.parse_args()
    try:
        return args.handle(args)
    except (OSError, Unusable) as err:
        print(f"error: {err}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
