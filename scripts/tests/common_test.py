# SPDX-License-Identifier: GPL-2.0
"""What all shell scripts share."""

import os
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

COMMON = Path(__file__).parents[1] / "lib" / "common.sh"
PATHS = COMMON.with_name("paths.sh")


def shell(text, library=COMMON, **more):
    """Runs a script that has read a library."""
    return subprocess.run(["bash", "-c", f"source '{library}'; {text}"], capture_output=True, text=True, check=False, **more)


class Reports(unittest.TestCase):
    # More than a pipe holds.
    quiet = "what a kernel says\n" * 50_000

    def test_nothing_to_report(self):
        self.assertEqual(shell("no_reports", input=self.quiet).returncode, 0)

    def test_reports_in_front_of_a_long_log(self):
        done = shell("cat | no_reports", input="BUG: a\nWARNING: b\nUBSAN: c\nBUG: d\n" + self.quiet)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "BUG: a\nWARNING: b\nUBSAN: c\n")


class Kinds(unittest.TestCase):
    def test_configurations_of_others_come_first(self):
        for kind, parts in ("um-debug", ["uml", "um", "debug"]), ("vm-debug", ["vm", "vm-lean", "debug"]):
            configs = shell(f"kind_value {kind} configs", PATHS).stdout.splitlines()
            self.assertEqual([Path(config).parent.name for config in configs], parts)

    def test_parts_are_no_kinds(self):
        for name in "debug", "no-such":
            self.assertRegex(shell(f"check_kind {name}", PATHS).stderr, f"^error: there is no kernel '{name}'; there are arm64 um ")
        self.assertEqual(shell("check_kind um x86_64", PATHS).returncode, 1)


class Ends(unittest.TestCase):
    def left(self, text):
        """Is what `text` starts, which writes its number to a file, still there when its script was killed?"""
        with tempfile.TemporaryDirectory() as path:
            number = Path(path, "number")
            started = f"bash -c 'echo $$ >{number}.new; mv {number}.new {number}; exec sleep 60'"
            script = subprocess.Popen(["bash", "-c", f"source '{COMMON}'; {text.format(started)}"])
            while not number.exists():
                time.sleep(0.01)
            script.send_signal(signal.SIGTERM)
            script.wait()
            process = Path("/proc", number.read_text().strip())
            for _ in range(100):
                if not process.exists():
                    return False
                time.sleep(0.02)
            os.kill(int(process.name), signal.SIGKILL)
            return True

    def test_part_of_a_pipeline(self):
        self.assertFalse(self.left("piped {} | cat"))

    def test_in_the_background(self):
        self.assertFalse(self.left("piped {} & wait"))

    def test_beside_a_heartbeat(self):
        self.assertFalse(self.left("beating name /dev/null logged /dev/null {}"))


if __name__ == "__main__":
    unittest.main()
