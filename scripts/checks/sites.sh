#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# sites.sh [TREE]: finds silent conflicts of a kernel with the series: calls that patch outside of a session, and data
# that moves with insns. Compares them with the reviewed list, patches/VERSION/sites.list. TREE, by default the patched
# source, has the series applied up to far jumps. Documentation/porting.md says where a new site belongs.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

tree=${1:-$(patched_source_path)}
[[ -f $tree/kernel/bpf/fixups.c ]] || die "$tree has no kernel/bpf/fixups.c; pass the source of a kernel that has it"
known=$TOP/patches/$(kernel_version "$tree")/sites.list
[[ -f $known ]] || die "there is no $known; copy the list of another version, and review it"

# calls_of REGEX FILE...: `FILE FUNCTION CALLEE` of each call.
calls_of() {
	local regex=$1
	shift
	(cd "$tree" && awk -v regex="$regex" '
		/^[a-z].*[a-z0-9_]+\(/ && !/;$/ { match($0, /[a-z0-9_]+\(/); name = substr($0, RSTART, RLENGTH - 1); next }
		/^[ \t]/ && !/^[ \t]+\*/ {
			rest = $0
			gsub(/\/\*.*\*\//, "", rest)
			while (match(rest, regex)) {
				print FILENAME, name, substr(rest, RSTART, RLENGTH - 1)
				rest = substr(rest, RSTART + RLENGTH)
			}
		}' "$@") | sort -u
}
# calls_in FUNCTION FILE: all that a function calls.
calls_in() { calls_of '[a-z_][a-z0-9_]*[(]' "$2" | awk -v name="$1" '$2 == name'; }

mapfile -t files < <(cd "$tree" && grep -rlE 'bpf_patch_insn_(data|single)\(|verifier_remove_insns\(' kernel net drivers/net --include='*.c' | grep -v '^kernel/bpf/patcher/' | sort)
found=$(
	echo "# patches or removes at once"
	calls_of '(bpf_patch_insn_data|bpf_patch_insn_single|verifier_remove_insns)[(]' "${files[@]}"
	echo "# moves with insns, or is freed"
	for name in bpf_patch_insn_data verifier_remove_insns adjust_insn_aux_data bpf_clear_insn_aux_data; do
		calls_in "$name" kernel/bpf/fixups.c
	done
	for name in bpf_patch_insn_single bpf_remove_insns; do calls_in "$name" kernel/bpf/core.c; done
	echo "# of aux data, changed when an insn is patched"
	(cd "$tree" && awk '/^static void adjust_insn_aux_data\(/, /^}/' kernel/bpf/fixups.c | grep -oE '(->|\.)[a-z_]+ (\||&)?= ' | sort -u)
)
if [[ ${UPDATE:-} == 1 ]]; then
	{ sed -n '/^# SPDX/,/^$/p' "$known" && echo "$found"; } >"$known.new" && mv "$known.new" "$known"
fi
diff <(sed '1,/^$/d' "$known") <(echo "$found") || die "the sites with < or > above differ from the reviewed list"
echo "$(grep -vc '^#' <<<"$found") sites as reviewed"
