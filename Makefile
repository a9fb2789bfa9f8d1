# SPDX-License-Identifier: GPL-2.0
#
# One command each for what people do here; the work is in scripts/.

# Variables, all optional:
#   KSRC=<tree or tarball>     the user's own kernel source instead of the packaged one; never modified
#   KDIR=<kernel build dir>    for `make module` and `make install`: the user's own patched kernel; the running one's if not set
#   CMD='<command>'            for `make vm`: run it there, and end with its status; without it there is a shell
#   KIND=vm|vm-lean|vm-debug|vm-interp  for `make vm`: the CI's configuration, the same without debugging, that with sanitizers, or with the interpreter
#   MODE=<mode>                for `make vm`: patcher, stock or verify; none loads no module
#   FULL=1                     `make run` also runs the ladder's slow rows in mode stock (many minutes)
#   BPF_PATCHER_CACHE=<dir>    where everything heavy is kept
#   JOBS=<n>                   parallel jobs
#   SESSIONS=<n> SEED=<n>      for `make kunit`: random sessions to compare with stock
#   COUNT=<n> WHERE=<place>    for `make far-jumps`: programs in each place; host, um, vm, blinded or combined, all if not set
#   TIME=<s, or 30m, 2h>       for `make fuzz`
#   PARTS='<part>...'          for `make bench`: only these of programs, blinded, families, time, memory, engine; carrying too, which builds the unpatched kernel
#   MAX=<n>                    for `make bench`: the largest number of edits, 195000 if not set; up to 999000
#   ACCEL=kvm                  for `make vm`, and for the part time of `make bench`
#   BASE=<bench.json>          for `make bench-compare`
#   SERIES=static-branch       for `make vm`: a kernel with that series too
#   KINDS='<kind>...'          for `make static-branch`: 'vm-lean identity' if not set; vm for lockdep, vm-debug for KASAN, vm-interp for what is refused without the JIT
#   ONLY='<part>...'           for `make trust`: only these of no-panic, hostile, edges, unprivileged, resched, groups, faults,
#                              faults-jit, kills, kills-jit, host, sanitizers, suites, planted, soak
FULL ?=
INITRD ?=
ARGS ?=
CMD ?=
# Not expanded: a dollar sign is the command's.
override CMD := $(value CMD)
KIND ?= vm
MODE ?=
PARTS ?=
WHERE ?=
BASE ?=
export MAX MACHINES ACCEL
export COUNT FAR SERIES KINDS
export KSRC KDIR FULL BPF_PATCHER_CACHE JOBS SESSIONS SEED CASE TIME CMD MODE ONLY

# Scripts end when make is killed.
RUN := @setpriv --pdeathsig TERM --

.DEFAULT_GOAL := help
# The scripts share one cache, and run their own work in parallel.
.NOTPARALLEL:

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@sed -n '/^# Variables/,/^[^#]/ s/^#   /  /p' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: ## boot a kernel with the patcher, load programs in both modes, print the table; results in results/
	$(RUN) scripts/run/demo.sh

.PHONY: test
test: ## every check; ends with a line `N passed, N failed, N skipped`
	$(RUN) scripts/run/test.sh

.PHONY: bench
bench: ## the benchmark: executed instructions, time and memory in both modes; tables, results/bench.{json,md} (an hour or two)
	$(RUN) scripts/run/bench.sh $(PARTS)

.PHONY: bench-compare
bench-compare: ## compare results/bench.json with BASE=<bench.json>; fails if something executes 1 % more instructions
	@test -n '$(BASE)' || { echo "error: pass BASE=<bench.json> of an earlier 'make bench'" >&2; exit 1; }
	$(RUN) scripts/report/bench.py compare '$(BASE)' results/bench.json

.PHONY: trust
trust: ## allocations that fail, sanitizers, kills, hostile callers, panics; a table of what came of each (hours)
	$(RUN) scripts/run/trust.sh

.PHONY: kunit
kunit: ## the engine's KUnit suites in the User-mode Linux kernel
	$(RUN) scripts/run/kunit.sh

.PHONY: planted
planted: ## plant a fault in each part of the engine, one at a time: mode verify has to notice it
	$(RUN) scripts/run/planted.sh

.PHONY: far-jumps
far-jumps: ## jumps beyond 16 bits: sessions on the host, programs run in User-mode Linux and in a virtual machine; COUNT=, WHERE='host um vm blinded combined'
	$(RUN) scripts/run/far-jumps.sh $(WHERE)

.PHONY: fuzz
fuzz: ## libFuzzer on the engine, on the host, against a naive model; TIME=60, 30m or 2h
	$(RUN) scripts/run/fuzz.sh

.PHONY: coverage
coverage: ## how much of the engine the host's tests reach; fails below 95 % of its lines
	$(RUN) scripts/run/coverage.sh

.PHONY: mutants
mutants: ## change the engine in small ways, one at a time: the host's tests have to notice
	$(RUN) scripts/run/mutants.sh

.PHONY: uml
uml: ## boot that kernel: make uml INITRD=<cpio> ARGS='...' (for its init); status: N of a line `@exit N`, or 0
	@test -n '$(INITRD)' || { echo "error: pass INITRD=<cpio>, for instance: make uml INITRD=my.cpio.gz ARGS='-v'" >&2; exit 1; }
	$(RUN) scripts/build/kernel.sh um
	$(RUN) scripts/run/uml.sh "$$(scripts/setup/where.sh uml)" '$(INITRD)' $(ARGS)

.PHONY: vm
vm: ## boot the CI's kernel in QEMU, with the module: a shell in the kernel's test suites, or CMD='...'
	$(RUN) scripts/run/vm.sh '$(KIND)'

.PHONY: selftests
selftests: ## the kernel's own test suites in every mode, in virtual machines, compared with stock (many hours)
	$(RUN) scripts/run/selftests.sh

.PHONY: static-branch
static-branch: ## build a kernel with the series of static branches too, and run what belongs to it (an hour or two)
	$(RUN) scripts/run/static-branch.sh

.PHONY: static-branch-arm64
static-branch-arm64: ## the selftest of that series on an emulated arm64 machine, with a small kernel of its own
	$(RUN) scripts/run/static-branch-arm64.sh

.PHONY: where
where: ## the cached artefacts, `name path` a line, - for what is not there
	$(RUN) scripts/setup/where.sh

.PHONY: toolroot
toolroot: ## create the tool root: compilers and tools in a Debian of their own
	$(RUN) scripts/setup/toolroot.sh

.PHONY: kernel
kernel: ## build the patched User-mode Linux kernel
	$(RUN) scripts/build/kernel.sh um

.PHONY: module
module: ## build the module for one's own patched kernel: make module KDIR=<its build directory>
	$(RUN) scripts/build/module.sh

.PHONY: install
install: ## build that module and put it where modprobe finds it; INSTALL_MOD_PATH=<dir> as in the kernel's build
	$(RUN) scripts/build/module.sh install

.PHONY: fmt
fmt: ## format the Rust sources and the shell scripts
	$(RUN) scripts/build/fmt.sh

.PHONY: clean
clean: ## remove results and builds; the tool root and the sources stay
	$(RUN) scripts/setup/clean.sh

.PHONY: distclean
distclean: ## remove the whole cache too
	$(RUN) scripts/setup/clean.sh all
