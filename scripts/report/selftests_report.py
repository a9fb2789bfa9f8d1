#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compares the results of the kernel's test suites between the modes of the patcher: selftests_report.py DIR --out PREFIX.

DIR has a directory for each run, and in it one for each mode, as scripts/run/selftests.sh leaves them. Writes PREFIX.json
and PREFIX.md. Status 1: a test differs from stock, or fails where there is no run in stock to compare with, or mode verify
has found a difference or compared nothing, or the kernel warned.
"""

import argparse
import csv
import datetime
import io
import json
import re
import sys
from collections import Counter
from pathlib import Path

# What the kernel says when something is wrong with it; with verify_warn=1, also of a difference in mode verify.
SPLAT = re.compile(r"(WARNING: |BUG: |Oops: |INFO: (?:possible|trying|task|rcu)|UBSAN: |general protection|Kernel panic).*")
BASE = "stock"
GOOD = {"OK", "PASS", "SKIP"}
# The verdict of a test that would take stock too long.
LEFT_OUT = "LEFT_OUT"
# Tests that may be OK in one run and skipped in another, and why.
BY_CHANCE = {"timer_lockup": "it skips itself when its two timers have not met in 50 rounds"}

# Tests in which blinding pushes a jump beyond 16 bits: stock gives them up, and the patcher relaxes the jump.
FAR_JUMPS = re.compile(r"^blinded #\S+ ld_abs: (vlan \+ abs, test 1|jump around ld_abs)$|^1-2 .*(Long conditional jump|Staggered jumps)")


class Unusable(Exception):
    """A run that says nothing; the message tells why."""


def test_verifier(log):
    """The verdict is a word anywhere after the name of a test: output of a program may stand between."""
    tests = {}
    for run, prefix in zip(log.split("\n@blinded\n"), ("", "blinded ")):
        parts = re.split(r"^#(\d+/[up]) ", run, flags=re.M)
        for number, text in zip(parts[1::2], parts[2::2]):
            text = text.split("\nSummary:")[0]
            verdict = next((word for word in ("FAIL", "SKIP", "OK") if re.search(rf"\b{word}\b", text)), "?")
            name = re.sub(rf" *\b{verdict}(?: \(.*\))?$", "", text.splitlines()[0])
            tests[f"{prefix}#{number} {name.strip()}"] = verdict
        for name in re.findall(r"^@left_out (.*)$", run, flags=re.M):
            tests[prefix + name] = LEFT_OUT
    if not log.endswith("\n@end\n"):
        raise Unusable("it did not get to its end")
    return tests


def test_progs(log):
    """The last verdict counts. A test that failed first and then passed is FLAKY."""
    tests, seen = {}, {}
    # Another process prints this, also in the middle of a line.
    log = re.sub(r"WATCHDOG: test case .* executes for \d+ seconds\.\.\.\n", "", log)
    for name, verdict in re.findall(r"^#\d+(?:/\d+)? +(\S.*?):(OK|FAIL|SKIP)(?: .*)?$", log, re.M):
        tests[name] = verdict
        seen.setdefault(name, set()).add(verdict)
    for name in re.findall(r"^@crash (\S+)$", log, re.M):
        tests[name] = "CRASH"
    return {name: "FLAKY" if verdict == "OK" and "FAIL" in seen[name] else verdict for name, verdict in tests.items()}


def test_kmod(log):
    """Each run has a name and has each test; a run without a summary did not end."""
    tests = {}
    for part in re.split(r"^@run (?=\S+$)", log, flags=re.M)[1:]:
        run = part.split("\n")[0]
        if "Summary:" not in part:
            raise Unusable(f"test_bpf.ko has printed no summary in run {run}")
        for number, name, jited, verdict in re.findall(r"^test_bpf: #(\d+) (.*?) ?(?:jited:(\d) .*)?(PASS|FAIL|SKIP)", part, re.M):
            tests[f"{run} #{number} {name}"] = verdict + (" jited" if jited == "1" else "")
        for name in re.findall(r"^@left_out (.*)$", part, re.M):
            tests[f"{run} {name}"] = LEFT_OUT
    if not tests:
        raise Unusable("it has no tests")
    return tests


def veristat(log):
    """The verdict, and the numbers that must not depend on how the program was rewritten."""
    tests = {}
    rows = csv.DictReader(io.StringIO(log), fieldnames=["file", "prog", "verdict", "insns", "size", "jited"])
    for row in rows:
        if row["prog"] in ("prog_name", None):
            continue
        sizes = f" {row['insns']} verified, {row['size']} insns, {row['jited']} bytes"
        tests[f"{row['file']}: {row['prog']}"] = row["verdict"] + (sizes if row["verdict"] == "success" else "")
    if not tests:
        raise Unusable("it has no programs")
    return tests


def whole(log):
    """A suite that counts as one test: its last line."""
    lines = log.strip().splitlines()
    return {"last line": lines[-1].strip() if lines else ""}


PARSERS = {
    "test_verifier": test_verifier, "test_progs": test_progs, "test_kmod": test_kmod, "veristat": veristat, "test_maps": whole,
    "bpf_offload": whole, "module": whole, "loader": whole, "unload": whole,
}


def counters(path):
    """The module's, by name; none in a mode without the module."""
    if not path.is_file():
        return {}
    return {name: int(value) for name, value in (line.split() for line in path.read_text().splitlines())}


