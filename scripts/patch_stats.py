#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""How much the verifier rewrites: patch_stats.py LOG --out PREFIX, LOG from selftests/vm/suites/patches.sh.

Writes PREFIX.csv (a row for each program and pass with edits), PREFIX.svg (histograms) and PREFIX.md (the table). Status 1: the log is
not whole.
"""

import argparse
import csv
import re
import sys
from collections import Counter
from pathlib import Path

sys.dont_write_bytecode = True
from histogram_svg import histogram_svg  # noqa: E402

# enum bpf_patcher_pass, in its order.
PASSES = ["bpf_loop inlining", "dead code", "nops", "context accesses", "helpers and arithmetic", "may_goto slots", "zero extension",
          "constant blinding"]
EVENT = re.compile(r"-(\d+) +\[\d+\] \S+ +[\d.]+: (\w+): (.*)")


class Unusable(Exception):
    """A log that says nothing; the message tells why."""


def fields(text):
    return {key: value.strip('"') for key, value in re.findall(r"(\w+)=(\"[^\"]*\"|\S+)", text)}


def read(path):
    """Returns the loads in order: {object, name, len, passes: {pass: [(kind, cnt), ...]}}."""
    loads, current, counted, expected, obj = [], {}, 0, None, None
    for line in Path(path).read_text(errors="replace").splitlines():
        if "LOST" in line and "EVENTS" in line:
            raise Unusable(f"events were lost: {line}")
        if line.startswith("@edits "):
            expected = int(line.split()[1])
            continue
        match = EVENT.search(line)
        if not match:
            continue
        pid, event, text = match.groups()
        if event == "tracing_mark_write":
            obj = text.removeprefix("object ").strip()
        elif event == "pass":
            found = fields(text)
            number = int(found["pass"], 0)
            # Passes come in the order of their numbers: one that does not is another program's first.
            load = current.get(pid)
            if load is None or load["name"] != found["name"] or number <= load["last"]:
                load = current[pid] = {"object": obj, "name": found["name"], "len": int(found["len"], 0), "passes": {}, "last": number}
                loads.append(load)
            load["last"] = number
            load["passes"].setdefault(PASSES[number], [])
        elif event in ("replace", "prepend", "remove"):
            counted += 1
            load = current[pid]
            load["passes"][PASSES[load["last"]]].append((event, int(fields(text)["cnt"], 0)))
    if expected is None:
        raise Unusable("the suite did not end")
    if expected != counted:
        raise Unusable(f"the module has recorded {expected} edits, the log has {counted}")
    return loads


def quantile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(part * len(values)))] if values else 0


def markdown(loads):
    lines = ["| Pass | Programs with edits | Edits | Edits a program: median | 90 % | most | Insns an edit: median | 90 % | most |",
             "|---|---|---|---|---|---|---|---|---|"]
    for name in PASSES:
        edits = [load["passes"][name] for load in loads if load["passes"].get(name)]
        sizes = [cnt for program in edits for _, cnt in program]
        counts = [len(program) for program in edits]
        if not edits:
            lines.append(f"| {name} | 0 | 0 | | | | | | |")
            continue
        row = [len(edits), sum(counts), quantile(counts, 0.5), quantile(counts, 0.9), max(counts), quantile(sizes, 0.5),
               quantile(sizes, 0.9), max(sizes)]
        lines.append(f"| {name} | " + " | ".join(map(str, row)) + " |")
    totals = [(sum(map(len, load["passes"].values())), load) for load in loads]
    edited = [total for total, _ in totals if total]
    lines += ["", f"{len(loads)} programs came as far as being rewritten, {len(edited)} of them with {sum(edited)} edits: median "
              f"{quantile(edited, 0.5)} a program, 90 % {quantile(edited, 0.9)}, 99 % {quantile(edited, 0.99)}, most {max(edited)}.", "",
              "| Program | Insns | Edits |", "|---|---|---|"]
    totals.sort(key=lambda item: -item[0])
    lines += [f"| {load['object']}: {load['name']} | {load['len']} | {total} |" for total, load in totals[:10]]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    try:
        loads = read(args.log)
    except Unusable as err:
        sys.exit(f"error: {args.log}: {err}")
    with args.out.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["object", "program", "insns", "pass", "edits", "replaced", "put_in_front", "removed", "insns_in_edits", "largest"])
        for load in loads:
            for name, edits in load["passes"].items():
                if edits:
                    kinds, sizes = Counter(kind for kind, _ in edits), [cnt for _, cnt in edits]
                    writer.writerow([load["object"], load["name"], load["len"], name, len(edits), kinds["replace"], kinds["prepend"],
                                     kinds["remove"], sum(sizes), max(sizes)])
    counts = [sum(map(len, load["passes"].values())) for load in loads]
    sizes = [cnt for load in loads for edits in load["passes"].values() for kind, cnt in edits if kind != "remove"]
    removed = [cnt for load in loads for edits in load["passes"].values() for kind, cnt in edits if kind == "remove"]
    args.out.with_suffix(".svg").write_text(histogram_svg([
        ("Edits a program", "programs", counts), ("Insns that an edit brings along", "edits", sizes),
        ("Insns that a removal takes away", "removals", removed),
    ]))
    args.out.with_suffix(".md").write_text(markdown(loads))
    print(f"{len(loads)} programs, {sum(counts)} edits: {args.out}.csv, .svg, .md")


if __name__ == "__main__":
    main()
