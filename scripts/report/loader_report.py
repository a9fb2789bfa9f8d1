#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Reads the loader's output: makes tables, results/run.json and results/ladder.svg of it, or compares two kernels.

loader_report.py run MEASURE_LOG [--full] [--out DIR]      status 1: a row is missing, differs or failed
loader_report.py compare DUMP_LOG DUMP_LOG                 status 1: a difference, or nothing was compared
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from ladder_svg import ladder_svg  # noqa: E402

TOP = Path(__file__).resolve().parents[2]

# Rows of the ladder (family context) that there must be, and those that FULL=1 measures in stock mode too.
BOTH = [1000, 5000, 15000]
PATCHER_ONLY = [45000, 95000, 195000, 999000]
FULL = [45000, 95000]
# Names the objects of the kernel tree; of each, at least one program must have been compared.
OBJECTS = TOP / "selftests/progs/kernel.list"
# Objects of ours start like this; every program in them must load.
OWN = "own_"


class Unusable(Exception):
    """A log that says nothing; the message tells why."""


def read_log(path, command):
    """Returns the loader's result objects by kind, {'ladder': [...], 'kernel': [...], ...}."""
    results = {}
    for number, line in enumerate(Path(path).read_text(errors="replace").splitlines(), 1):
        if not line.startswith("@json "):
            continue
        try:
            parsed = json.loads(line.removeprefix("@json "))
        except ValueError as err:
            raise Unusable(f"{path}:{number}: a result is cut or mixed with other output: {err}") from err
        for kind, value in parsed.items():
            results.setdefault(kind, []).append(value)
    ended = [summary.get("command") for summary in results.get("summary", [])]
    if ended != [command]:
        raise Unusable(f"{path}: the loader's '{command}' did not end; look at the log's last lines")
    return results


# --- checks ------------------------------------------------------------------------------------------------------------


def check_ladder(results, full):
    """Returns what is wrong with the ladder, in words."""
    problems = []
    rows = {row["n"]: row for row in results.get("family", [])}
    for n in BOTH + PATCHER_ONLY:
        wanted = ["stock", "patcher"] if n in BOTH or (full and n in FULL) else ["patcher"]
        row = rows.get(n)
        if row is None:
            problems.append(f"ladder: no row for N={n}")
        elif row.get("modes") != wanted:
            problems.append(f"ladder: N={n} ran in {row.get('modes')}, not in {wanted}: {row.get('skipped', '')}")
    for n, row in rows.items():
        problems += row_problems(f"ladder: N={n}", row)
    return problems


def check_programs(results):
    """Returns what is wrong with the programs, in words."""
    problems = []
    compared = set()
    for row in results.get("program", []):
        name = f"{row['object']}/{row.get('name', '')}"
        if refused(row):
            continue
        if row.get("modes") != ["stock", "patcher"]:
            problems.append(f"{name}: ran in {row.get('modes')}, not in both modes")
        problems += row_problems(name, row)
        if row.get("identical"):
            compared.add(row["object"])
    rows, counted = len(results.get("family", [])) + len(results.get("program", [])), results["summary"][0]["rows"]
    if rows != counted:
        problems.append(f"{rows} rows of {counted}")
    return problems + not_compared(compared)


def not_compared(compared):
    """Objects of the kernel tree that are missing from those compared."""
    names = [line for line in OBJECTS.read_text().splitlines() if line and not line.startswith("#")]
    return [f"{name}: no program of it was compared" for name in names if name not in compared]


def refused(row):
    """Did the kernel refuse the program in every mode, for the same reason?"""
    errors = row.get("errors", [])
    return (
        not row.get("loaded")
        and bool(row.get("modes"))
        and [error["mode"] for error in errors] == row["modes"]
        and len({error["errno"] for error in errors}) == 1
        and not row["object"].startswith(OWN)
    )


def row_problems(name, row):
    if row.get("skipped"):
        return []
    problems = []
    for error in row.get("errors", []):
        problems.append(f"{name}: not loaded in mode {error['mode']}: {error.get('reason') or error['text']}")
    if row.get("modes") == ["stock", "patcher"] and row.get("loaded") and row.get("identical") is not True:
        problems.append(f"{name}: the modes differ: {row.get('difference')}")
    if not problems and not row.get("good"):
        problems.append(f"{name}: was not rewritten as expected ({row.get('edits')} edits)")
    return problems


# --- tables ------------------------------------------------------------------------------------------------------------


def seconds(ns):
    """Time with three or so digits, in a unit that suits it."""
    if ns is None:
        return "-"
    for unit, size in (("s", 1e9), ("ms", 1e6)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}" if ns < 1000 * size else f"{ns / size:.0f} {unit}"
    return f"{ns / 1e3:.3g} us"


def count(number):
    return "-" if number is None else f"{number:,}".replace(",", " ")


def factor(value):
    if value is None:
        return "-"
    return f"{value:.0f}x" if value >= 10 else f"{value:.2f}x"


def verdict(row):
    return {True: "yes", False: "NO", None: "-"}[row.get("identical")]


def table(heads, rows, left=1):
    """Aligned text: the first columns to the left, numbers to the right."""
    widths = [max(len(line[i]) for line in [heads] + rows) for i in range(len(heads))]
    for line in [heads] + rows:
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths))
        ]
        print("  ".join(cells).rstrip())


