# SPDX-License-Identifier: GPL-2.0
"""Compares results of the benchmark: two bench.json, or a bench.json with the expectation of a committed file."""

import json
import shlex
import statistics
import sys
from collections import Counter

from bench_input import MODES, Unusable, load, number, read_bench, reading
from bench_svg import plain, title_of
from loader_report import count, table, tell, write

# Rewriting alone is a small part of a load, so that chance moves it more: it is printed, and judged as part of the load.
UNJUDGED = "rewrite"


def costs(bench):
    """{(what, mode): instructions} of all rows; times are of no use from one machine to the next."""
    found = {}
    for row in bench["families"]:
        if row["unit"] == "insns":
            name = f"{title_of(row['family'], row['harden'])} N={row['n']}"
            for mode in (*MODES, "twin", UNJUDGED):
                found["family", name, mode] = row[mode]
    for row in bench["programs"]:
        name = title_of(f"{plain(row['object'])}/{row['program']}", row["harden"])
        for mode in (*MODES, UNJUDGED):
            found["program", name, mode] = row[mode]
    for row in bench["engine"]:
        if row["unit"] == "insns":
            found["engine", f"{row['edits']} edits", "per edit"] = row["total"]
    return {key: cost for key, cost in found.items() if cost}


def percent(ratio):
    return f"{(ratio - 1) * 100:+.2f} %"


def compare(base_path, new_path, tolerance, mean_tolerance, subset):
    """Status 1: a figure, or the mean of all, is larger than the tolerance allows. Short programs differ by up to 1 % from
    one count to the next, the mean does not."""
    base, new = (costs(read_bench(path)) for path in (base_path, new_path))
    common = [key for key in base if key in new]
    changed = sorted(((new[key] / base[key], key) for key in common), reverse=True)
    changed = [(ratio, key) for ratio, key in changed if abs(ratio - 1) > tolerance]
    worse = [key for ratio, key in changed if ratio > 1 and key[2] != UNJUDGED]
    if changed:
        heads = ["kind", "what", "mode", "base", "new", "new/base", ""]
        table(heads, [[*key, figure(base[key]), figure(new[key]), f"{ratio:.4f}", percent(ratio)] for ratio, key in changed],
              left=3)  # fmt: skip
        print()
    problems = []
    missing = [key for key in base if key not in new and key[2] != UNJUDGED]
    if missing and not subset:
        problems += [f"missing in {new_path}: {' '.join(key)}" for key in missing[:20]]
        if len(missing) > 20:
            problems.append(f"and {len(missing) - 20} more are missing")
    if not common:
        problems.append("nothing was compared: no row is in both")
    if worse:
        problems.append(f"more than {tolerance * 100:g} % above base: {len(worse)}, most of all {' '.join(worse[0])}")
    judged = [new[key] / base[key] for key in common if key[2] != UNJUDGED]
    mean = statistics.geometric_mean(judged) if judged else 1
    if mean_tolerance is not None and mean > 1 + mean_tolerance:
        problems.append(f"geometric mean of new/base {mean:.5f}, more than {mean_tolerance * 100:g} % above 1")
    kinds = Counter(kind for kind, _, mode in common if mode != UNJUDGED)
    less = sum(ratio < 1 for ratio, _ in changed)
    print(f"compared: {', '.join(f'{total} of kind {kind}' for kind, total in kinds.items()) or 'nothing'}; "
          f"{len(changed) - less} more, {less} less than base by more than {tolerance * 100:g} %; "
          f"{len(missing)} only in base, {sum(key not in base for key in new)} only in new; geometric mean {mean:.5f}")  # fmt: skip
    return tell(problems, "no figure of base is missing or larger" if not subset else "no figure in both is larger")


def figure(value):
    return count(value) if isinstance(value, int) else f"{value:.4g}"


# --- a committed file --------------------------------------------------------------------------------------------------


def key_of(row):
    """What names a row of the committed file."""
    what = (plain(row["object"]), row["program"]) if row["kind"] == "program" else (row["family"], row["n"])
    return row["kind"], *what, row["harden"]


