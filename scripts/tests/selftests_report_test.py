# SPDX-License-Identifier: GPL-2.0
"""The report reads the output of each suite, and notices each kind of problem."""

import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

REPORT = Path(__file__).parents[1] / "report"
sys.path.insert(0, str(REPORT))
import selftests_report as report  # noqa: E402


class TestProgs(unittest.TestCase):
    def test_last_verdict_counts(self):
        tests = report.test_progs("#1     a:FAIL\n#2     b:FAIL\n#2/1   b/sub: of two:FAIL\n@again a\n#1     a:OK\n#3     c:SKIP\n@crash d\n")
        self.assertEqual(tests, {"a": "FLAKY", "b": "FAIL", "b/sub: of two": "FAIL", "c": "SKIP", "d": "CRASH"})

    def test_watchdog_in_the_middle_of_a_line(self):
        tests = report.test_progs("#668/12  v/load-WATCHDOG: test case w/endless loop executes for 10 seconds...\nacquire @unpriv:OK\n#669     x:OK\n")
        self.assertEqual(tests, {"v/load-acquire @unpriv": "OK", "x": "OK"})


class TestVerifier(unittest.TestCase):
    def test_verdicts(self):
        tests = report.test_verifier("#0/u a OK\n#0/p a FAIL\nwhy\n@blinded\n#0/u a SKIP\n@left_out #1/p b\n@end\n")
        self.assertEqual(tests, {"#0/u a": "OK", "#0/p a": "FAIL", "blinded #0/u a": "SKIP", "blinded #1/p b": report.LEFT_OUT})

    def test_cut_off(self):
        with self.assertRaises(report.Unusable):
            report.test_verifier("#0/u a OK\n")


class TestOthers(unittest.TestCase):
    def test_veristat(self):
        tests = report.veristat("file_name,prog_name,verdict,total_insns,prog_size,prog_size_jited\no,p,success,9,4,70\no,q,failure,3,0,0\n")
        self.assertEqual(tests, {"o: p": "success 9 verified, 4 insns, 70 bytes", "o: q": "failure"})

    def test_verifier_skips(self):
        tests = report.test_verifier("#1/p a b SKIP (program uses an unsupported feature)\n#2/p c OK\n@end\n")
        self.assertEqual(tests, {"#1/p a b": "SKIP", "#2/p c": "OK"})

    def test_kmod(self):
        run = "@run 1-0\n[ 3.1] test_bpf: #1 B FAIL\ntest_bpf: #0 A jited:1 44 PASS\ntest_bpf: #1 B FAIL\ntest_bpf: Summary: 1 PASSED\n"
        tests = report.test_kmod(run + "@run 1-2\ntest_bpf: #0 A jited:0 9 PASS\ntest_bpf: Summary: 1 PASSED\n@left_out #1 B\n")
        self.assertEqual(tests, {"1-0 #0 A": "PASS jited", "1-0 #1 B": "FAIL", "1-2 #0 A": "PASS", "1-2 #1 B": report.LEFT_OUT})

    def test_kmod_without_summary(self):
        with self.assertRaises(report.Unusable):
            report.test_kmod("@run 1-0\ntest_bpf: Summary: 1 PASSED\n@run 1-2\ntest_bpf: #0 A jited:0 9 PASS\n")


def ran(mode, **changes):
    counters = {} if mode == "stock" else {"sessions": 5, "verify_sessions": 4, "verify_differences": 0}
    run = {"status": 0, "seconds": 1, "tests": {"t": "OK"}, "counters": counters, "splats": []}
    run.update(changes)
    return run


