# SPDX-License-Identifier: GPL-2.0
"""What the rows of the benchmark come to."""

import math

from bench_input import MODES, ratio

# A program that costs more than this in mode patcher counts as one that loses.
LOSES = 1.005
LISTED = 10
# The growth of a family is measured from here on, or from its largest N below.
FROM = 5000
# Small families say nothing about memory.
MEMORY_FROM = 10_000


def summary(bench):
    programs = bench["programs"]
    return {
        "programs": of_programs([row for row in programs if row["harden"] == 0]),
        "blinded": of_programs([row for row in programs if row["harden"]]),
        "families": [of_family(rows) for rows in grouped(bench["families"]).values()],
        "policy": of_policy(bench["families"]),
        "memory": of_memory(bench["memory"]),
        "carrying": of_carrying(bench["carrying"], programs),
    }


# --- programs ----------------------------------------------------------------------------------------------------------


def geomean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def of_programs(rows):
    rows = sorted((row for row in rows if row["ratio"]), key=lambda row: (row["ratio"], row["object"], row["program"]))
    edited = [row["ratio"] for row in rows if row["edits"]]
    unedited = [row["ratio"] for row in rows if row["edits"] == 0]
    ratios = [row["ratio"] for row in rows]
    return {
        "count": len(rows),
        "with_edits": len(edited),
        "geomean": geomean(ratios),
        "geomean_with_edits": geomean(edited),
        "max": max(ratios, default=None),
        "above": sum(value > LOSES for value in ratios),
        "max_without_edits": max(unedited, default=None),
        "worst": [named(row) for row in rows[::-1][:LISTED]],
        "best": [named(row) for row in rows[:LISTED]],
    }


def of_carrying(rows, programs):
    """What a load takes that the unpatched kernel does not need: without the module, and in each of its modes."""
    at = {(row["object"], row["program"]): row for row in programs if row["harden"] == 0}
    found = {"series": [], **{mode: [] for mode in MODES}}
    for row in rows:
        name = f"{row['object']}/{row['program']}"
        both = at.get((row["object"], row["program"]), {})
        for key, cost in ("series", row["series"]), *((mode, both.get(mode)) for mode in MODES):
            value = ratio(cost, row["unpatched"])
            if value:
                found[key].append((value, name))
    return [
        {"what": key, "count": len(of), "geomean": geomean([value for value, _ in of]), "max": max(of)[0], "name": max(of)[1],
         "above": sum(value > LOSES for value, _ in of)}
        for key, of in found.items() if of
    ]  # fmt: skip


def named(row):
    return {key: row[key] for key in ("object", "program", "harden", "insns", "edits", "stock", "patcher", "ratio")}


# --- families ----------------------------------------------------------------------------------------------------------


def grouped(rows):
    """{(family, harden): rows in order of N}, of instructions, and of time where these are missing."""
    found = {}
    for row in rows:
        found.setdefault((row["family"], row["harden"]), {}).setdefault(row["unit"], []).append(row)
    return {key: sorted(units.get("insns") or units["ns"], key=lambda row: row["n"]) for key, units in found.items()}


def last(rows, *costs):
    """The row of the largest N that has all these costs."""
    return next((row for row in reversed(rows) if all(row[cost] for cost in costs)), None)


def of_family(rows):
    """The larger the growth, the less linear: the cost of an insn at the largest N to that at N=5000."""
    end, both, twin = last(rows, "patcher"), last(rows, "stock", "patcher"), last(rows, "patcher", "twin")
    start = last([row for row in rows if row["n"] <= FROM], "patcher") or {}
    growth = None
    if end and start and end["n"] > start["n"]:
        growth = ratio(ratio(end["patcher"], end["insns_before"]), ratio(start["patcher"], start["insns_before"]))
    return {
        "family": rows[0]["family"],
        "harden": rows[0]["harden"],
        "unit": rows[0]["unit"],
        "growth": growth,
        "growth_from": start.get("n"),
        "growth_to": end and end["n"],
        "per_insn": end and ratio(end["patcher"], end["insns_before"]),
        "stock_to_patcher": both and ratio(both["stock"], both["patcher"]),
        "stock_n": both and both["n"],
        "patcher_to_twin": twin and ratio(twin["patcher"], twin["twin"]),
        "twin_n": twin and twin["n"],
    }


def of_policy(rows):
    """What blinding costs a firewall: the load at harden=2 to the twin's, which is the same at harden=0."""
    rows = next((rows for (family, _), rows in grouped(rows).items() if family == "policy"), [])
    return [
        {"n": row["n"], "unit": row["unit"], "insns": row["insns_before"], "insns_after": row["insns_after"],
         "twin": row["twin"], **{mode: ratio(row[mode], row["twin"]) for mode in MODES}}
        for row in rows
    ]  # fmt: skip


# --- memory ------------------------------------------------------------------------------------------------------------


def family_n(name):
    """N of 'context_45000'; 0 when there is none."""
    digits = name.rpartition("_")[2]
    return int(digits) if digits.isdigit() else 0


def of_memory(rows):
    """The families and how many programs need more than in stock, less, or nothing in both modes."""
    families = [row for row in rows if row["what"] == "family" and family_n(row["name"]) >= MEMORY_FROM]
    ratios = [(ratio(row["patcher"], row["stock"]), row["name"]) for row in families if ratio(row["patcher"], row["stock"])]
    programs = [row for row in rows if row["what"] == "program"]
    worst = max(ratios, default=(None, None))
    return {
        "families": {"count": len(ratios), "worst": worst[0], "name": worst[1]},
        "programs": {
            "count": len(programs),
            "nothing": sum(not row["stock"] and not row["patcher"] for row in programs),
            "less": sum(row["patcher"] < row["stock"] for row in programs),
            "more": sum(row["patcher"] > row["stock"] for row in programs),
            "stock": sum(row["stock"] for row in programs),
            "patcher": sum(row["patcher"] for row in programs),
        },
    }
