# SPDX-License-Identifier: GPL-2.0
"""The benchmark as text: tables for the terminal, and bench.md."""

import re
from fnmatch import fnmatch

from bench_input import ratio
from bench_summary import LOSES
from bench_svg import plain, title_of
from loader_report import count, factor, seconds, table

# Real programs, in the order in which they are listed.
REAL = ["pyperf600", "pyperf180", "pyperf50", "strobemeta", "core_kern", "loop*", "test_verif_scale*"]
MEASURED = """\
Instructions are counted in QEMU with `-icount shift=0,sleep=off`, on one CPU, with the JIT on: a
nanosecond of the guest is an executed instruction. Time is measured natively. Instructions and time
are the minimum of several loads. The twin of a program has as many insns, and none of them is
rewritten."""


def insns(number):
    """Executed instructions, in millions when there are many."""
    if number is None:
        return "-"
    return f"{count(round(number / 1e6))} M" if number >= 1e9 else f"{number / 1e6:.3g} M" if number >= 1e5 else count(number)


def cost(number, unit):
    return insns(number) if unit == "insns" else seconds(number)


def part(value):
    """A ratio near 1; three decimals tell 1.004 from 1.006."""
    return "-" if value is None else f"{value:.3f}"


def size(number):
    return "-" if number is None else f"{number / 1e6:.3g} MB"


class Table:
    """A title, heads, rows of text, and how many columns are text."""

    def __init__(self, title, heads, rows, left=1, note=""):
        self.title, self.heads, self.rows, self.left, self.note = title, heads, rows, left, note

    def show(self):
        print(self.title)
        if self.rows:
            table(self.heads, self.rows, self.left)
        if self.note:
            print(self.note)
        print()

    def markdown(self):
        out = [f"## {self.title}", ""]
        if self.rows:
            align = [":---" if i < self.left else "---:" for i in range(len(self.heads))]
            out += ["| " + " | ".join(cells) + " |" for cells in [self.heads, align]]
            out += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in self.rows]
            out.append("")
        return out + ([self.note, ""] if self.note else [])


# --- tables ------------------------------------------------------------------------------------------------------------


def real(bench):
    """Big programs of the kernel's selftests, unblinded and blinded side by side."""
    levels = {}
    for row in bench["programs"]:
        levels.setdefault((plain(row["object"]), row["program"]), {})[bool(row["harden"])] = row
    rows = []
    for pattern in REAL:
        for key in sorted(key for key in levels if fnmatch(key[0], pattern)):
            open_, blind = levels[key].get(False), levels[key].get(True)
            any_ = open_ or blind
            line = ["/".join(key), count(any_["insns"]), count(any_["edits"])]
            for row in open_, blind:
                line += [insns(row["stock"]), insns(row["patcher"]), part(row["ratio"])] if row else ["-"] * 3
            rows.append(line)
    heads = ["Program", "insns", "edits", "stock", "patcher", "patcher/stock", "blinded: stock", "patcher", "patcher/stock"]
    note = "Blinded: loaded with `bpf_jit_harden=2`. The edits are those of the load that is not blinded."
    return Table("Real programs, in executed instructions", heads, rows, note=note) if rows else None


def programs(bench):
    rows = []
    for name, key in ("as they are", "programs"), ("blinded", "blinded"):
        found = bench["summary"][key]
        if found["count"]:
            rows.append([name, count(found["count"]), count(found["with_edits"]), part(found["geomean"]),
                         part(found["geomean_with_edits"]), part(found["max"]), count(found["above"]),
                         part(found["max_without_edits"])])  # fmt: skip
    heads = ["Loaded", "programs", "with edits", "geomean", "of those with edits", "worst", f"above {LOSES}",
             "worst without edits"]  # fmt: skip
    return Table("All programs, patcher/stock in executed instructions", heads, rows) if rows else None


def ends(bench, end, title):
    """The worst or the best ten."""
    rows = [
        [f"{plain(row['object'])}/{row['program']}", count(row["insns"]), count(row["edits"]), insns(row["stock"]),
         insns(row["patcher"]), part(row["ratio"])]
        for row in bench["summary"]["programs"][end]
    ]  # fmt: skip
    return Table(title, ["Program", "insns", "edits", "stock", "patcher", "patcher/stock"], rows) if rows else None


