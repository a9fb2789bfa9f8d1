#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compares the surviving mutants with the list of reasons to survive: mutants.py OUT ALLOW RESULT [FILE...].

OUT is the directory that cargo-mutants wrote, ALLOW the list of mutants under their reasons, RESULT a file for the survivors. With
FILEs, only the entries of these files count. Status 1: a mutant survives without a reason, or has a reason and is noticed.
"""

import re
import sys
from collections import Counter
from pathlib import Path


class Unusable(Exception):
    """A list that cannot be read; the message tells why."""


def key(mutant):
    """A mutant with its file in the engine, without line and column: these change with every edit of the file."""
    return re.sub(r"^(?:\S*/engine/)?(\S+\.rs):\d+:\d+: ", r"\1: ", mutant)


def read_allowed(text, files):
    """A line explains one mutant; those that differ in nothing but their place have a line each."""
    allowed, reason = Counter(), None
    for line in map(str.strip, text.splitlines()):
        if line.startswith("#"):
            reason = line
        elif not line:
            reason = None
        elif reason is None:
            raise Unusable(f"no reason above: {line}")
        elif not files or line.split(":")[0] in files:
            allowed[line] += 1
    return allowed


def judge(outcomes, allowed):
    """outcomes: {caught, timeout, missed, unviable: [mutant, ...]}; returns (problems, summary line, survivors)."""
    missed = Counter(map(key, outcomes["missed"]))
    caught, timeout, unviable = (len(outcomes[name]) for name in ("caught", "timeout", "unviable"))
    unexplained, unneeded = missed - allowed, allowed - missed
    problems = [f"survives: {mutant}" for mutant in unexplained.elements()]
    problems += [f"noticed, though it has a reason to survive: {mutant}" for mutant in unneeded.elements()]
    summary = (f"mutants: {caught + timeout + missed.total()} that compile, {caught + timeout} noticed "
               f"({timeout} by running for ever), {(missed & allowed).total()} survive for a reason, "
               f"{unexplained.total()} unexplained; {unviable} do not compile")  # fmt: skip
    return problems, summary, list(missed.elements())


def main():
    out, allow, result, *files = sys.argv[1:]
    names = ("caught", "timeout", "missed", "unviable")
    outcomes = {name: Path(out, f"{name}.txt").read_text().split("\n")[:-1] for name in names}
    try:
        allowed = read_allowed(Path(allow).read_text(), files)
    except Unusable as err:
        sys.exit(f"error: {allow}: {err}")
    problems, summary, survivors = judge(outcomes, allowed)
    print("\n".join(problems + [summary]))
    Path(result).write_text("\n".join([*survivors, summary, ""]))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
