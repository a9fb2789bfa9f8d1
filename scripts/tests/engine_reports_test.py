# SPDX-License-Identifier: GPL-2.0
"""The reports on the engine's tests: places that are not reached, and mutants that survive without a reason."""

import sys
import unittest
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
import coverage  # noqa: E402
import mutants  # noqa: E402


def covered_file(name, covered, count, segments=(), branches=()):
    summary = {kind: {"covered": covered, "count": count} for kind in coverage.KINDS}
    return {"filename": name, "summary": summary, "segments": segments, "branches": branches}


class Coverage(unittest.TestCase):
    def test_places(self):
        segments = [[3, 1, 0, True, True, False], [4, 1, 0, True, True, True], [5, 1, 7, True, True, False]]
        file = covered_file("/e/a.rs", 1, 2, segments, [[9, 2, 9, 8, 4, 0]])
        self.assertEqual(coverage.missed("a.rs", file), ["a.rs:3:1: not reached", "a.rs:9:2: never false"])

    def test_only_the_engine_counts(self):
        files = [covered_file("/x/../e/b.rs", 3, 4), covered_file("/e/sub/c.rs", 0, 9), covered_file("/e/a.rs", 1, 1)]
        table, _, lines = coverage.report({"files": files}, "/e")
        self.assertEqual([line.split()[0] for line in table], ["file", "a.rs", "b.rs", "total"])
        self.assertEqual(lines, (4, 5))


class Mutants(unittest.TestCase):
    def judge(self, missed, allowed):
        outcomes = {"caught": ["x"] * 3, "timeout": ["y"], "missed": missed, "unviable": []}
        return mutants.judge(outcomes, Counter(allowed))

    def test_key(self):
        self.assertEqual(mutants.key("src/rust/engine/abi.rs:9:3: replace | with ^ in f"), "abi.rs: replace | with ^ in f")
        self.assertEqual(mutants.key("src/rust/engine/relax/mod.rs:9:3: delete ! in f"), "relax/mod.rs: delete ! in f")

    def test_reasons(self):
        text = "# why\na.rs: one\na.rs: one\nb.rs: two\n"
        self.assertEqual(mutants.read_allowed(text, []), Counter({"a.rs: one": 2, "b.rs: two": 1}))
        self.assertEqual(mutants.read_allowed(text, ["b.rs"]), Counter({"b.rs: two": 1}))
        with self.assertRaises(mutants.Unusable):
            mutants.read_allowed("# why\n\na.rs: one\n", [])

    def test_survivors(self):
        problems, summary, survivors = self.judge(["d/engine/a.rs:1:1: one", "d/engine/a.rs:2:1: one"], ["a.rs: one"])
        self.assertEqual((problems, survivors), (["survives: a.rs: one"], ["a.rs: one"] * 2))
        self.assertIn("6 that compile, 4 noticed (1 by running for ever), 1 survive for a reason, 1 unexplained", summary)

    def test_reason_for_what_is_noticed(self):
        problems, _, _ = self.judge([], ["a.rs: one"])
        self.assertEqual(len(problems), 1)
        self.assertEqual(self.judge(["d/engine/a.rs:1:1: one"], ["a.rs: one"])[0], [])


if __name__ == "__main__":
    unittest.main()