def print_ladder(rows):
    print("Ladder: N context loads that grow to 3 insns each; load times are medians")
    heads = ["N", "insns", "after", "edits", "stock", "patcher", "stock/patcher", "twin", "patcher/twin", "rewriting",
             "identical"]  # fmt: skip
    lines = []
    for row in rows:
        lines.append([
            count(row["n"]), count(row.get("insns_before")), count(row.get("insns_after")), count(row.get("edits")),
            seconds(row.get("stock_ns_median")), seconds(row.get("patcher_ns_median")), factor(row.get("ratio")),
            seconds(row.get("twin_ns_median")), factor(row.get("patcher_to_twin")),
            seconds(row.get("rewrite_ns_median")), verdict(row),
        ])  # fmt: skip
    table(heads, lines, left=0)


def print_programs(rows):
    """Programs that are rewritten get a line each, the others one together."""
    shown, quiet = [], 0
    for row in rows:
        if refused(row):
            continue
        if not row.get("edits") and row.get("good"):
            quiet += 1
            continue
        shown.append([
            row["object"], row.get("name", "-"), count(row.get("insns_before")), count(row.get("insns_after")),
            count(row.get("edits")), seconds(row.get("stock_ns_median")), seconds(row.get("patcher_ns_median")),
            factor(row.get("ratio")), seconds(row.get("rewrite_ns_median")), verdict(row),
        ])  # fmt: skip
    print("Programs of the kernel's selftests, and small ones of ours (own_*); load times are medians")
    heads = ["object", "program", "insns", "after", "edits", "stock", "patcher", "stock/patcher", "rewriting",
             "identical"]  # fmt: skip
    table(heads, shown, left=2)
    if quiet:
        print(f"and {quiet} programs without an edit, identical in both modes")
    for row in rows:
        if refused(row):
            error = row["errors"][0]
            print(f"not loaded in either mode: {row['object']}/{row['name']}: {error.get('reason') or error['text']}")


# --- results -----------------------------------------------------------------------------------------------------------


def commit():
    """The checkout's commit, with '-dirty' when it has changes; None when there is none."""
    git = ["git", "-c", f"safe.directory={TOP}", "-C", str(TOP)]
    try:
        head = subprocess.run(git + ["rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changes = subprocess.run(git + ["status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("-dirty" if changes else "")


def cpu():
    """Model of the machine's processor: its name, or what numbers there are."""
    fields = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    numbers = " ".join(fields.get(key, "") for key in ("vendor_id", "cpu family", "model", "stepping"))
    return {"model": fields.get("model name") or numbers.strip() or None, "count": os.cpu_count()}


def write(path, text):
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.replace(path)


def report_run(args):
    results = read_log(args.log, "measure")
    problems = check_ladder(results, args.full) + check_programs(results)
    rows = sorted(results.get("family", []), key=lambda row: row["n"])
    programs, kernel = results.get("program", []), results["kernel"][0]
    out = Path(args.out)
    write(out / "run.json", json.dumps({
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "cpu": cpu(),
        "kernel": kernel,
        "complete": not problems,
        "problems": problems,
        "ladder": rows,
        "programs": programs,
    }, indent=1) + "\n")  # fmt: skip
    write(out / "ladder.svg", ladder_svg(rows, kernel["release"]))

    print_ladder(rows)
    print()
    print_programs(programs)
    print()
    print(f"Results: {out / 'run.json'}, {out / 'ladder.svg'}")
    return tell(problems, "every row is there, and every row that ran in both modes is identical")


def tell(problems, good):
    """Prints the verdict and returns the status."""
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if not problems:
        print(good)
    return 1 if problems else 0


def report_compare(args):
    logs = [read_log(path, "dump") for path in (args.a, args.b)]
    a, b = ({(d["object"], d["name"]): d["result"] for d in log.get("dump", [])} for log in logs)
    problems = []
    compared = 0
    for key in sorted(a.keys() | b.keys()):
        name = "/".join(key)
        if key not in a or key not in b:
            problems.append(f"{name}: only in {args.a if key in a else args.b}")
        elif a[key] != b[key]:
            fields = sorted(k for k in a[key].keys() | b[key].keys() if a[key].get(k) != b[key].get(k))
            problems.append(f"{name}: differs in {', '.join(fields)}{first_insn(a[key], b[key])}")
        elif "xlated" in a[key]:
            compared += 1
    objects = {key[0] for key in a.keys() & b.keys() if "xlated" in a[key]}
    problems += not_compared(objects)
    return tell(problems, f"{compared} programs are the same on both kernels")


def first_insn(a, b):
    """Where two programs start to differ."""
    ours, theirs = ([d.get("xlated", "")[i : i + 16] for i in range(0, len(d.get("xlated", "")), 16)] for d in (a, b))
    for index, (x, y) in enumerate(zip(ours, theirs)):
        if x != y:
            return f"; first at insn {index}: {x} and {y}"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="tables, run.json and ladder.svg of one run")
    run.add_argument("log", help="output of the loader's `measure --only context,objects`")
    run.add_argument("--full", action="store_true", help="slow rows ran in mode stock too")
    run.add_argument("--out", default="results", help="where the results go (default: %(default)s)")
    run.set_defaults(handle=report_run)
    compare = commands.add_parser("compare", help="are the programs the same on two kernels?")
    compare.add_argument("a", help="output of the loader's dump on one kernel")
    compare.add_argument("b", help="output of the loader's dump on the other")
    compare.set_defaults(handle=report_compare)
    args = parser.parse_args()
    try:
        return args.handle(args)
    except (OSError, Unusable) as err:
        print(f"error: {err}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
