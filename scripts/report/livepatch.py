#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""livepatch.py VM_LOG DEBIAN_LOG REPLACED: prints results/livepatch.md, from the logs of both machines and the list of
functions that the livepatch replaces."""

import json
import re
import sys
from collections import defaultdict


def records(log):
    """Phase, kind and content of each line of results."""
    phase = ""
    for line in log.splitlines():
        if line.startswith("@phase "):
            phase = line.removeprefix("@phase ")
        elif line.startswith("@json "):
            for kind, content in json.loads(line.removeprefix("@json ")).items():
                yield phase, kind, content


def spaced(number):
    return f"{number:,}".replace(",", " ")


def name_of(kind, content):
    if kind == "seccomp":
        return f"seccomp filter of {content['insns']} insns, blinded"
    if kind == "program":
        return f"{content['object']}, {spaced(content['insns_before'])} insns"
    if content["family"] == "policy":
        return f"policy of {spaced(content['n'])} rules, {spaced(content['insns_before'])} insns, blinded"
    return f"{spaced(content['n'])} context loads"


def measured(log):
    """Of each program, the times of each phase by mode, in ns."""
    rows = defaultdict(dict)
    for phase, kind, content in records(log):
        if kind not in ("family", "program", "seccomp") or phase not in ("before", "after", "out"):
            continue
        row = rows[name_of(kind, content)]
        if kind == "seccomp":
            row[phase, "patcher" if phase == "after" else "stock"] = content["ns"]
            continue
        if not content["good"] or content.get("identical") is False:
            raise ValueError(f"{name_of(kind, content)} is not as it should be")
        for mode in ("stock", "patcher"):
            if content.get(f"{mode}_ns_min"):
                row[phase, mode] = content[f"{mode}_ns_min"]
    return rows


def shown(ns):
    if ns is None:
        return "-"
    return spaced(round(ns / 1e6)) if ns >= 1e8 else f"{ns / 1e6:.3g}"


def ladder(log):
    yield "| Load | before | after, mode `stock` | after | | out again |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name, row in measured(log).items():
        before, after = row.get(("before", "stock")), row.get(("after", "patcher"))
        ratio = f"{before / after:.3g} times" if before and after else ""
        columns = (before, row.get(("after", "stock")), after)
        yield f"| {name} | {' | '.join(map(shown, columns))} | {ratio} | {shown(row.get(('out', 'stock')))} |"


def checks(log):
    for line in log.splitlines():
        if match := re.match(r"(ok|not ok) (.*)", line):
            yield f"| {match[2]} | {match[1]} |"


def watched(log):
    yield "| | " + " | ".join(("kprobe", "kprobe inside", "kretprobe", "fentry")) + " |"
    yield "|---|---:|---:|---:|---:|"
    for _, kind, content in records(log):
        if kind == "watch":
            counts = (content[key] for key in ("kprobe", "inside", "kretprobe", "fentry"))
            yield f"| {content['when']} | {' | '.join(map(str, counts))} |"


def said(log, pattern):
    return [match[1] for match in re.finditer(rf"^# ({pattern})$", log, re.M)]


def report(vm, debian, replaced):
    functions = defaultdict(list)
    for line in replaced.splitlines():
        file, function = line.split()
        functions[file].append(f"`{function}`")
    yield "<!-- SPDX-License-Identifier: GPL-2.0 -->"
    yield "# On Debian's own kernel\n"
    yield "`make test-livepatch` and `make test-debian` in QEMU without KVM, on Debian's unmodified kernel:\n"
    yield f"    {said(vm, '[0-9].* CPUs.*')[0]}\n"
    yield "The clock of the first counts instructions, one a nanosecond: a load of 100 ms executed 100 million."
    yield "\n## What is replaced\n"
    yield "| File | Functions |\n|---|---|"
    for file, names in sorted(functions.items()):
        yield f"| `{file}` | {', '.join(sorted(names))} |"
    yield "\n## Before and after, in one boot\n"
    yield "Milliseconds of a load. *Before* is Debian's kernel as it is; then livepatch and module go in, and out again.\n"
    yield from ladder(vm)
    yield "\n## Tools that watch a replaced function\n"
    yield "How often each saw `bpf_check()`, while the same programs loaded.\n"
    yield from watched(debian)
    for title, log in (("Debian's kernel alone", vm), ("Debian with systemd", debian)):
        yield f"\n## Checks: {title}\n"
        for line in said(log, r"(?:test_verifier, .*|harden [02]: .*)"):
            yield f"- {line}"
        for _, kind, content in records(log):
            if kind == "transitions":
                yield f"- {content['count']} transitions, {content['first_kb']} kB available after the first tenth, {content['last_kb']} kB at the end"
        yield "\n| Check | |\n|---|---|"
        yield from checks(log)


def main(*paths):
    texts = []
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as file:
            texts.append(file.read())
    print("\n".join(report(*texts)))


if __name__ == "__main__":
    main(*sys.argv[1:])