def read_run(path, suite):
    """One run in one mode."""
    if not (path / "stamp").is_file():
        raise Unusable("it was not run to its end")
    run = {"status": int((path / "status").read_text()), "seconds": int((path / "seconds").read_text())}
    run["tests"] = PARSERS[suite]((path / "log").read_text(errors="replace"))
    run["accelerator"] = (path / "accel").read_text().strip()
    run["kernel"] = (path / "release").read_text().strip()
    run["counters"] = counters(path / "stats")
    kernel_log = (path / "kernel.log").read_text(errors="replace")
    earlier = path / "kernel.log.earlier"
    if earlier.is_file():
        kernel_log += earlier.read_text(errors="replace")
    # Addresses and process numbers differ from run to run.
    run["splats"] = sorted({re.sub(r"0x[0-9a-f]+|\b\d+\b", "N", found[0]) for found in SPLAT.finditer(kernel_log)})
    return run


def first_word(verdict):
    """A verdict without the numbers behind it."""
    return verdict.split(" ")[0]


def by_chance(test, old, new):
    return test in BY_CHANCE and {old, new} <= GOOD | {"FLAKY"}


def relaxed(test, old, new):
    """Does a test pass as the patcher has relaxed its jumps?"""
    return FAR_JUMPS.search(test) and first_word(old) in {"FAIL", "SKIP"} and first_word(new) in {"OK", "PASS"}


def same(suite, name, old, new):
    """Does a verdict count as stock's? Blinding's random constants make machine code of different lengths."""
    if suite == "veristat" and "harden" in name:
        old, new = (re.sub(r", \d+ bytes", "", text) for text in (old, new))
    if LEFT_OUT in (old, new):
        return {first_word(old), first_word(new)} <= {LEFT_OUT, "OK", "PASS"}
    return old == new or {old, new} == {"OK", "FLAKY"}


def compare(suite, name, modes):
    """Returns (problems, differences that are explained) of the modes of a run, in words."""
    problems, explained = [], []
    base = modes.get(BASE)
    for mode, run in modes.items():
        gained = []
        for test, verdict in run["tests"].items():
            if base is None:
                if suite != "veristat" and first_word(verdict) not in GOOD | {"FLAKY"} and test != "last line":
                    problems.append(f"{mode}: {test}: {verdict}")
                continue
            old = base["tests"].get(test, "missing")
            if not same(suite, name, old, verdict):
                text = f"{mode}: {test}: {verdict}, {old} in {BASE}"
                if by_chance(test, old, verdict):
                    explained.append(f"{text}: {BY_CHANCE[test]}")
                elif relaxed(test, old, verdict):
                    gained.append(test)
                    explained.append(f"{text}: its far jumps are relaxed")
                else:
                    problems.append(text)
        if base is not None:
            problems += [f"{mode}: {test}: missing" for test in base["tests"] if test not in run["tests"]]
            problems += [f"{mode}: {splat}" for splat in run["splats"] if splat not in base["splats"]]
            if run["status"] != base["status"] and not (gained and run["status"] == 0):
                problems.append(f"{mode}: ended with {run['status']}, with {base['status']} in {BASE}")
        else:
            problems += [f"{mode}: {splat}" for splat in run["splats"]]
            if run["status"] and suite != "veristat":
                problems.append(f"{mode}: ended with {run['status']}")
        counted = run["counters"]
        if mode != BASE and not counted.get("sessions"):
            problems.append(f"{mode}: no session")
        if mode == "verify":
            if counted.get("verify_differences", 1):
                problems.append(f"verify: {counted.get('verify_differences', 'unknown')} sessions differ")
            if not counted.get("verify_sessions"):
                problems.append("verify: no session was compared")
    return problems, explained


def tally(suite, run):
    """How many tests have which verdict, by its first word; of a suite that counts as one test, its last line."""
    if PARSERS[suite] is whole:
        return run["tests"]["last line"]
    count = Counter(map(first_word, run["tests"].values()))
    return ", ".join(f"{number} {verdict}" for verdict, number in count.most_common())