def families(bench):
    pairs = {}
    for row in bench["families"]:
        pairs.setdefault((row["family"], row["harden"]), {}).setdefault(row["n"], {})[row["unit"]] = row
    units = [unit for unit in ("insns", "ns") if any(row["unit"] == unit for row in bench["families"])]
    rows = []
    for (family, harden), steps in pairs.items():
        for n, found in sorted(steps.items()):
            any_ = found.get("insns") or found["ns"]
            line = [title_of(family, harden), count(n), count(any_["insns_before"]), count(any_["insns_after"]),
                    count(any_["edits"])]  # fmt: skip
            for unit in units:
                row = found.get(unit, dict.fromkeys(("stock", "patcher", "twin", "rewrite")))
                line += [cost(row["stock"], unit), cost(row["patcher"], unit), factor(ratio(row["stock"], row["patcher"]))]
                if unit == units[0]:
                    line += [cost(row["twin"], unit), factor(ratio(row["patcher"], row["twin"])), cost(row["rewrite"], unit)]
            said = {row["identical"] for row in found.values()} - {None}
            rows.append(line + ["NO" if False in said else "yes" if said else "-"])
    heads = ["Family", "N", "insns", "after", "edits"]
    for unit in units:
        first = "stock" if len(units) == 1 else {"insns": "instructions: stock", "ns": "time: stock"}[unit]
        heads += [first, "patcher", "stock/patcher"] + (["twin", "patcher/twin", "rewriting"] if unit == units[0] else [])
    what = " and ".join({"insns": "executed instructions", "ns": "time"}[unit] for unit in units)
    return Table(f"Families: programs of N edits of one kind, in {what}", heads + ["identical"], rows) if rows else None


def growth(bench):
    rows = []
    for found in bench["summary"]["families"]:
        grows = found["growth"] and f"{found['growth']:.2f}, {count(found['growth_from'])} to {count(found['growth_to'])}"
        rows.append([
            title_of(found["family"], found["harden"]),
            grows or "-",
            "-" if found["stock_n"] is None else f"{factor(found['stock_to_patcher'])} at {count(found['stock_n'])}",
            "-" if found["twin_n"] is None else f"{factor(found['patcher_to_twin'])} at {count(found['twin_n'])}",
        ])  # fmt: skip
    note = "Growth: what an insn of the program costs in mode patcher at the larger N, to that at the smaller. Linear is 1."
    heads = ["Family", "growth", "stock/patcher", "patcher/twin"]
    return Table("Growth of each family", heads, rows, note=note) if rows else None


def policies(bench):
    rows = [
        [count(row["n"]), count(row["insns"]), count(row["insns_after"]), cost(row["twin"], row["unit"]), factor(row["stock"]),
         factor(row["patcher"])]
        for row in bench["summary"]["policy"]
    ]  # fmt: skip
    note = "A firewall of N rules. The ratios say what blinding costs: a load at harden=2 to one at harden=0."
    heads = ["Rules", "insns", "blinded", "load at harden=0", "harden 2/0: stock", "harden 2/0: patcher"]
    return Table("Policies", heads, rows, left=0, note=note) if rows else None


def memory(bench):
    """Families as they come, and the programs that need most more than in stock."""
    programs = [row for row in bench["memory"] if row["what"] == "program"]
    most = sorted(programs, key=lambda row: row["stock"] - row["patcher"])[:5]
    rows = [
        [plain_name(row["name"]), count(row["insns_before"]), size(row["stock"]), size(row["patcher"]),
         part(ratio(row["patcher"], row["stock"]))]
        for row in [row for row in bench["memory"] if row["what"] == "family"] + most
    ]  # fmt: skip
    found = bench["summary"]["memory"]["programs"]
    note = (
        f"Of {count(found['count'])} programs {count(found['nothing'])} allocate nothing in both modes, {count(found['less'])} less "
        f"than in stock, {count(found['more'])} more; together {size(found['stock'])} in stock, {size(found['patcher'])} with the patcher."
    )
    heads = ["Program", "insns", "stock", "patcher", "patcher/stock"]
    return Table("Memory that rewriting allocates", heads, rows, note=note) if bench["memory"] else None


CARRIED = {"series": "series, no module", "stock": "module, mode stock", "patcher": "module, mode patcher"}


