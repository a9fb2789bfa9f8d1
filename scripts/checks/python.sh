#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The Python scripts compile, without leaving byte code behind.

# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../lib.sh"

cd "$TOP"
mapfile -d '' -t files < <(find scripts selftests -name '*.py' -print0 | sort -z)
((${#files[@]})) || {
	echo "no Python files"
	exit 77
}
run scripts/inroot.sh python3 -c '
import sys
for name in sys.argv[1:]:
    compile(open(name).read(), name, "exec")' "${files[@]}"
echo "${#files[@]} files"
