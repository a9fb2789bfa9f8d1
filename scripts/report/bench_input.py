# SPDX-License-Identifier: GPL-2.0
"""Reads the raw outputs of the benchmark, and brings them into the form of bench.json."""

import json
from contextlib import contextmanager
from pathlib import Path

from loader_report import Unusable

FORMAT = 1
# Part of the benchmark: the file that it leaves.
PARTS = {
    "families (instructions)": "families.insns.log",
    "families (time)": "families.time.log",
    "programs": "programs.jsonl",
    "memory": "memory.jsonl",
    "engine": "engine.json",
    "machine": "machine.json",
}
# Parts that `make bench` runs only if they are named.
EXTRA = {"carrying": "carrying.jsonl", "carrying (sizes)": "carrying.json"}
MODES = ("stock", "patcher")
KERNELS = ("unpatched", "series")
COSTS = ("stock", "patcher", "twin", "rewrite")


@contextmanager
def reading(place):
    """Turns whatever a malformed row raises into one line that names its place."""
    try:
        yield
    except KeyError as err:
        raise Unusable(f"{place}: no {err}") from err
    except (TypeError, ValueError, AttributeError) as err:
        raise Unusable(f"{place}: {err}") from err


def load(path):
    """A JSON file."""
    with reading(path):
        return json.loads(Path(path).read_text())


def lines(path):
    """[(place, text)] of the lines that are not empty."""
    found = enumerate(Path(path).read_text(errors="replace").splitlines(), 1)
    return [(f"{path}:{number}", text.strip()) for number, text in found if text.strip()]


def least(*samples):
    """The smallest of numbers and lists of numbers; None when there is none."""
    flat = []
    for sample in samples:
        flat += sample if isinstance(sample, list) else [sample]
    flat = [number(value) for value in flat if value is not None]
    return min(flat, default=None)


def typical(samples):
    """The least of a list of numbers that has a quarter of the others, two at least, within 0.1 % above it; None when there is none.

    A load may be lucky once, when something that others pay for was done before; most that disturbs it makes it longer."""
    found = sorted(number(value) for value in samples or [] if value is not None)
    wanted = min(max(2, len(found) / 4), len(found))
    for start in found:
        if sum(start <= value <= 1.001 * start for value in found) >= wanted:
            return start
    return found[0] if found else None


