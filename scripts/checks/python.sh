#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The Python scripts compile, and their tests pass. No byte code is left behind.

# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"

cd "$TOP"
mapfile -d '' -t files < <(find scripts selftests -name '*.py' -print0 | sort -z)
run scripts/setup/inroot.sh python3 -c '
import sys
for name in sys.argv[1:]:
    compile(open(name).read(), name, "exec")' "${files[@]}"
said=$(run scripts/setup/inroot.sh python3 -B -m unittest discover -s scripts/tests -p '*_test.py' 2>&1) || {
	echo "$said"
	exit 1
}
count=$(sed -nE 's/^Ran ([0-9]+) tests? in .*/\1/p' <<<"$said")
((count > 0)) || die "no tests of the Python scripts were found"
echo "${#files[@]} files, $count tests"