class Compare(unittest.TestCase):
    def test_far_jumps(self):
        name = "1-2 #1008 Long conditional jump: taken at runtime"
        base = ran("stock", status=1, tests={name: "FAIL"})
        modes = {"stock": base, "patcher": ran("patcher", tests={name: "PASS jited"})}
        problems, explained = report.compare("test_kmod", "test_kmod", modes)
        self.assertEqual((problems, len(explained)), ([], 1))
        # The other way round it is a difference, and so is another test.
        modes = {"stock": ran("stock", tests={name: "PASS"}), "patcher": ran("patcher", tests={name: "FAIL"})}
        self.assertEqual(len(report.compare("test_kmod", "test_kmod", modes)[0]), 1)
        modes = {"stock": ran("stock", tests={"1-2 #1 A": "FAIL"}), "patcher": ran("patcher", tests={"1-2 #1 A": "PASS"})}
        self.assertEqual(len(report.compare("test_kmod", "test_kmod", modes)[0]), 1)

    def problems(self, mode, name="test_progs", suite="test_progs", base=None, **changes):
        problems, _ = report.compare(suite, name, {"stock": base or ran("stock"), mode: ran(mode, **changes)})
        return problems

    def test_alike(self):
        for mode in "patcher", "verify":
            self.assertEqual(self.problems(mode), [])
        self.assertEqual(self.problems("patcher", tests={"t": "FLAKY"}), [])

    def test_verdict(self):
        self.assertEqual(self.problems("patcher", tests={"t": "FAIL"}), ["patcher: t: FAIL, OK in stock"])
        self.assertEqual(self.problems("patcher", tests={"t": "SKIP"}), ["patcher: t: SKIP, OK in stock"])

    def test_left_out(self):
        left_out = ran("stock", tests={"t": report.LEFT_OUT})
        self.assertEqual(self.problems("patcher", base=left_out, tests={"t": "PASS jited"}), [])
        self.assertEqual(len(self.problems("patcher", base=left_out, tests={"t": "FAIL"})), 1)

    def test_missing(self):
        self.assertEqual(self.problems("patcher", tests={}), ["patcher: t: missing"])
        self.assertEqual(self.problems("patcher", tests={"t": "OK", "u": "OK"}), ["patcher: u: OK, missing in stock"])

    def test_fails_in_stock_too(self):
        self.assertEqual(self.problems("patcher", base=ran("stock", tests={"t": "FAIL"}), tests={"t": "FAIL"}), [])

    def test_kernel_complains(self):
        self.assertEqual(self.problems("patcher", splats=["BUG: x"]), ["patcher: BUG: x"])
        self.assertEqual(self.problems("patcher", base=ran("stock", splats=["BUG: x"]), splats=["BUG: x"]), [])

    def test_status(self):
        self.assertEqual(len(self.problems("patcher", status=1)), 1)

    def test_counters(self):
        self.assertEqual(len(self.problems("patcher", counters={})), 1)
        self.assertEqual(len(self.problems("verify", counters={"sessions": 5, "verify_sessions": 0, "verify_differences": 0})), 1)
        self.assertEqual(len(self.problems("verify", counters={"sessions": 5, "verify_sessions": 5, "verify_differences": 1})), 1)

    def test_by_chance(self):
        modes = {"stock": ran("stock", tests={"timer_lockup": "OK"}), "patcher": ran("patcher", tests={"timer_lockup": "SKIP"})}
        problems, explained = report.compare("test_progs", "test_progs", modes)
        self.assertEqual((problems, len(explained)), ([], 1))
        modes["patcher"]["tests"]["timer_lockup"] = "FAIL"
        problems, explained = report.compare("test_progs", "test_progs", modes)
        self.assertEqual((len(problems), explained), (1, []))

    def test_machine_code_under_blinding(self):
        old, new = ({"t": f"success 9 verified, 4 insns, {size} bytes"} for size in (70, 71))
        self.assertEqual(len(self.problems("patcher", "veristat", "veristat", ran("stock", tests=old), tests=new)), 1)
        self.assertEqual(self.problems("patcher", "veristat.harden2", "veristat", ran("stock", tests=old), tests=new), [])

    def test_without_stock(self):
        for changes, count in ({}, 0), ({"tests": {"t": "FAIL"}}, 1), ({"splats": ["BUG: x"]}, 1), ({"status": 1}, 1):
            problems, _ = report.compare("test_progs", "test_progs", {"patcher": ran("patcher", **changes)})
            self.assertEqual(len(problems), count, changes)


class Markdown(unittest.TestCase):
    def listed(self, stock, patcher):
        modes = {"stock": ran("stock", tests=stock), "patcher": ran("patcher", tests=patcher)}
        entry = {"suite": "test_progs", "modes": modes, "problems": [], "explained": []}
        text = report.markdown({"run": entry}, {"kernel": "k", "commit": "c", "date": "d", "accelerator": "tcg"})
        return re.findall(r"^- .*", text, re.M)

    def test_rows_have_a_cell_for_each_column(self):
        entry = {"suite": "test_progs", "modes": {mode: ran(mode) for mode in ("stock", "verify")}, "problems": [], "explained": []}
        text = report.markdown({"run": entry}, {"kernel": "k", "commit": "c", "date": "d", "accelerator": "tcg"})
        self.assertEqual(len({row.count("|") for row in re.findall(r"^\|.*\|$", text, re.M)}), 1)

    def test_what_is_listed(self):
        lines = self.listed({"a": "FAIL", "b": "OK", "c": "FAIL"}, {"a": "FAIL", "b": "FLAKY", "c": "FAIL"})
        self.assertEqual(lines, ["- run, stock, FAIL: a; c", "- run, patcher, FLAKY: b"])

    def test_many_left_out(self):
        lines = self.listed({f"t{i}": report.LEFT_OUT for i in range(20)}, {f"t{i}": "OK" for i in range(20)})
        self.assertEqual(lines, ["- run, stock, LEFT_OUT: t0, and 19 more"])


class Run(unittest.TestCase):
    def test_what_a_kernel_that_died_has_said(self):
        files = {"stamp": "", "status": "0", "seconds": "1", "log": "#1 t:OK\n", "accel": "tcg", "release": "7.3.4", "kernel.log": "boot\n"}
        with tempfile.TemporaryDirectory() as path:
            for name, text in files.items():
                Path(path, name).write_text(text)
            self.assertEqual(report.read_run(Path(path), "test_progs")["splats"], [])
            Path(path, "kernel.log.earlier").write_text("BUG: KASAN: slab-use-after-free\n")
            self.assertEqual(report.read_run(Path(path), "test_progs")["splats"], ["BUG: KASAN: slab-use-after-free"])


class Main(unittest.TestCase):
    def test_run_that_is_not_there(self):
        with tempfile.TemporaryDirectory() as path:
            command = [sys.executable, "-B", REPORT / "selftests_report.py", path, "--run", "veristat veristat verify", "--commit", "c", "--out", f"{path}/out"]
            done = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn("verify: it was not run to its end", done.stdout)
            self.assertIn("not run to its end", Path(path, "out.md").read_text())


if __name__ == "__main__":
    unittest.main()