def rows_of(bench):
    """{key: row of bench.json}."""
    found = {("program", plain(row["object"]), row["program"], row["harden"]): row for row in bench["programs"]}
    for row in bench["families"]:
        if row["unit"] == "insns":
            found["family", row["family"], row["n"], row["harden"]] = row
    return found


def pick_of(row):
    """The argument of --pick that gives the row."""
    kind, first, second, harden = key_of(row)
    name = f"{first}/{second}" if kind == "program" else f"{first}={second}"
    return name if not harden else f"{name}:{harden}"


def drift(row, rows):
    """How a load in mode stock has changed: by another kernel or compiler, which is not ours to judge."""
    found = rows.get(key_of(row), {}).get("stock")
    return found / number(row["insns"]) if found and number(row["insns"]) else 1


def check(expected_path, new_path):
    expected, rows = load(expected_path), rows_of(read_bench(new_path))
    problems, faster, shown, picks = [], 0, [], {}
    with reading(expected_path):
        tolerance = number(expected["tolerance"])
        drifts = {key_of(row): drift(row, rows) for row in expected["rows"] if row["mode"] == "stock"}
        for row in expected["rows"]:
            if row["kind"] not in ("program", "family") or row["mode"] not in (*MODES, "twin"):
                raise ValueError(f"no such kind or mode: {row['kind']}, {row['mode']}")
            pick, mode, wanted = pick_of(row), row["mode"], number(row["insns"])
            picks[pick] = None
            if not wanted:
                raise ValueError(f"{pick} {mode}: expects nothing")
            found = rows.get(key_of(row), {}).get(mode)
            if not found:
                problems.append(f"{pick} {mode}: missing")
                shown.append([pick, mode, figure(wanted), "-", "-", "MISSING"])
                continue
            if mode == "stock":
                shown.append([pick, mode, figure(wanted), figure(found), percent(found / wanted), "-"])
                continue
            ratio = found / wanted / drifts.get(key_of(row), 1)
            verdict = "SLOWER" if ratio > 1 + tolerance else "faster" if ratio < 1 - tolerance else "ok"
            if verdict == "SLOWER":
                problems.append(f"{pick} {mode}: {percent(ratio)}, {tolerance * 100:g} % is allowed")
            faster += verdict == "faster"
            shown.append([pick, mode, figure(wanted), figure(found), percent(ratio), verdict])
    if not shown:
        raise Unusable(f"{expected_path}: expects nothing")
    table(["row", "mode", "expected", "found", "deviation", "verdict"], shown, left=2)
    print("deviation: of stock, from the kept figure; of the others, from the kept figure times the deviation of stock")
    if faster:
        again = " ".join(f"--pick {shlex.quote(pick)}" for pick in picks)
        print(f"note: faster: renew the file by: scripts/report/bench.py expect {new_path} {again} "
              f"--tolerance {tolerance:g} --out {expected_path}")  # fmt: skip
    return tell(problems, f"{len(shown)} rows are as expected, or better")


def expect(new_path, picks, tolerance, out):
    rows, expected = rows_of(read_bench(new_path)), []
    for pick in picks:
        name, _, level = pick.partition(":")
        program, slash, second = name.rpartition("/")
        family, _, n = name.partition("=")
        if not (level or "0").isdigit() or not (slash or n.isdigit()):
            raise Unusable(f"--pick {pick}: is neither object/program[:harden] nor family=N[:harden]")
        harden = int(level or 0)
        key = ("program", plain(program), second, harden) if slash else ("family", family, int(n), harden)
        if key not in rows:
            raise Unusable(f"--pick {pick}: no such row in {new_path}")
        row = rows[key]
        what = {key: row[key] for key in (("object", "program") if slash else ("family", "n"))}
        for mode in MODES:
            if row[mode]:
                expected.append({"kind": key[0], **what, "harden": harden, "mode": mode, "insns": row[mode]})
    body = ",\n  ".join(json.dumps(row) for row in expected)
    write(out, f'{{"tolerance": {json.dumps(tolerance)}, "rows": [\n  {body}\n]}}\n')
    print(f"{out}: {len(expected)} rows", file=sys.stderr)
    return 0