def is_bad(suite, mode, run, verdict):
    """Is a verdict listed? In other modes than stock, only FLAKY: the rest is as in stock, or a difference."""
    if mode != BASE:
        return verdict == "FLAKY"
    return first_word(verdict) in {"FAIL", "CRASH", "FLAKY", LEFT_OUT, "?"} or PARSERS[suite] is whole and run["status"]


def listed(tests, verdict):
    """Names of tests; of many that were left out, the first."""
    if verdict == LEFT_OUT and len(tests) > 10:
        return f"{tests[0]}, and {len(tests) - 1} more"
    return "; ".join(tests)


def markdown(runs, facts):
    lines = ["<!-- SPDX-License-Identifier: GPL-2.0 -->", "<!-- Written by `make selftests`. -->", "# Results of the kernel's test suites", "",
             f"Kernel {facts['kernel']}, commit {facts['commit']}, {facts['date']}, QEMU with {facts['accelerator']}.", ""]
    lines += ["| Run | Mode | Tests | Differ from stock | Sessions | Edits | Far jumps | Compared | Differences | Time |",
              "|---|---|---|---|---|---|---|---|---|---|"]
    for name, entry in runs.items():
        for mode, run in entry["modes"].items():
            tests = tally(entry["suite"], run)
            differ = sum(problem.startswith(f"{mode}: ") for problem in entry["problems"] + entry["explained"])
            c = run["counters"]
            shown = [c.get(key, "-") if mode != BASE else "-" for key in ("sessions", "edits", "far_jumps")]
            shown += [c.get(key, "-") if mode == "verify" else "-" for key in ("verify_sessions", "verify_differences")]
            time = f"{run['seconds'] // 60}:{run['seconds'] % 60:02}"
            lines.append(f"| {name} | {mode} | {tests} | {'-' if mode == BASE else differ} | " + " | ".join(map(str, shown)) + f" | {time} |")
    lines += ["", "## Differences", ""]
    found = [f"- {name}, {problem}" for name, entry in runs.items() for problem in entry["problems"] + entry["explained"]]
    lines += found or ["None."]
    lines += ["", "## Failures in mode stock too, and flaky tests", ""]
    bad = {}
    for name, entry in runs.items():
        for mode, run in entry["modes"].items():
            for test, verdict in run["tests"].items() if entry["suite"] != "veristat" else ():
                if is_bad(entry["suite"], mode, run, verdict):
                    bad.setdefault((name, mode, verdict), []).append(test)
    lines += [f"- {name}, {mode}, {verdict}: {listed(tests, verdict)}" for (name, mode, verdict), tests in bad.items()]
    lines += [] if bad else ["Nothing."]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dir", type=Path)
    parser.add_argument("--run", action="append", required=True, metavar="NAME SUITE MODE...", help="a run that there must be")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--commit", required=True)
    args = parser.parse_args()
    runs, facts = {}, {"commit": args.commit, "date": datetime.date.today().isoformat()}
    for wanted in args.run:
        name, suite, *modes = wanted.split()
        entry = runs[name] = {"suite": suite, "modes": {}, "problems": []}
        for mode in modes:
            try:
                run = entry["modes"][mode] = read_run(args.dir / name / mode, suite)
                facts.update(kernel=run["kernel"], accelerator=run["accelerator"])
            except (Unusable, OSError, ValueError) as err:
                entry["problems"].append(f"{mode}: {err}")
        problems, entry["explained"] = compare(suite, name, entry["modes"])
        entry["problems"] += problems
    facts.setdefault("kernel", "unknown")
    facts.setdefault("accelerator", "unknown")
    args.out.with_suffix(".json").write_text(json.dumps({"facts": facts, "runs": runs}, indent=1) + "\n")
    args.out.with_suffix(".md").write_text(markdown(runs, facts))
    for name, entry in runs.items():
        for mode, run in entry["modes"].items():
            compared = f", {run['counters'].get('verify_sessions', 0)} sessions compared" if mode == "verify" else ""
            print(f"{name} {mode}: {tally(entry['suite'], run)}{compared}")
        for problem in entry["problems"][:40]:
            print(f"  {problem}")
        if len(entry["problems"]) > 40:
            print(f"  and {len(entry['problems']) - 40} more, in {args.out.with_suffix('.json')}")
    count = sum(len(entry["problems"]) for entry in runs.values())
    sessions = sum(run["counters"].get("verify_sessions", 0) for entry in runs.values() for run in entry["modes"].values())
    print(f"{len(runs)} runs, {sessions} sessions compared by the kernel, {count} problems")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
