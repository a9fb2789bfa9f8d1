#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The module has no clippy warnings.
#
# The cached build cannot be made with CLIPPY=1, which changes every Rust command line and may change the
# code. So clippy runs with the command that kbuild recorded for the object, and writes elsewhere.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

lock_cache
run "$TOP/scripts/build/kernel.sh" um
build=$(kernel_path um)
dir=$(partial_dir clippy)
seen=0
while IFS= read -r -d '' file; do
	command=$(sed -nE '1s/^savedcmd_[^ ]+ := //p' "$file")
	[[ $command == *rustc* && $command == *.rs* ]] || continue
	# kbuild doubles `$` and escapes `#` for make; `;` ends the compiler's part.
	command=${command//\$\$/\$}
	command=${command//\$(pound)/#}
	command=${command%%;*}
	command=$(sed -E "s#(^| )rustc #\1clippy-driver #; s#--emit=(dep-info|obj|metadata)=[^ ]*##g; s#--out-dir [^ ]*##" <<<"$command")
	(cd "$build" && run "$TOP/scripts/setup/inroot.sh" env RUSTC_BOOTSTRAP=1 CLIPPY_CONF_DIR="$(patched_source_path)" \
		sh -c "$command --out-dir '$dir' --emit=metadata -D warnings") ||
		die "clippy has something to say about the module"
	seen=$((seen + 1))
done < <(find "$build/kernel/bpf/patcher" -name '.*.o.cmd' -print0)
((seen)) || die "no Rust object of the module in $build/kernel/bpf/patcher"
remove_tree "$dir"
echo "$seen crate, no warnings"
