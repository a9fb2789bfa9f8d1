# SPDX-License-Identifier: GPL-2.0
"""What can panic in an object: how places are named, and what a list that does not fit leads to."""

import sys
import unittest
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
import mutants  # noqa: E402
import panics  # noqa: E402


class Panics(unittest.TestCase):
    def test_kinds(self):
        kinds = {
            "_RNvNtCs_4core9panicking18panic_bounds_check": "index",
            "_RNvNtNtNtCs_4core9panicking11panic_const24panic_const_add_overflow": "arithmetic",
            "_RNvNtCs_4core6option13unwrap_failed": "unwrap",
            "_RNvNtCs_4core6result13unwrap_failed": "unwrap",
            "_RNvNtCs_4core6option13expect_failed": "expect",
            "_RNvNtCs_4core9panicking5panic": "panic",
            "_RNvNtCs_4core4cell22panic_already_borrowed": "panic",
            "_RNvNtNtNtNtCs_4core5slice4sort6shared9smallsort22panic_on_ord_violation": "panic",
            "_RNvNtCs_4core3fmt5write": None,
            "kvfree": None,
        }
        self.assertEqual({name: panics.kind_of(name) for name in kinds}, kinds)

    def test_keys(self):
        with TemporaryDirectory() as source:
            Path(source, "a.rs").write_text("fn one() {\n    x[1];\n}\n\nfn two() {\n    x[2] + x[3];\n}\n")
            core = ("/usr/lib/rust/library/core/slice.rs", 9, 9)
            found = {("index", ("a.rs", 6, 5), "f"), ("index", ("a.rs", 6, 12), "f"), ("index", ("a.rs", 6, 5), "g"),
                     ("arithmetic", ("a.rs", 2, 5), "f"), ("range", core, "f"), ("panic", None, "f")}  # fmt: skip
            keys = panics.keys(found, source)
            # Another function that it is inlined in.
            more = panics.keys(found | {("range", core, "g")}, source)
        core = "library/core/slice.rs"
        self.assertEqual(sorted(keys), ["?: f: panic 1", "a.rs: one: arithmetic 1", "a.rs: two: index 2", f"{core}: f: range 1"])
        self.assertEqual(panics.judge(more, keys)[0], [f"can panic, without a reason why not: {core}: g: range 1"])

    def test_symbols(self):
        names = {
            "_RNvMs2_NtNtCs1a2b3C_11bpf_patcher6engine3logNtB5_3Log3add": "bpf_patcher::engine::log::Log::add",
            "_RNvMs2_NtNtCszzz_11bpf_patcher6engine3logNtB5_3Log3add": "bpf_patcher::engine::log::Log::add",
            "_RNCNvNtCsx_11bpf_patcher5relax5relaxs0_0B7_": "bpf_patcher::relax::relax",
            "bpf_patcher_linearize": "bpf_patcher_linearize",
        }
        self.assertEqual({name: panics.readable(name) for name in names}, names)

    def test_functions(self):
        obj = panics.Object.__new__(panics.Object)
        obj.functions = {1: [(0, 16, "f"), (32, 48, "g")]}
        self.assertEqual([obj.function(1, at) for at in (0, 15, 16, 32, 47, 48)], ["f", "f", "-", "g", "g", "-"])

    def test_judge(self):
        have = Counter(["a.rs: f: index 2", "b.rs: g: unwrap 1"])
        allowed = mutants.read_allowed("# why\na.rs: f: index 1\nb.rs: g: unwrap 1\n", ())
        problems, summary = panics.judge(have, allowed)
        self.assertEqual(problems, ["can panic, without a reason why not: a.rs: f: index 2", "has a reason, but is not there: a.rs: f: index 1"])
        self.assertEqual(summary, "3 places that can panic in the code, in 2 lines of the list; 2 problems")
        self.assertEqual(panics.judge(have, have)[0], [])

    def test_not_an_object(self):
        with self.assertRaises(mutants.Unusable):
            panics.Object(b"\x7fELF\x01\x01" + bytes(64))


if __name__ == "__main__":
    unittest.main()
