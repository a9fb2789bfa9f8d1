# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by scripts that run the engine on the host: its build directory, its bindings, and cargo in the tool root.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "${BASH_SOURCE[0]}")/paths.sh"

# shellcheck disable=SC2034 # for those who source this
HOST_CRATE=$TOP/selftests/host
# shellcheck disable=SC2034
HOST_TRIPLE=x86_64-unknown-linux-gnu
# malloc keeps memory: returning it after the long programs of each case would take half of the time.
# shellcheck disable=SC2034
HOST_MALLOC=glibc.malloc.mmap_threshold=1073741824:glibc.malloc.trim_threshold=1073741824

# What libFuzzer needs. No tracing of compared values, as a case is no text with keywords.
# shellcheck disable=SC2034
HOST_FUZZ_FLAGS=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
	-Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1 --cfg fuzzing)

host_target() { echo "$CACHE/host-$(toolroot_key)"; }

install_cargo_tool() {
	run "$TOP/scripts/setup/inroot.sh" cargo install --locked --root "$1" --jobs "$JOBS" "$2" --version "$3"
}

# cargo_tool NAME VERSION: prints the path of a program of cargo's, which it installs at its first use. The
# caller needs dispatch_step.
cargo_tool() {
	local name=$1 path dir
	path=$CACHE/$1-$2-$(toolroot_key)
	[[ -d $path ]] || (
		lock_cache
		need_disk 1000 "$name"
		dir=$(partial_dir "$name")
		stage "$name $2" "$name-install" install_cargo_tool "$dir/root" "$name" "$2" && mv "$dir/root" "$path"
	) || exit
	echo "$path/bin/$name"
}

# The bindings are those of the series: a build of other module sources has them too.
host_has_bindings() {
	local build series
	build=$(kernel_path um)
	[[ -f $build/.bpf-patcher.stamp && -f $build/rust/bindings/bindings_generated.rs ]] || return 1
	read -r series _ <"$build/.bpf-patcher.stamp"
	[[ $series == "$(series_stamp)" ]]
}

# Puts the kernel's bindings where cargo finds them, with a new time only if they have changed. Long runs
# do not hold the cache's lock, as cargo has one of its own.
host_prepare() {
	local from target
	host_has_bindings || run "$TOP/scripts/build/kernel.sh" um
	target=$(host_target)
	from=$(kernel_path um)/rust/bindings/bindings_generated.rs
	need_disk 1500 "the engine on the host"
	mkdir -p "$target"
	cmp -s "$from" "$target/bindings.rs" || {
		cp "$from" "$target/bindings.rs.$$"
		mv "$target/bindings.rs.$$" "$target/bindings.rs"
	}
}

# host_cargo TARGET COMMAND...: runs a command in the tool root, with cargo's output in that directory of
# the host's target. RUSTFLAGS are passed on.
host_cargo() {
	local target
	target=$(host_target)
	CARGO_TARGET_DIR=$target/$1 run "$TOP/scripts/setup/inroot.sh" \
		env BPF_PATCHER_BINDINGS="$target/bindings.rs" "${@:2}"
}
