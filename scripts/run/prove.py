#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""prove.py DIR JOBS [all]: has Dafny check proof/, refuse each variant of proof/refused/, and compile
the model. Works in DIR, and leaves compare.exe and planted.exe there. Run in the proof root.

A variant is a change of the model that must not be provable: what stock has without a fix, or what a
mistake would be. The goals that it names have to fail. With `all`, the other goals of the file have to
hold too, which takes several times as long.

prove.py follow: writes down the state of rust/engine/ that the model follows.
"""

import concurrent.futures
import hashlib
import os
import re
import shutil
import subprocess
import sys

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
PROOF = os.path.join(TOP, "proof")
ENGINE = os.path.join(TOP, "rust/engine")
# What the sums are of: what each file is followed by.
SUMS = os.path.join(PROOF, "engine.sum")
# Nothing may be taken for granted. Bodies are looked for by the compiler (`bodies`).
TRICKS = re.compile(r"\bassume\b|:axiom|:verify\s+false|:extern|:timeLimit|:trigger|\bexpect\b")
# Steps of z3, not seconds: the same goals pass on a busy machine.
STEPS = 40_000_000
# What is compiled to be compared, and has to differ.
PLANTED = "self-jump"


class Failed(Exception):
    pass


def goal_name(name):
    kind, _, rest = name.partition("$$")
    rest = rest.replace("_module.", "").replace("__default.", "")
    # A function is defined if what it calls and indexes is.
    return rest if kind == "Impl" else rest + ":defined"


def goal_option(goal):
    kind = "CheckWellformed" if goal.endswith(":defined") else "Impl"
    return f"/proc:{kind}*.{goal.split(':')[0]}"


def dafny(where, file, *options):
    """Returns each goal of a file with its verdict: verified, error, or timed out."""
    command = ["dafny", "/nologo", "/compile:0", "/trace", f"/rlimit:{STEPS}", *options, file]
    run = subprocess.run(command, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    goals, name = {}, None
    for line in run.stdout.splitlines():
        if m := re.match(r"Verifying (\S+) \.\.\.", line):
            name = goal_name(m[1])
        elif m := re.match(r"  \[.* proof obligations?\]  (.*)", line):
            goals[name] = m[1].replace("errors", "error")
    end = re.search(r"verifier finished with (\d+) verified, (\d+) errors?", run.stdout)
    if not end:
        raise Failed(f"{file}: Dafny did not come to its end\n" + run.stdout[-2000:])
    said = [l for l in run.stdout.splitlines() if re.match(r"\S+\.dfy\(", l)]
    return goals, said


def files():
    return sorted(f for f in os.listdir(PROOF) if f.endswith(".dfy"))


def lemmas():
    text = "".join(open(os.path.join(PROOF, f)).read() for f in files())
    return set(re.findall(r"^(?:lemma|method)\s+(?:\{.*?\}\s*)*(\w+)", text, re.M))


def no_tricks():
    for file in files():
        with open(os.path.join(PROOF, file)) as lines:
            for n, line in enumerate(lines, 1):
                if TRICKS.search(line.split("//")[0]):
                    raise Failed(f"{file}:{n}: takes something for granted: {line.strip()}")


def code_hash(path):
    """A hash of Rust code without comments and white space."""
    with open(path) as file:
        code = re.sub(r"//.*", "", file.read())
    return hashlib.sha256("".join(code.split()).encode()).hexdigest()[:16]


def followed():
    with open(SUMS) as lines:
        return [line.split(maxsplit=2) for line in lines if not line.startswith("#")]


def is_followed():
    for was, file, models in followed():
        if code_hash(os.path.join(ENGINE, file)) != was:
            raise Failed(f"rust/engine/{file} has changed, and the model follows it: see whether {models.strip()} in proof/"
                         " still says the same, then run 'scripts/setup/inroot.sh scripts/run/prove.py follow'")
    known = {file for _, file, _ in followed()}
    for where, _, names in os.walk(ENGINE):
        for name in names:
            file = os.path.relpath(os.path.join(where, name), ENGINE)
            if file not in known:
                raise Failed(f"rust/engine/{file} is new: say in proof/engine.sum what follows it, - for nothing")


def follow():
    with open(SUMS) as lines:
        text = [line if line.startswith("#") else " ".join([code_hash(os.path.join(ENGINE, line.split()[1])), *line.split()[1:]]) + "\n"
                for line in lines]
    with open(SUMS, "w") as lines:
        lines.writelines(text)


def build(source, top, name):
    """Compiles the model below `source`, and what compares it with the engine."""
    model = os.path.join(top, f"{name}-model")
    os.mkdir(model)
    steps = [["dafny", "/nologo", "/noVerify", "/compile:2", "/spillTargetCode:0", f"/out:{model}/model.dll", "model.dfy"],
             ["mcs", "-optimize+", "-nowarn:0108", "-r:System.Numerics", f"-r:{model}/model.dll", f"-out:{model}/{name}.exe",
              os.path.join(PROOF, "Compare.cs")]]
    for step in steps:
        run = subprocess.run(step, cwd=source, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        # Dafny's status is 0 whatever the compiler said.
        if run.returncode or "has no body" in run.stdout or "Compilation error" in run.stdout:
            raise Failed(f"{step[0]} does not compile the model:\n{run.stdout[-2000:]}")


class Variant:
    def __init__(self, name):
        self.name, self.changes, self.fails = name, [], {}
        with open(os.path.join(PROOF, "refused", name)) as lines:
            for line in lines:
                head, rest = line[:1], line[1:].rstrip("\n")
                if head == "-" and not (self.changes and not self.changes[-1][2]):
                    self.changes.append((self.file, [rest], []))
                elif head == "-":
                    self.changes[-1][1].append(rest)
                elif head == "+":
                    self.changes[-1][2].append(rest)
                elif line.startswith("change "):
                    self.file = line.split()[1]
                elif line.startswith("fails "):
                    _, file, *goals = line.replace(",", " ").split()
                    self.fails.setdefault(file, set()).update(goals)
        if not self.changes or not self.fails:
            raise Failed(f"{name}: no change, or nothing that fails")

    def plant(self, where):
        for file in files():
            shutil.copy(os.path.join(PROOF, file), where)
        for file, was, becomes in self.changes:
            path = os.path.join(where, file)
            text = open(path).read()
            was = "\n".join(was)
            if text.count(was) != 1:
                raise Failed(f"{self.name}: {file} does not have this once: {was}")
            open(path, "w").write(text.replace(was, "\n".join(becomes)))

    def check(self, top, all_goals):
        where = os.path.join(top, self.name)
        os.mkdir(where)
        self.plant(where)
        for file, expected in sorted(self.fails.items()):
            goals, _ = dafny(where, file, *([] if all_goals else map(goal_option, sorted(expected))))
            failed = {g for g, verdict in goals.items() if verdict != "verified"}
            if failed != expected:
                raise Failed(f"variant {self.name}: {file}: refused are {sorted(failed)}, expected {sorted(expected)}")
        return self.name


def prove(file):
    goals, said = dafny(PROOF, file)
    bad = {g: v for g, v in goals.items() if v != "verified"}
    if bad or said:
        raise Failed(f"{file}: {bad}\n" + "\n".join(said))
    return file, goals


def main(top, jobs, all_goals):
    is_followed()
    no_tricks()
    shutil.rmtree(top, ignore_errors=True)
    os.makedirs(top)
    variants = [Variant(name) for name in sorted(os.listdir(os.path.join(PROOF, "refused")))]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        proofs = [pool.submit(prove, file) for file in files()]
        refused = [pool.submit(v.check, top, all_goals) for v in variants]
        goals = {}
        for done in proofs:
            file, of_file = done.result()
            goals.update(of_file)
            print(f"{file}: {len(of_file)} goals", flush=True)
        for done in refused:
            print(f"refused: {done.result()}", flush=True)
        build(PROOF, top, "compare")
        build(os.path.join(top, PLANTED), top, "planted")
    theorems = len(lemmas() & set(goals))
    print(f"{len(goals)} goals")
    print(f"proof: {theorems} theorems, 0 errors, 0 assumes; {len(refused)} refused variants refused")


try:
    if sys.argv[1:] == ["follow"]:
        follow()
    else:
        main(sys.argv[1], int(sys.argv[2]), sys.argv[3:] == ["all"])
except Failed as failed:
    sys.exit(f"error: {failed}")
