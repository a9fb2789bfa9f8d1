# SPDX-License-Identifier: GPL-2.0
"""The benchmark's report reads what the runs leave, refuses what is cut, and notices what got more expensive."""

import json
import math
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

REPORT = Path(__file__).parents[1] / "report"
sys.path.insert(0, str(REPORT))
import bench_input  # noqa: E402
import bench_summary  # noqa: E402
import bench_svg  # noqa: E402
import bench_tables  # noqa: E402

SUMMARY = {"summary": {"command": "measure", "rows": 1, "bad": 0}}


def family(n=1000, stock=400, patcher=200, name="context", **changes):
    row = {"family": name, "n": n, "harden": 0, "insns_before": n, "insns_after": 3 * n, "edits": n,
           "patcher_ns": [patcher + 9, patcher], "patcher_ns_min": patcher, "twin_ns_min": 100, "rewrite_ns_min": 7}  # fmt: skip
    if stock:
        row |= {"stock_ns": [stock, stock + 5], "stock_ns_min": stock, "identical": True}
    return {"family": row | changes}


def program(number, stock, patcher, harden=0, edits=1):
    return {"object": f"o{number}.bpf.o", "program": "p", "harden": harden, "insns": 9, "stock": [stock + 1, stock],
            "patcher": [patcher], "edits": edits, "rewrite": None}  # fmt: skip


def log(*objects):
    return "booting\n" + "".join(f"@json {json.dumps(one)}\r\n" for one in objects)


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


ENGINE = {"limit": {"insns": 9}, "rows": [
    {"edits": 1000, "insns_after": 3000, "unit": unit, "phases": {"record": 2, "rewrite": 3}, "total": 5, "memcpy": 2}
    for unit in ("ns", "insns")
]}  # fmt: skip
# Ratios 2, 1 and 0.5: their geometric mean is 1, that of those with edits is the root of a half.
PROGRAMS = [program(1, 100, 200, edits=0), program(2, 100, 100), program(3, 100, 50), program(3, 100, 20, harden=2)]
MEMORY = [{"what": "family", "name": f"context_{n}", "insns_before": n, "insns_after": n, "stock": 100, "patcher": 100 + n / 1000}
          for n in (9000, 10000, 45000)]  # fmt: skip
MEMORY += [{"what": "program", "name": f"o{stock}/p{patcher}", "insns_before": 9, "stock": stock, "patcher": patcher}
           for stock, patcher in ((0, 0), (100, 10), (0, 7))]  # fmt: skip
WHOLE = {
    "families.insns.log": log(family(), SUMMARY),
    "families.time.log": log(family(stock=None), SUMMARY),
    "programs.jsonl": lines(PROGRAMS),
    "memory.jsonl": lines(MEMORY),
    "engine.json": json.dumps(ENGINE),
    "machine.json": json.dumps({"kernel": "7.3.4", "commit": "abc"}),
}


class Files(unittest.TestCase):
    """Has a directory, and runs bench.py on what is in it."""

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.path = Path(self.temporary.name)

    def put(self, files):
        for name, content in files.items():
            (self.path / name).write_text(content)

    def run_bench(self, *args):
        command = [sys.executable, "-B", REPORT / "bench.py", *args]
        return subprocess.run(command, capture_output=True, text=True, cwd=self.path)

    def report(self, files, *args):
        self.put(files)
        done = self.run_bench("report", "--in", ".", "--out", "out", *args)
        return done.returncode, done.stdout + done.stderr

    def bench(self, files):
        self.put(files)
        bench = bench_input.read(self.path)
        return bench | {"summary": bench_summary.summary(bench)}

    def saved(self, name, files):
        (self.path / name).write_text(json.dumps(self.bench(files)))


