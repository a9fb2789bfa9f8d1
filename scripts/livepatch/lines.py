#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""lines.py OLD NEW: puts #line after each change of NEW, so that what is unchanged below it keeps its line numbers.

Otherwise each warning further down would differ, and all functions with one would be replaced.
"""

import os
import re
import subprocess
import sys

HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.M)


def main(old, new):
    diff = subprocess.run(["git", "diff", "--no-index", "-U0", old, new], capture_output=True, text=True, check=False).stdout
    with open(new, encoding="utf-8") as file:
        lines = file.read().split("\n")
    for match in reversed(list(HUNK.finditer(diff))):
        before, removed, after, added = (int(group) if group else 1 for group in match.groups())
        # A hunk without lines on one side names the line in front of it.
        following = before + removed if removed else before + 1
        at = after + added - 1 if added else after
        lines.insert(at, f"#line {following}")
    with open(f"{new}.lines", "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    # The old file may be a link to the same content.
    os.replace(f"{new}.lines", new)


if __name__ == "__main__":
    main(*sys.argv[1:])
