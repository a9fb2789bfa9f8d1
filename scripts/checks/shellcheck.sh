#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The shell scripts pass shellcheck.

# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"

cd "$TOP"
mapfile -t files < <(shell_scripts)
run scripts/setup/inroot.sh shellcheck --external-sources "${files[@]}" || die "shellcheck has something to say"
echo "${#files[@]} files"