class Input(Files):
    def families(self, *objects, complete=False):
        self.put({"log": log(*objects)})
        return bench_input.families(self.path / "log", "insns", complete)

    def test_family(self):
        ((row,), problems, notes) = self.families(family(), SUMMARY)
        self.assertEqual((row["stock"], row["patcher"], row["twin"], row["rewrite"]), (400, 200, 100, 7))
        self.assertEqual((row["unit"], row["identical"], problems, notes), ("insns", True, [], []))

    def test_log_that_is_cut(self):
        other = {"summary": {"command": "dump"}}
        boots = [{"kernel": {}}, {"kernel": {}}, family(), SUMMARY]
        cut = [family()], [family(), SUMMARY, family(2000)], [family(), other], [SUMMARY], boots
        for objects in cut:
            with self.assertRaisesRegex(bench_input.Unusable, "did not end"):
                self.families(*objects)
        self.put({"log": log(family(), SUMMARY).replace('"n": 1000', '"n": 10[  1.5] splat')})
        with self.assertRaisesRegex(bench_input.Unusable, "log:2: .*cut or mixed"):
            bench_input.families(self.path / "log", "insns")

    def test_runs_that_follow_each_other(self):
        rows, _, _ = self.families(family(patcher=200), SUMMARY, family(patcher=190), family(2000), SUMMARY)
        self.assertEqual([(row["n"], row["patcher"]) for row in rows], [(1000, 190), (2000, 200)])
        with self.assertRaisesRegex(bench_input.Unusable, "insns_after is 5, and 3000 before"):
            self.families(family(), family(insns_after=5), SUMMARY)

    def test_rows_that_say_something_else(self):
        skipped = {"family": {"family": "zext", "n": 5, "skipped": "no JIT"}}
        failed = {"family": {"family": "nops", "n": 5, "error": "refused"}}
        rows, problems, notes = self.families(skipped, failed, family(identical=False), SUMMARY)
        self.assertEqual((len(rows), notes), (1, ["zext: N=5 (insns): no JIT"]))
        self.assertEqual(problems, ["nops: N=5: refused", "context: N=1000: the modes differ"])
        _, problems, _ = self.families(skipped, family(), SUMMARY, complete=True)
        self.assertEqual(problems, ["zext: was left out (insns)"])

    def test_malformed(self):
        for name, content in (
            ("programs.jsonl", '{"object": 1'), ("programs.jsonl", '{"object": "o"}'), ("programs.jsonl", "[]"),
            ("programs.jsonl", lines([program(1, 1, -1)])), ("programs.jsonl", lines([program(1, 1, "1")])),
            ("memory.jsonl", '{"what": "x", "name": ""}'), ("engine.json", "{}"), ("machine.json", "[]"),
        ):  # fmt: skip
            self.put({name: content})
            with self.assertRaisesRegex(bench_input.Unusable, name, msg=content):
                bench_input.read(self.path)
            (self.path / name).unlink()


