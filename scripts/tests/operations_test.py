# SPDX-License-Identifier: GPL-2.0
"""The counters that Documentation/operations.md explains are those of the module."""

import re
import unittest
from pathlib import Path

TOP = Path(__file__).parents[2]


class Counters(unittest.TestCase):
    def test_each_has_its_line(self):
        blocks = re.findall(r"^counters! \{$(.*?)^\}$", (TOP / "rust/stats.rs").read_text(), re.S | re.M)
        counters = {name for block in blocks for name in re.findall(r"^    (\w+),$", block, re.M)}
        page = (TOP / "Documentation/operations.md").read_text()
        rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", page, re.M)
        named = {name.strip("`") for row in rows for name in row.split(", ")}
        self.assertGreater(len(counters), 20)
        self.assertEqual(named, counters)


if __name__ == "__main__":
    unittest.main()
