#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Creates the proof root: a Debian bookworm with Dafny and z3, which the tool root's release does not have.

# shellcheck source=scripts/lib/roots.sh
source "$(dirname "$0")/../lib/roots.sh"

create_root "$(proof_root_path)" "the proof root" proof-root 700 "$PROOF_SUITE" "$TOP/proof/root.packages"
