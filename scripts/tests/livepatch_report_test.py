# SPDX-License-Identifier: GPL-2.0
"""The report of the machines with Debian's own kernel."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "report"))
import livepatch  # noqa: E402


def family(**values):
    content = {"family": "context", "n": 1000, "good": True, "identical": None, "insns_before": 1002}
    return "@json " + json.dumps({"family": content | values})


VM = "\n".join((
    "# 7.3.4+deb13 #1 SMP, 2 CPUs, tainted 0",
    "ok the module alone is refused",
    "@phase before",
    family(stock_ns_min=2_000_000_000),
    family(n=2000, skipped="this kernel has no patcher"),
    '@json {"seccomp":{"insns":913,"ns":40000000}}',
    "@phase after",
    family(stock_ns_min=2_000_000_000, patcher_ns_min=20_000_000, identical=True),
    '@json {"seccomp":{"insns":913,"ns":8000000}}',
))
DEBIAN = '@json {"watch":{"when":"before","kprobe":7,"inside":6,"kretprobe":5,"fentry":4}}\nnot ok no file is left'


class Report(unittest.TestCase):
    def test_rows(self):
        text = "\n".join(livepatch.report(VM, DEBIAN, "kernel/bpf/core.c b\nkernel/bpf/core.c a\n"))
        for row in ("| `kernel/bpf/core.c` | `a`, `b` |",
                    "| 1 000 context loads | 2 000 | 2 000 | 20 | 100 times | - |",
                    "| seccomp filter of 913 insns, blinded | 40 | - | 8 | 5 times | - |",
                    "| before | 7 | 6 | 5 | 4 |",
                    "| no file is left | not ok |"):
            self.assertIn(row, text.splitlines())

    def test_another_program_is_no_result(self):
        with self.assertRaises(ValueError):
            list(livepatch.report(VM.replace('"identical": true', '"identical": false'), DEBIAN, ""))


if __name__ == "__main__":
    unittest.main()