class Summary(Files):
    def test_programs(self):
        found = self.bench(WHOLE)["summary"]["programs"]
        self.assertAlmostEqual(found["geomean"], 1)
        self.assertAlmostEqual(found["geomean_with_edits"], math.sqrt(0.5))
        self.assertEqual((found["count"], found["with_edits"], found["above"]), (3, 2, 1))
        self.assertEqual((found["max"], found["max_without_edits"]), (2, 2))
        self.assertEqual(self.bench(WHOLE)["summary"]["blinded"]["max"], 0.2)

    def test_order_of_the_ends(self):
        rows = [program(number, 1000, 1000 + number) for number in (5, 11, 1, 8, 3, 12, 7, 2, 10, 6, 4, 9)]
        found = self.bench({"programs.jsonl": lines(rows)})["summary"]["programs"]
        self.assertEqual([row["object"] for row in found["worst"]], [f"o{number}.bpf.o" for number in range(12, 2, -1)])
        self.assertEqual([row["object"] for row in found["best"]], [f"o{number}.bpf.o" for number in range(1, 11)])
        self.assertEqual((found["above"], found["max"], found["max_without_edits"]), (7, 1.012, None))

    def test_growth(self):
        rows = [family(n, n <= 5000 and 8 * n, cost) for n, cost in ((1000, 9000), (5000, 10_000), (45_000, 180_000))]
        (found,) = self.bench({"families.insns.log": log(*rows, SUMMARY)})["summary"]["families"]
        self.assertEqual((found["growth"], found["growth_from"], found["growth_to"]), (2, 5000, 45_000))
        self.assertEqual((found["stock_to_patcher"], found["stock_n"]), (4, 5000))
        self.assertEqual((found["patcher_to_twin"], found["twin_n"]), (1800, 45_000))

    def test_growth_of_one_row(self):
        (found,) = self.bench({"families.insns.log": log(family(), SUMMARY)})["summary"]["families"]
        self.assertIsNone(found["growth"])

    def test_instructions_before_time(self):
        files = {"families.insns.log": log(family(), SUMMARY), "families.time.log": log(family(patcher=8), SUMMARY)}
        (found,) = self.bench(files)["summary"]["families"]
        self.assertEqual((found["unit"], found["stock_to_patcher"]), ("insns", 2))
        (self.path / "families.insns.log").unlink()
        (found,) = self.bench({})["summary"]["families"]
        self.assertEqual((found["unit"], found["stock_to_patcher"]), ("ns", 50))

    def test_policy(self):
        rows = [family(100, 300, 150, "policy", harden=2), family(1000, None, 130, "policy", harden=2)]
        found = self.bench({"families.insns.log": log(*rows, SUMMARY)})["summary"]["policy"]
        self.assertEqual([(row["n"], row["stock"], row["patcher"]) for row in found], [(100, 3, 1.5), (1000, None, 1.3)])

    def test_carrying(self):
        sizes = {"text": 10, "data": 20, "bss": 30, "env": 40}
        rows = [{"object": "o3.bpf.o", "program": "p", "harden": 0, "insns": 9, kernel: [cost]}
                for kernel, cost in (("unpatched", 100), ("series", 101))]  # fmt: skip
        bench = self.bench(WHOLE | {"carrying.jsonl": lines(rows), "carrying.json": json.dumps({"unpatched": sizes, "series": sizes})})
        found = {row["what"]: (row["geomean"], row["max"], row["above"]) for row in bench["summary"]["carrying"]}
        self.assertEqual({what: tuple(map(lambda v: round(v, 6), row)) for what, row in found.items()},
                         {"series": (1.01, 1.01, 1), "stock": (1, 1, 0), "patcher": (0.5, 0.5, 0)})  # fmt: skip
        table = bench_tables.carrying(bench)
        self.assertEqual(table.rows[0], ["series, no module", "1", "1.0100", "1.010", "o3/p", "1"])
        self.assertIn("`struct bpf_verifier_env` 40 and 40", table.note)

    def test_memory(self):
        found = self.bench(WHOLE)["summary"]["memory"]
        self.assertEqual(found["families"], {"count": 2, "worst": 1.45, "name": "context_45000"})
        wanted = {"count": 3, "nothing": 1, "less": 1, "more": 1, "stock": 100, "patcher": 17}
        self.assertEqual(found["programs"], wanted)

    def test_notes_of_a_family(self):
        notes = ["f: N=1 (ns): no JIT", "g: no", "f: N=5 (ns): no JIT"]
        self.assertEqual(bench_tables.grouped_notes(notes), ["f (ns): no JIT, N=1,5", "g: no"])


class Charts(Files):
    def test_well_formed(self):
        rows = [program(number, 1000, 500 + number, harden) for number in range(300) for harden in (0, 2)]
        rows.append(program("<&>", 1000, 100))
        bench = self.bench(WHOLE | {"programs.jsonl": lines(rows)})
        for text in (
            bench_svg.programs_svg(bench["programs"], "7.3 <&>"), bench_svg.families_svg(bench["families"], "7.3 <&>"),
            bench_svg.programs_svg([], ""), bench_svg.families_svg([], ""),
        ):  # fmt: skip
            self.assertTrue(xml.fromstring(text).tag.endswith("svg"))

    def test_what_is_named(self):
        text = bench_svg.programs_svg(self.bench(WHOLE)["programs"], "7.3")
        said = [element.text for element in xml.fromstring(text).iter() if element.text]
        for name in "o3/p 0.5", "o3/p 0.2", "o1/p 2":
            self.assertIn(name, said)
        self.assertTrue(any("3 programs, 1 above" in text for text in said), said)

    def test_a_panel_for_each_family(self):
        rows = [family(name=name) for name in ("zext", "nops", "context")]
        text = bench_svg.families_svg(self.bench({"families.insns.log": log(*rows, SUMMARY)})["families"], "7.3")
        bold = [element.text for element in xml.fromstring(text).iter() if element.get("font-weight") == "bold"]
        self.assertEqual(bold[4:], ["zext", "nops", "context"])


