# SPDX-License-Identifier: GPL-2.0
"""The log of the kernel's events becomes patches of programs and passes; a log that is not whole is refused."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
import histogram_svg  # noqa: E402
import patch_stats  # noqa: E402

EVENTS = [
    "tracing_mark_write: object o.bpf.o",
    'load: (x) name="" len=2', "close: (x)",
    'load: (x) name="p" len=9', "close: (x)",
    "patch: (x) cnt=3",
    "edit: (x) pass=1", "remove: (x) cnt=0x2", "close: (x)",
    'load: (x) name="p" len=9', "close: (x)",
]
PROFILE = ["@load 3 0", "@edit 1 0", "@close 4 0", "@patch 1 0", "@remove 1 0", "2 patches"]


class Read(unittest.TestCase):
    def read(self, events, profile):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("\n".join([f"  veristat-12  [001] .....  1.5: {event}" for event in events] + profile) + "\n")
            file.flush()
            return patch_stats.read(file.name)

    def test_passes(self):
        first, second = self.read(EVENTS, PROFILE)
        self.assertEqual((first["object"], first["name"], first["len"]), ("o.bpf.o", "p", 9))
        self.assertEqual(first["passes"], {patch_stats.PASSES[-1]: [("patch", 3)], "dead code": [("remove", 2)]})
        self.assertEqual(second["passes"], {})

    def test_not_whole(self):
        for events, profile in (EVENTS, []), (EVENTS[:7] + EVENTS[8:], PROFILE), (EVENTS, ["@load 3 1"]):
            with self.assertRaises(patch_stats.Unusable):
                self.read(events, profile)


class Histogram(unittest.TestCase):
    def test_classes(self):
        self.assertEqual(histogram_svg.classes([0, 1, 3, 4, 6]), [("0", 1), ("1", 1), ("2", 0), ("3-4", 2), ("5-8", 1)])
        self.assertEqual(histogram_svg.classes([5]), [("5-8", 1)])


if __name__ == "__main__":
    unittest.main()
