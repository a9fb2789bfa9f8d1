#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""How much the verifier rewrites: patch_stats.py LOG --out PREFIX, LOG from selftests/vm/suites/patches.sh.

Writes PREFIX.csv (a row for each program and pass with patches), PREFIX.svg (histograms) and PREFIX.md (the tables).
Status 1: the log is not whole.
"""

import argparse
import csv
import re
import sys
from collections import Counter
from itertools import chain
from pathlib import Path

sys.dont_write_bytecode = True
from histogram_svg import histogram_svg  # noqa: E402

# enum bpf_patcher_pass, in its order, and last what is patched outside of the sessions. A new pass needs a name here.
PASSES = ["bpf_loop inlining", "dead code", "nops", "context accesses", "helpers and arithmetic", "may_goto slots", "zero extension",
          "constant blinding", "prologues, epilogues, hidden subprograms"]
EVENT = re.compile(r"-(\d+) +\[\d+\] \S+ +[\d.]+: (\w+): (.*)")
# Programs that libbpf loads to find out what the kernel can do. No other program has an empty name.
PROBES = re.compile(r"(libbpf_.*|det_arg_ctx)?")


class Unusable(Exception):
    """A log that says nothing; the message tells why."""


def fields(text):
    return {key: value.strip('"') for key, value in re.findall(r"(\w+)=(\"[^\"]*\"|\S+)", text)}


def read(path):
    """Returns the loads in order: {object, name, len, passes: {pass: [(patch or remove, insns), ...]}}."""
    loads, current, seen, obj, profile = [], {}, Counter(), None, {}
    for line in Path(path).read_text(errors="replace").splitlines():
        if line.startswith("@"):
            event, hits, misses = line[1:].split()
            profile[event] = (int(hits), int(misses))
            continue
        match = EVENT.search(line)
        if not match:
            continue
        pid, event, text = match.groups()
        seen[event] += 1
        if event == "tracing_mark_write":
            obj = text.removeprefix("object ").strip()
        elif event == "load":
            found = fields(text)
            current[pid] = {"object": obj, "name": found["name"], "len": int(found["len"], 0), "passes": {}, "pass": PASSES[-1]}
            loads.append(current[pid])
        elif event == "edit":
            current[pid]["pass"] = PASSES[int(fields(text)["pass"], 0)]
        elif event == "close":
            current[pid]["pass"] = PASSES[-1]
        elif event in ("patch", "remove"):
            load = current[pid]
            load["passes"].setdefault(load["pass"], []).append((event, int(fields(text)["cnt"], 0)))
    if not profile:
        raise Unusable("the suite did not end")
    for event, (hits, misses) in profile.items():
        if misses or hits != seen[event]:
            raise Unusable(f"{event}: the kernel counts {hits} and {misses} missed, the log has {seen[event]}")
    return [load for load in loads if not PROBES.fullmatch(load["name"])]


def quantile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(part * len(values)))]


def total(load):
    """How many patches a program has."""
    return sum(map(len, load["passes"].values()))


def markdown(loads):
    lines = ["<!-- SPDX-License-Identifier: GPL-2.0 -->", "<!-- Written by `ONLY=patches make selftests`. -->", "# Patches of each pass", "",
             "| Pass | Programs with patches | Patches | a program: median | 90 % | most | Insns a patch: median | 90 % | most |",
             "|---|---|---|---|---|---|---|---|---|"]
    for name in PASSES:
        patched = [load["passes"][name] for load in loads if name in load["passes"]]
        sizes = [cnt for program in patched for _, cnt in program]
        counts = [len(program) for program in patched]
        if not patched:
            lines.append(f"| {name} | 0 | 0 | | | | | | |")
            continue
        row = [len(patched), sum(counts), quantile(counts, 0.5), quantile(counts, 0.9), max(counts), quantile(sizes, 0.5),
               quantile(sizes, 0.9), max(sizes)]
        lines.append(f"| {name} | " + " | ".join(map(str, row)) + " |")
    counts = [total(load) for load in loads if load["passes"]]
    lines += ["", f"{len(loads)} programs came as far as being rewritten, {len(counts)} of them with {sum(counts)} patches: median "
              f"{quantile(counts, 0.5)} a program, 90 % {quantile(counts, 0.9)}, 99 % {quantile(counts, 0.99)}, most {max(counts)}.", "",
              "| Program | Insns | Patches |", "|---|---|---|"]
    most = sorted(loads, key=total, reverse=True)[:10]
    lines += [f"| {load['object']}: {load['name']} | {load['len']} | {total(load)} |" for load in most]
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
        writer.writerow(["object", "program", "insns", "pass", "patches", "of_them_removals", "insns_in_patches", "largest"])
        for load in loads:
            for name, patches in load["passes"].items():
                removals, insns = sum(kind == "remove" for kind, _ in patches), [cnt for _, cnt in patches]
                writer.writerow([load["object"], load["name"], load["len"], name, len(patches), removals, sum(insns), max(insns)])
    counts, sizes = [total(load) for load in loads], {"patch": [], "remove": []}
    for load in loads:
        for kind, cnt in chain.from_iterable(load["passes"].values()):
            sizes[kind].append(cnt)
    args.out.with_suffix(".svg").write_text(histogram_svg([
        ("Patches a program", "programs", counts), ("Insns that take the place of one", "patches", sizes["patch"]),
        ("Insns that a removal takes away", "removals", sizes["remove"]),
    ]))
    args.out.with_suffix(".md").write_text(markdown(loads))
    print(f"{len(loads)} programs, {sum(counts)} patches: {args.out}.csv, .svg, .md")


if __name__ == "__main__":
    main()
