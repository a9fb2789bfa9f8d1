#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# prove.sh: has Dafny check the proof, and has the model do random logs as the engine does them. FULL=1: all goals of
# each refused variant. Ends with a line of what was proved, refused and compared.

# shellcheck source=scripts/lib/engine-on-host.sh
source "$(dirname "$0")/../lib/engine-on-host.sh"

LOGS=100000

# compare PROGRAM FROM TO: random logs of these numbers, done by the model.
compare() {
	piped "$logs" "$2" "$3" | run "$TOP/scripts/setup/inproof.sh" "$work" mono "$work/$1-model/$1.exe"
}

run "$TOP/scripts/setup/proof-root.sh"
host_prepare
cd "$HOST_CRATE"
# With jumps of 8 bits, so that short programs have some that are too far.
host_cargo proof cargo build --quiet --locked --jobs "$JOBS" --features short_reach --bin logs || die "the engine on the host does not build"
logs=$(host_target)/proof/debug/logs

cd "$TOP"
work=$CACHE/proof
mkdir -p "$work"
said=$(run scripts/setup/inproof.sh "$work" python3 scripts/run/prove.py "$work/run" "$JOBS" ${FULL:+all} | tee /dev/stderr) ||
	die "the proof does not hold, or does not follow the engine"
work=$work/run
planted=$(compare planted 0 2000) || true
[[ $planted =~ compared,\ [1-9] ]] || die "the comparison does not notice a planted difference"
compared=$(compare compare 0 "$LOGS" | tee /dev/stderr) || die "model and engine differ"
echo "planted: $(tail -n 1 <<<"$planted")"
echo "$(tail -n 1 <<<"$said"); $(tail -n 1 <<<"$compared")"
