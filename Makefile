# SPDX-License-Identifier: GPL-2.0
#
# A short command for each script that people call; the work is in scripts/.

# Variables, all optional:
#   BPF_PATCHER_CACHE=<dir>    where everything heavy is kept
#   JOBS=<n>                   parallel jobs
#   KSRC=<tree or tarball>     your own kernel source instead of the packaged one; never modified
#   FULL=1                     run: stock also at 45 000 and 95 000 loads (many minutes); prove: all goals
#                              of each refused variant (an hour); test-debian: 200 transitions, and the
#                              kernel's test_verifier with and without the livepatch
#   PARTS='<part>...'          bench: only these of programs, blinded, families, time, memory, engine;
#                              carrying, only if named, builds the unpatched kernel
#   MAX=<n>                    bench: the largest number of edits, 195000 if not set; up to 999000
#   KIND=<kind>                vm: vm, the CI's configuration (if not set); vm-lean, without debugging;
#                              vm-debug, with sanitizers; vm-interp, with the interpreter
#   OBJ=<file or folder>       try: BPF objects, or files of struct sock_filter; required
#   HARDEN=0|1|2 PROG=<name>   try: net.core.bpf_jit_harden; only programs of this name; MODE=verify compares
#   CMD='<command>'            vm: run it, and end with its status; a shell if not set
#   MODE=<mode>                vm: patcher (if not set), stock or verify; none loads no module
#   ACCEL=kvm|tcg              vm: instead of the choice by a trial boot; bench: kvm measures the part
#                              time in the virtual machine
#   KDIR=<kernel build dir>    module, install: your patched kernel; the running one if not set
#   INSTALL_MOD_PATH=<dir>     install: as in the kernel's build
#   FLAVOUR=<flavour>          livepatch, deb: of Debian's kernel; the running one's, or cloud-amd64
#   ABI=<release>              livepatch, deb: a kernel that is in the cache and no longer in the archive

# Variables for development, all optional:
#   SESSIONS=<n>               kunit: random sessions to compare with stock
#   SEED=<n> CASE=<n>          kunit: repeat a random session
#   COUNT=<n> WHERE=<place>    far-jumps: programs in each place; host, um, vm, blinded or combined, all
#                              if not set
#   TIME=<s, or 30m, 2h>       fuzz
#   BASE=<bench.json>          bench-compare: an earlier result; required
#   INITRD=<cpio> ARGS='...'   uml: the initramfs, required; arguments for its init
#   SERIES=static-branch       vm: a kernel with that series too
#   TRANSITIONS=<n>            test-livepatch, test-debian: how often the livepatch goes in and out under load
#   KINDS='<kind>...'          static-branch: 'vm-lean identity' if not set; vm for lockdep, vm-debug for
#                              KASAN, vm-interp for the refusal without the JIT
#   ONLY='<part>...'           trust: only these of no-panic, hostile, edges, unprivileged, resched,
#                              groups, faults, faults-jit, kills, kills-jit, host, sanitizers, suites,
#                              planted, soak; selftests: only these runs

FULL ?=
INITRD ?=
ARGS ?=
CMD ?=
OBJ ?=
# Not expanded: a dollar sign is the command's.
override CMD := $(value CMD)
KIND ?= vm
MODE ?=
PARTS ?=
WHERE ?=
BASE ?=
export MAX MACHINES ACCEL
export COUNT FAR SERIES KINDS
export FLAVOUR ABI
export KSRC KDIR FULL BPF_PATCHER_CACHE JOBS SESSIONS SEED CASE TIME CMD MODE ONLY HARDEN PROG

# Scripts end when make is killed.
RUN := @setpriv --pdeathsig TERM --

# $(call list,MARK,FIRST LINE): the targets whose comment begins with MARK, and the variables below that line.
list = @awk -F ':.*$1 ' '/^[a-z0-9-]+:.*$1 / { printf "  make %-19s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST)); \
	echo; sed -n '/^\# $2, all/,/^$$/ { s/^\# //p }' $(firstword $(MAKEFILE_LIST))

.DEFAULT_GOAL := help
# The scripts share one cache, and run their own work in parallel.
.NOTPARALLEL:

.PHONY: run
run: ## boot a kernel with the patcher, load programs in both modes, print the table; results in results/
	$(RUN) scripts/run/demo.sh

.PHONY: test
test: ## every check; ends with a line `N passed, N failed, N skipped`
	$(RUN) scripts/run/test.sh

.PHONY: try
try: ## load your own programs in both modes: what does rewriting cost them? make try OBJ=<object or folder>
	$(RUN) scripts/run/try.sh '$(OBJ)'

.PHONY: bench
bench: ## executed instructions, time and memory in both modes; results/bench.{json,md} (an hour or two)
	$(RUN) scripts/run/bench.sh $(PARTS)

.PHONY: vm
vm: ## boot the CI's kernel in QEMU, with the module: a shell in the kernel's test suites, or CMD='...'
	$(RUN) scripts/run/vm.sh '$(KIND)'