def carrying(bench):
    rows = [
        [CARRIED[row["what"]], count(row["count"]), f"{row['geomean']:.4f}", part(row["max"]), plain_name(row["name"]), count(row["above"])]
        for row in bench["summary"]["carrying"]
    ]
    sizes = bench["sizes"]
    note = "" if not sizes else "Bytes, unpatched and with the series: " + "; ".join(
        f"{label} {count(sizes['unpatched'][key])} and {count(sizes['series'][key])}"
        for key, label in (("text", "the kernel's code"), ("data", "data"), ("bss", "bss"), ("env", "`struct bpf_verifier_env`"))
    ) + "."  # fmt: skip
    heads = ["Kernel", "programs", "geomean", "worst", "which", f"above {LOSES}"]
    return Table("Carrying the series: instructions of a load to those of the unpatched kernel", heads, rows, note=note) if rows else None


def plain_name(name):
    head, slash, tail = name.rpartition("/")
    return plain(head) + slash + tail


def engine(bench):
    phases = list(dict.fromkeys(phase for row in bench["engine"] for phase in row["phases"]))
    rows = []
    for row in sorted(bench["engine"], key=lambda row: (row["unit"], row["edits"])):
        figures = [*(row["phases"].get(phase) for phase in phases), row["total"], row["memcpy"]]
        rows.append([row["unit"], count(row["edits"]), count(row["insns_after"])]
                    + ["-" if value is None else f"{value:.4g}" for value in figures]
                    + [factor(ratio(row["total"], row["memcpy"]))])  # fmt: skip
    limit = ", ".join(f"{key} {value}" for key, value in bench["engine_limit"].items())
    heads = ["unit", "edits", "insns after", *phases, "total", "memcpy", "total/memcpy"]
    note = "All figures are per edit." + (f" Limit: {limit}." if limit else "")
    return Table("The engine alone, against memcpy", heads, rows, note=note) if rows else None


# --- output ------------------------------------------------------------------------------------------------------------


def origin(machine):
    """The machine in a line."""
    said = []
    for key, label in ("kernel", "Kernel "), ("commit", "commit "), ("date", ""), ("accel", "QEMU with "), ("cpu", ""):
        value = machine.get(key)
        if isinstance(value, dict) and "model" in value:
            value = f"{value['model']}, {value.get('count', '?')} CPUs"
        elif isinstance(value, dict):
            value = ", ".join(f"{name} {entry}" for name, entry in value.items() if entry is not None)
        if value:
            said.append(f"{label}{value}")
    return ", ".join(said) or "The machine is not known"


def tables(bench):
    found = [
        real(bench), programs(bench), ends(bench, "worst", "The ten that gain least or lose"),
        ends(bench, "best", "The ten that gain most"), growth(bench), families(bench), policies(bench), memory(bench),
        engine(bench), carrying(bench),
    ]  # fmt: skip
    return [table for table in found if table]


def show(bench):
    for found in tables(bench):
        found.show()


def grouped_notes(notes):
    """Notes of a family that differ in N only, as one."""
    found = {}
    for note in notes:
        parts = re.fullmatch(r"(\w+): N=(\d+) (.*)", note)
        name, n, rest = parts.groups() if parts else (note, None, "")
        found.setdefault((name, rest), []).append(n)
    return [f"{name}{f' {rest}' if rest else ''}{f', N={chr(44).join(ns)}' if ns[0] else ''}" for (name, rest), ns in found.items()]


def markdown(bench, charts):
    """bench.md; charts are pairs of the table's first words that they follow, and the file."""
    out = ["<!-- SPDX-License-Identifier: GPL-2.0 -->", "<!-- Made by `make bench`. -->", "# Benchmark", "",
           f"{origin(bench['machine'])}.", "", MEASURED, ""]  # fmt: skip
    # What was not run has a list of its own.
    problems = [problem for problem in bench["problems"] if not problem.startswith("missing: ")]
    for title, items in ("Not run", bench["missing"]), ("Problems", problems), ("Left out", grouped_notes(bench["notes"])):
        if items:
            out += [f"{title}:", "", *(f"- {item}" for item in items), ""]
    for found in tables(bench):
        out += found.markdown()
        out += [line for title, alt, name in charts if found.title.startswith(title) for line in (f"![{alt}]({name})", "")]
    return "\n".join(out).rstrip() + "\n"
