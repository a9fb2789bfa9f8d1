# SPDX-License-Identifier: GPL-2.0
"""The comparison of rebuilt functions with those of a linked kernel."""

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "livepatch"))
import compare  # noqa: E402
import elf  # noqa: E402

SOURCE = """
static int counter;
int said(const char *text);
__attribute__((noinline)) static int first(int x) { return x * 3 + counter++; }
int second(int x) { return said("some text") + first(x); }
int third(int x) { return said("other text") - first(x); }
"""
REST = "int said(const char *text) { return text[0]; }"


class Compare(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.object, self.kernel = self.compiled("one", SOURCE), os.path.join(self.dir.name, "vmlinux")
        subprocess.run(["ld", "-e", "second", "-o", self.kernel, self.compiled("rest", REST), self.object], check=True)

    def compiled(self, name, source):
        path = os.path.join(self.dir.name, name)
        with open(f"{path}.c", "w", encoding="utf-8") as file:
            file.write(source)
        subprocess.run(["gcc", "-O2", "-fno-pic", "-fno-asynchronous-unwind-tables", "-c", f"{path}.c", "-o", f"{path}.o"], check=True)
        return f"{path}.o"

    def run_on(self, *objects):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = compare.main(self.kernel, *objects)
        return code, said.getvalue()

    def test_the_same_is_equal(self):
        code, said = self.run_on(self.object)
        self.assertEqual(code, 0, said)
        self.assertIn("3 functions equal", said)
        self.assertIn(" 0 addresses untold", said)

    def test_a_byte_is_refused(self):
        kernel = elf.Elf(self.kernel)
        second = next(symbol for symbol in kernel.symbols if symbol.name == "second")
        section = kernel.sections[second.section]
        with open(self.kernel, "r+b") as file:
            file.seek(section.offset + second.value - section.addr + second.size - 1)
            file.write(b"\x90")
        code, said = self.run_on(self.object)
        self.assertEqual(code, 1)
        self.assertIn("second: byte", said)

    def test_another_string_is_refused(self):
        code, said = self.run_on(self.compiled("one", SOURCE.replace("some", "same")))
        self.assertEqual(code, 1)
        self.assertIn("second: another address", said)
        self.assertNotIn("third:", said)

    def test_another_callee_is_refused(self):
        code, said = self.run_on(self.compiled("one", SOURCE.replace("- first(x)", "- second(x)")))
        self.assertEqual(code, 1)
        self.assertIn("third:", said)


if __name__ == "__main__":
    unittest.main()