.PHONY: module
module: ## build the module for your own patched kernel: make module KDIR=<its build directory>
	$(RUN) scripts/build/module.sh

.PHONY: install
install: ## build that module and put it where modprobe finds it
	$(RUN) scripts/build/module.sh install

.PHONY: livepatch
livepatch: ## build livepatch and module for Debian's own kernel, FLAVOUR=cloud-amd64, amd64 or rt-amd64
	$(RUN) scripts/livepatch/build.sh

.PHONY: deb
deb: ## the same as Debian packages, in results/
	$(RUN) scripts/livepatch/deb.sh

.PHONY: clean
clean: ## remove results and builds; the tool root and the sources stay (distclean removes them too)
	$(RUN) scripts/setup/clean.sh

.PHONY: help
help: ## this list; make help-dev has the commands for work on this project
	$(call list,##,Variables)

# For development

.PHONY: help-dev
help-dev: ##+ this list
	$(call list,##[+],Variables for development)

.PHONY: fmt
fmt: ##+ format the Rust sources and the shell scripts
	$(RUN) scripts/build/fmt.sh

.PHONY: kunit
kunit: ##+ the engine's KUnit suites in the User-mode Linux kernel
	$(RUN) scripts/run/kunit.sh

.PHONY: planted
planted: ##+ plant a fault in each part of the engine, one at a time: mode verify has to notice it
	$(RUN) scripts/run/planted.sh

.PHONY: prove
prove: ##+ have Dafny check the proof of the engine's algorithms, and its model do random logs
	$(RUN) scripts/run/prove.sh

.PHONY: fuzz
fuzz: ##+ libFuzzer on the engine, on the host, against a naive model
	$(RUN) scripts/run/fuzz.sh

.PHONY: coverage
coverage: ##+ coverage of the engine by the host's tests; fails below 95 % of its lines
	$(RUN) scripts/run/coverage.sh

.PHONY: mutants
mutants: ##+ mutation-test the engine on the host (an hour or more)
	$(RUN) scripts/run/mutants.sh

.PHONY: far-jumps
far-jumps: ##+ jumps beyond 16 bits: random sessions on the host, random programs in virtual machines (an hour)
	$(RUN) scripts/run/far-jumps.sh $(WHERE)

.PHONY: trust
trust: ##+ failed allocations, sanitizers, kills, hostile callers, panics; a table of the results (hours)
	$(RUN) scripts/run/trust.sh

.PHONY: selftests
selftests: ##+ the kernel's own test suites in every mode, in virtual machines, compared with stock (many hours)
	$(RUN) scripts/run/selftests.sh

.PHONY: static-branch
static-branch: ##+ the tests of static branches, on a kernel with that series too (an hour or two)
	$(RUN) scripts/run/static-branch.sh

.PHONY: static-branch-arm64
static-branch-arm64: ##+ the selftest of that series on an emulated arm64 machine, with a small kernel of its own
	$(RUN) scripts/run/static-branch-arm64.sh

.PHONY: bench-compare
bench-compare: ##+ compare results/bench.json with BASE=<bench.json>; fails if anything executes 1 % more instructions
	@test -n '$(BASE)' || { echo "error: pass BASE=<bench.json> of an earlier 'make bench'" >&2; exit 1; }
	$(RUN) scripts/report/bench.py compare '$(BASE)' results/bench.json

.PHONY: test-livepatch
test-livepatch: ##+ Debian's unmodified kernel in QEMU: programs load before, while and after the livepatch is in
	$(RUN) scripts/livepatch/vm.sh

.PHONY: test-debian
test-debian: ##+ a Debian with systemd and its own kernel in QEMU: the packages are installed, and purged
	$(RUN) scripts/livepatch/debian.sh

.PHONY: uml
uml: ##+ boot User-mode Linux: make uml INITRD=<cpio> ARGS='...'; status: N of a line `@exit N`, or 0
	@test -n '$(INITRD)' || { echo "error: pass INITRD=<cpio>, for instance: make uml INITRD=my.cpio.gz ARGS='-v'" >&2; exit 1; }
	$(RUN) scripts/build/kernel.sh um
	$(RUN) scripts/run/uml.sh "$$(scripts/setup/where.sh uml)" '$(INITRD)' $(ARGS)

.PHONY: toolroot
toolroot: ##+ create the tool root: compilers and tools in a Debian of their own
	$(RUN) scripts/setup/toolroot.sh

.PHONY: kernel
kernel: ##+ build the patched User-mode Linux kernel
	$(RUN) scripts/build/kernel.sh um

.PHONY: where
where: ##+ the cached artefacts, `name path` a line, - for a missing one
	$(RUN) scripts/setup/where.sh

.PHONY: distclean
distclean: ##+ remove results, builds and the whole cache
	$(RUN) scripts/setup/clean.sh all