def number(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ValueError(f"not a count: {value!r}")
    return value


def ratio(a, b):
    return a / b if a and b else None


def merged(rows, key, counts, fixed):
    """One row for each key. Of counts that came several times the least is kept; what is fixed has to be the same."""
    found = {}
    for place, row in rows:
        name = tuple(row[field] for field in key)
        first = found.setdefault(name, row)
        if first is row:
            continue
        for field in fixed:
            if None not in (first[field], row[field]) and first[field] != row[field]:
                raise Unusable(f"{place}: {'/'.join(map(str, name))}: {field} is {row[field]}, and {first[field]} before")
        for field, value in row.items():
            if field in counts:
                first[field] = least(first[field], value)
            elif first[field] is None or value is False:
                first[field] = value
    return list(found.values())


# --- parts -------------------------------------------------------------------------------------------------------------


def families(path, unit, complete=False):
    """Returns (rows, problems, notes) of the loader's 'measure'."""
    rows, problems, notes, left_out, last = [], [], [], set(), None
    kernels = ended = announced = seen = 0
    for place, text in lines(path):
        if not text.startswith("@json "):
            continue
        with reading(f"{place}: a result is cut or mixed with other output"):
            ((last, value),) = json.loads(text.removeprefix("@json ")).items()
        with reading(place):
            if last == "kernel":
                kernels += 1
            elif last == "summary" and value["command"] == "measure":
                ended += 1
                announced += value.get("rows", 0)
            elif last == "family":
                seen += 1
                name = f"{value['family']}: N={value['n']}"
                if value.get("skipped"):
                    notes.append(f"{name} ({unit}): {value['skipped']}")
                    left_out.add(value["family"])
                    continue
                if value.get("error"):
                    problems.append(f"{name}: {value['error']}")
                    continue
                row = family(value, unit)
                if row["patcher"] is None and row["stock"] is None:
                    problems.append(f"{name}: has no load ({unit})")
                    continue
                if row["identical"] is False:
                    problems.append(f"{name}: the modes differ")
                rows.append((place, row))
    # A log can be of several boots, each with a summary of its own.
    if last != "summary" or not ended or kernels > ended or announced > seen:
        raise Unusable(f"{path}: the loader's 'measure' did not end; look at the log's last lines")
    if complete:
        left_out -= {row["family"] for _, row in rows}
        problems += [f"{name}: was left out ({unit})" for name in sorted(left_out)]
    fixed = ("insns_before", "insns_after", "edits")
    return merged(rows, ("family", "n", "harden"), COSTS, fixed), problems, notes


def family(value, unit):
    costs = {mode: least(value.get(f"{mode}_ns"), value.get(f"{mode}_ns_min")) for mode in COSTS}
    return {
        "family": value["family"],
        "n": number(value["n"]),
        "harden": value.get("harden") or 0,
        "unit": unit,
        **costs,
        "insns_before": number(value["insns_before"]),
        "insns_after": least(value.get("insns_after")),
        "edits": least(value.get("edits")),
        "identical": value.get("identical"),
    }


def program(value):
    return {
        "object": value["object"],
        "program": value["program"],
        "harden": value.get("harden") or 0,
        "insns": number(value["insns"]),
        "stock": typical(value.get("stock")),
        "patcher": typical(value.get("patcher")),
        "edits": least(value.get("edits")),
        "rewrite": least(value.get("rewrite")),
    }


def carried(value):
    row = {"object": value["object"], "program": value["program"], "insns": number(value["insns"])}
    return {**row, **{kernel: typical(value.get(kernel)) for kernel in KERNELS}}


def memory(value):
    if value["what"] not in ("family", "program"):
        raise ValueError(f"what is neither family nor program: {value['what']!r}")
    row = {"what": value["what"], "name": value["name"]}
    for field in ("insns_before", "insns_after", "stock", "patcher"):
        row[field] = least(value.get(field))
    return row


def engine(value):
    phases = {name: number(cost) for name, cost in value["phases"].items()}
    if value["unit"] not in ("ns", "insns"):
        raise ValueError(f"unit is neither ns nor insns: {value['unit']!r}")
    return {
        "edits": number(value["edits"]),
        "insns_after": least(value.get("insns_after")),
        "unit": value["unit"],
        "phases": phases,
        "total": number(value["total"]) if "total" in value else sum(phases.values()),
        "memcpy": least(value.get("memcpy")),
    }


def objects(path, convert):
    """[(place, row)] of a file with an object a line."""
    rows = []
    for place, text in lines(path):
        with reading(place):
            rows.append((place, convert(json.loads(text))))
    return rows


# --- all of it ---------------------------------------------------------------------------------------------------------


def read(directory, complete=False):
    """Reads all parts that are there; returns bench.json without its summary."""
    at = {part: Path(directory, name) for part, name in (PARTS | EXTRA).items()}
    bench = {"format": FORMAT, "machine": {}, "families": [], "programs": [], "memory": [], "engine": [],
             "engine_limit": {}, "carrying": [], "sizes": {}, "missing": [], "problems": [], "notes": []}  # fmt: skip
    bench["missing"] = [f"{part}: {at[part].name}" for part in PARTS if not at[part].exists()]
    if len(bench["missing"]) == len(PARTS):
        raise Unusable(f"{directory}: nothing of the benchmark is there; run 'make bench'")
    for part, unit in ("families (instructions)", "insns"), ("families (time)", "ns"):
        if at[part].exists():
            # Time is measured in User-mode Linux, which has no JIT for some families.
            rows, problems, notes = families(at[part], unit, complete and unit == "insns")
            bench["families"] += rows
            bench["problems"] += problems
            bench["notes"] += notes
    if at["programs"].exists():
        rows = merged(objects(at["programs"], program), ("object", "program", "harden"),
                      ("stock", "patcher", "rewrite"), ("insns", "edits"))  # fmt: skip
        for row in rows:
            row["ratio"] = ratio(row["patcher"], row["stock"])
            if row["ratio"] is None:
                bench["problems"].append(f"{row['object']}/{row['program']}: was not loaded in both modes")
        bench["programs"] = rows
    if at["memory"].exists():
        bench["memory"] = merged(objects(at["memory"], memory), ("what", "name"), MODES, ("insns_before", "insns_after"))
    if at["carrying"].exists():
        bench["carrying"] = merged(objects(at["carrying"], carried), ("object", "program"), KERNELS, ("insns",))
        bench["sizes"] = load(at["carrying (sizes)"])
    if at["engine"].exists():
        raw = load(at["engine"])
        with reading(at["engine"]):
            bench["engine_limit"] = raw.get("limit") or {}
            bench["engine"] = [engine(row) for row in raw["rows"]]
    if at["machine"].exists():
        bench["machine"] = load(at["machine"])
        if not isinstance(bench["machine"], dict):
            raise Unusable(f"{at['machine']}: is not an object")
    for part, rows in ("programs", bench["programs"]), ("memory", bench["memory"]), ("engine", bench["engine"]):
        if at[part].exists() and not rows:
            bench["problems"].append(f"{at[part].name}: has no row")
    if complete:
        bench["problems"] += [f"missing: {part}" for part in bench["missing"]]
    return bench


def read_bench(path):
    """Reads a bench.json."""
    bench = load(path)
    with reading(path):
        if bench["format"] != FORMAT:
            raise Unusable(f"{path}: has format {bench['format']}, not {FORMAT}")
        for row in bench["families"]:
            [row[key] for key in ("family", "n", "harden", "unit")], [least(row[key]) for key in COSTS]
        for row in bench["programs"]:
            [row[key] for key in ("object", "program", "harden")], [least(row[key]) for key in (*MODES, "rewrite")]
        for row in bench["engine"]:
            [row[key] for key in ("edits", "unit")], least(row["total"])
    return bench