class Tables(Files):
    def test_real_programs(self):
        rows = [program(1, 100, 90), *({**program(1, 10**9, 10**9 // 2, harden), "object": f"{name}.bpf.o"}
                for name in ("loop3", "pyperf600", "pyperf600_nounroll") for harden in (0, 2))]  # fmt: skip
        found = bench_tables.real(self.bench({"programs.jsonl": lines(rows)}))
        self.assertEqual([row[0] for row in found.rows], ["pyperf600/p", "loop3/p"])
        self.assertEqual(found.rows[0][3:], ["1 000 M", "500 M", "0.500"] * 2)

    def test_time_beside_instructions(self):
        files = {"families.insns.log": log(family(), SUMMARY), "families.time.log": log(family(patcher=2e6, stock=None), SUMMARY)}
        (row,) = bench_tables.families(self.bench(files)).rows
        self.assertEqual((row[5:8], row[11:]), (["400", "200", "2.00x"], ["-", "2 ms", "-", "yes"]))


class Main(Files):
    def test_whole(self):
        status, said = self.report(WHOLE, "--complete")
        self.assertEqual(status, 0, said)
        text = (self.path / "out/bench.md").read_text()
        for part in "made by `make bench`", "Kernel 7.3.4", "(bench-families.svg)", "(bench-programs.svg)", "memcpy", "-icount":
            self.assertIn(part.lower(), text.lower())
        self.assertEqual(json.loads((self.path / "out/bench.json").read_text())["format"], 1)

    def test_parts_that_are_missing(self):
        files = dict(WHOLE)
        del files["programs.jsonl"]
        (self.path / "out").mkdir()
        self.put({"out/bench-programs.svg": "of another run"})
        status, said = self.report(files)
        self.assertEqual(status, 0, said)
        self.assertIn("missing: programs", said)
        self.assertFalse((self.path / "out/bench-programs.svg").exists())
        status, said = self.report(files, "--complete")
        self.assertEqual(status, 1)
        self.assertIn("error: missing: programs: programs.jsonl", said)

    def test_nothing(self):
        status, said = self.report({})
        self.assertEqual((status, said.count("\n")), (2, 1))

    def test_problem(self):
        status, said = self.report({"programs.jsonl": lines([program(1, 5, None)])})
        self.assertEqual(status, 1)
        self.assertIn("o1.bpf.o/p: was not loaded in both modes", said)

    def test_cut(self):
        status, said = self.report(WHOLE | {"families.insns.log": log(family())})
        self.assertEqual((status, said.count("\n")), (2, 1))


class Compare(Files):
    def compare(self, files, *args, base=WHOLE):
        self.saved("base.json", base)
        self.saved("new.json", base | files)
        done = self.run_bench("compare", "base.json", "new.json", *args)
        return done.returncode, done.stdout + done.stderr

    def test_the_same(self):
        self.assertEqual(self.compare({})[0], 0)

    def test_regression(self):
        slower = {"programs.jsonl": lines(PROGRAMS[:2] + [program(3, 100, 51), PROGRAMS[3]])}
        status, said = self.compare(slower)
        self.assertEqual(status, 1)
        self.assertRegex(said, r"(?m)^program  o3/p  patcher +50 +51 +1\.0200 +\+2\.00 %$")
        self.assertEqual(self.compare(slower, "--tolerance", "0.03")[0], 0)

    def test_mean(self):
        slower = {"programs.jsonl": lines(PROGRAMS[:2] + [program(3, 100, 51), PROGRAMS[3]])}
        for mean, status in ("0.001", 1), ("0.01", 0):
            self.assertEqual(self.compare(slower, "--tolerance", "0.03", "--mean", mean)[0], status, mean)

    def test_each_kind(self):
        dear = json.loads(json.dumps(ENGINE))
        dear["rows"][1]["total"] = 5.2
        for files in {"families.insns.log": log(family(patcher=203), SUMMARY)}, {"engine.json": json.dumps(dear)}:
            self.assertEqual(self.compare(files)[0], 1, files)

    def test_what_is_not_judged(self):
        self.assertEqual(self.compare({"families.time.log": log(family(patcher=900), SUMMARY)})[0], 0)
        status, said = self.compare({"families.insns.log": log(family(rewrite_ns_min=9), SUMMARY)})
        self.assertEqual(status, 0)
        self.assertIn("+28.57 %", said)

    def test_better(self):
        status, said = self.compare({"families.insns.log": log(family(patcher=100), SUMMARY)})
        self.assertEqual(status, 0)
        self.assertIn("0 more, 1 less", said)

    def test_missing(self):
        fewer = {"programs.jsonl": lines(PROGRAMS[1:])}
        status, said = self.compare(fewer)
        self.assertEqual(status, 1)
        self.assertIn("missing in new.json: program o1/p stock", said)
        self.assertEqual(self.compare(fewer, "--subset")[0], 0)
        self.assertEqual(self.compare({"families.insns.log": log(family(stock=None), SUMMARY)})[0], 1)

    def test_nothing_in_common(self):
        base = {"programs.jsonl": lines(PROGRAMS[:1])}
        status, said = self.compare({"programs.jsonl": lines(PROGRAMS[1:])}, "--subset", base=base)
        self.assertEqual(status, 1)
        self.assertIn("nothing was compared", said)

    def test_unreadable(self):
        self.saved("base.json", WHOLE)
        rows = json.loads((self.path / "base.json").read_text())
        bad = rows | {"programs": [rows["programs"][0] | {"stock": "x"}]}
        self.put({"cut.json": '{"format": 1', "old.json": json.dumps(rows | {"format": 0}), "list.json": "[]", "empty.json": '{"format": 1}',
                  "bad.json": json.dumps(bad)})  # fmt: skip
        for name in "cut.json", "old.json", "list.json", "empty.json", "bad.json", "none.json":
            done = self.run_bench("compare", "base.json", name)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertIn(name, done.stderr)


class Typical(unittest.TestCase):
    def test_typical(self):
        for samples, wanted in (
            ([], None), ([7], 7), ([9, 7], 7), ([700000, 500000, 700100], 700000), ([500000, 700000, 500100], 500000),
            # Three of twelve are a quarter, two are not.
            ([500000] * 3 + [700000] * 9, 500000), ([500000] * 2 + [700000] * 10, 700000),
        ):  # fmt: skip
            self.assertEqual(bench_input.typical(samples), wanted, samples)


class Check(Files):
    def expect(self, *picks):
        self.saved("new.json", WHOLE)
        args = [arg for pick in picks for arg in ("--pick", pick)]
        return self.run_bench("expect", "new.json", *args, "--out", "expected.json")

    def check(self, files):
        self.assertEqual(self.expect("o2/p", "o3.bpf.o/p:2", "context=1000").returncode, 0)
        self.saved("new.json", WHOLE | files)
        done = self.run_bench("check", "expected.json", "new.json")
        return done.returncode, done.stdout + done.stderr

    def test_rows(self):
        self.expect("o3/p:2", "context=1000")
        expected = json.loads((self.path / "expected.json").read_text())
        self.assertEqual(expected["tolerance"], 0.01)
        what = {"kind": "program", "object": "o3.bpf.o", "program": "p", "harden": 2}
        self.assertEqual(expected["rows"][:2], [what | {"mode": "stock", "insns": 100}, what | {"mode": "patcher", "insns": 20}])
        what = {"kind": "family", "family": "context", "n": 1000, "harden": 0}
        self.assertEqual(expected["rows"][3], what | {"mode": "patcher", "insns": 200})

    def test_no_such_row(self):
        for pick in "o9/p", "o2/p:2", "o2/p:x", "context", "context=5":
            done = self.expect(pick)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)

    def test_as_expected(self):
        status, said = self.check({})
        self.assertEqual((status, said.count(" ok\n")), (0, 3), said)

    def test_slower(self):
        status, said = self.check({"families.insns.log": log(family(patcher=203), SUMMARY)})
        self.assertEqual(status, 1)
        self.assertIn("context=1000 patcher: +1.50 %", said)
        self.assertEqual(self.check({"families.insns.log": log(family(patcher=202), SUMMARY)})[0], 0)

    def test_stock_has_drifted(self):
        def families(stock, patcher):
            return {"families.insns.log": log(family(stock=stock, patcher=patcher), SUMMARY)}

        self.assertEqual(self.check(families(440, 220))[0], 0)
        self.assertEqual(self.check(families(360, 200))[0], 1)

    def test_missing(self):
        status, said = self.check({"programs.jsonl": lines(PROGRAMS[:3])})
        self.assertEqual(status, 1)
        self.assertIn("o3/p:2 patcher: missing", said)

    def test_faster(self):
        status, said = self.check({"families.insns.log": log(family(patcher=150), SUMMARY)})
        self.assertEqual(status, 0)
        self.assertIn("note: faster: renew the file by: scripts/report/bench.py expect new.json --pick o2/p", said)

    def test_unreadable(self):
        self.saved("new.json", WHOLE)
        for content in "{", "{}", '{"tolerance": 0.01, "rows": []}', '{"tolerance": 0.01, "rows": [{"kind": "x", "mode": "stock"}]}':
            self.put({"expected.json": content})
            done = self.run_bench("check", "expected.json", "new.json")
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)


if __name__ == "__main__":
    unittest.main()
