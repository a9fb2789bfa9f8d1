#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes engine.json, the cost of the engine alone: bench_engine.py DIR

DIR has EDITS.ns, a line of JSON of selftests/host's bench, and EDITS.callgrind, the output of callgrind_annotate --inclusive
for one round of it."""

import json
import re
import sys
from pathlib import Path

# A step is called once: "  222,671 (17.08%)  => ...host::bench::step_record (1x)"
STEP = re.compile(r"^\s*([\d,]+) \([ \d.]+%\)\s+=> .*(?:bench::step_(\w+)|(NewAux\S*::new)) \(1x\)")


def instructions(text, times):
    """A row of instructions per edit, of the form of `times`, the row of ns."""
    steps = {}
    for line in text.splitlines():
        if found := STEP.match(line):
            # What is allocated for aux data counts with it.
            step = found.group(2) or "aux"
            steps[step] = steps.get(step, 0) + int(found.group(1).replace(",", "")) / times["edits"]
    missing = sorted((set(times["phases"]) | {"memcpy"}) - set(steps))
    if missing:
        raise ValueError(f"callgrind says nothing of {', '.join(missing)}")
    phases = {name: round(steps[name], 2) for name in times["phases"]}
    return times | {"unit": "insns", "phases": phases, "total": round(sum(phases.values()), 2), "memcpy": round(steps["memcpy"], 2)}


def main(directory):
    rows = []
    for path in sorted(Path(directory).glob("*.ns"), key=lambda path: int(path.stem)):
        times = json.loads(path.read_text())
        rows += [times, instructions(path.with_suffix(".callgrind").read_text(), times)]
    if not rows:
        raise ValueError(f"{directory}: nothing is there")
    print(json.dumps({"limit": {"memcpy": "of as many bytes as the new program and its slots have"}, "rows": rows}, indent=1))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (OSError, TypeError, ValueError) as err:
        sys.exit(f"error: {err}")
