// SPDX-License-Identifier: GPL-2.0
/*
 * A library to preload into a program that loads BPF programs through libbpf:
 *
 *	LD_PRELOAD=both_modes.so BOTH_MODES_OUT=loads.jsonl veristat -q pyperf180.bpf.o
 *
 * Each BPF_PROG_LOAD that the kernel accepts is repeated in modes stock and patcher, with the same
 * attributes, and BOTH_MODES_OUT gets a line for it: the nanoseconds of the system call in each mode. Where
 * the clock counts executed instructions (QEMU -icount shift=0), these are instructions.
 *
 * BOTH_MODES_ROUNDS	loads in each mode (5): fewer where one takes long, more until a quarter have taken the
 *			least of a mode, and two at least
 * BOTH_MODES_LABEL	a word for each line, as "object"
 * BOTH_MODES_AS_IS	a word: the mode is left as it is, if there is one, and the load's nanoseconds go by this word
 * BOTH_MODES_MEMORY	1: instead of the time, the bytes that rewriting allocates, see memory.c. What is loaded
 *			in mode stock to begin with is left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"

#define MODE "/sys/module/bpf_patcher/parameters/mode"
#define STATS "/sys/module/bpf_patcher/parameters/stats"
#define HARDEN "/proc/sys/net/core/bpf_jit_harden"
#define MAX_ROUNDS 24
/* A load that takes longer is repeated less, in ns. */
#define LONG 100000000LL
#define VERY_LONG 2000000000LL

enum { STOCK, PATCHER, MODES };
static const char *const mode_names[MODES] = { "stock", "patcher" };

struct counters {
	long long edits, sessions, rewrite_ns;
};

typedef long (*syscall_fn)(long number, ...);

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "both_modes: %s: %s\n", what, strerror(errno));
	_exit(125);
}

void memory_fail(const char *what)
{
	fail(what);
}

static int is_stock(void)
{
	char mode[16] = "";
	FILE *f = fopen(MODE, "r");

	if (!f || !fgets(mode, sizeof(mode), f))
		fail("cannot read " MODE);
	fclose(f);
	return !strncmp(mode, mode_names[STOCK], strlen(mode_names[STOCK]));
}

static void set_mode(int mode)
{
	FILE *f = fopen(MODE, "w");

	if (!f || fputs(mode_names[mode], f) < 0 || fclose(f))
		fail("cannot write " MODE "; is the module loaded?");
}

static int harden(void)
{
	FILE *f = fopen(HARDEN, "r");
	int value = 0;

	if (f) {
		if (fscanf(f, "%d", &value) != 1)
			value = 0;
		fclose(f);
	}
	return value;
}

static struct counters read_counters(void)
{
	struct counters c = {};
	char name[64];
	long long value;
	FILE *f = fopen(STATS, "r");

	if (!f)
		fail("cannot read " STATS);
	while (fscanf(f, "%63s %lld", name, &value) == 2) {
		if (!strcmp(name, "edits"))
			c.edits = value;
		else if (!strcmp(name, "sessions"))
			c.sessions = value;
		else if (!strcmp(name, "record_ns") || !strcmp(name, "linearize_ns"))
			c.rewrite_ns += value;
	}
	fclose(f);
	return c;
}

/* What the last load has freed is gone, and the per-CPU lists of pages are as before. */
static void settle(void)
{
	usleep(50000);
}

/*
 * Are more loads needed? The kernel does other things now and then: a tick of the clock, memory that was freed
 * a while ago. So the least counts that a quarter of the loads have, as bench_input.py has it, and two at least;
 * where loads differ much, after more of them.
 */
static int unsettled(const long long *ns, int n)
{
	long long least = ns[0], most = ns[0];
	int near = 0;

	for (int i = 1; i < n; i++) {
		least = ns[i] < least ? ns[i] : least;
		most = ns[i] > most ? ns[i] : most;
	}
	for (int i = 0; i < n; i++)
		near += ns[i] - least <= least / 1000;
	return near < 2 || 4 * near < n || (n < MAX_ROUNDS / 2 && most - least > least / 30);
}

/* The kernel keeps 15 characters of a name: what has the same ones gets a number. */
static const char *unique_name(const union bpf_attr *load)
{
	static char names[4096][BPF_OBJ_NAME_LEN + 1];
	static char name[BPF_OBJ_NAME_LEN + 16];
	static int nr_names;
	int same = 1;

	snprintf(name, sizeof(name), "%.*s", BPF_OBJ_NAME_LEN, load->prog_name);
	for (int i = 0; i < nr_names; i++)
		same += !strcmp(names[i], name);
	if (nr_names < (int)(sizeof(names) / sizeof(*names)))
		memcpy(names[nr_names++], name, sizeof(*names));
	if (same > 1)
		snprintf(name + strlen(name), 12, "#%d", same);
	return name;
}

static FILE *open_out(void)
{
	FILE *out = fopen(getenv("BOTH_MODES_OUT"), "a");

	if (!out)
		fail("cannot write BOTH_MODES_OUT");
	return out;
}

static void left_out(const union bpf_attr *load, const char *label)
{
	/* One with an insn array, which serves one program only. */
	fprintf(stderr, "both_modes: left out: %s, %.16s: %s\n", label, load->prog_name, strerror(errno));
}

static void measure_memory(syscall_fn real, void *attr, unsigned int size)
{
	const char *label = getenv("BOTH_MODES_LABEL") ?: "";
	const union bpf_attr *load = attr;
	long long bytes[MODES];
	FILE *out;

	if (is_stock())
		return;
	/* The first load in mode patcher may allocate what later ones use again. */
	for (int mode = 0; mode < MODES; mode++) {
		long fd;

		set_mode(mode);
		memory_begin();
		fd = real(SYS_bpf, BPF_PROG_LOAD, attr, size);
		bytes[mode] = memory_end();
		if (fd < 0) {
			left_out(load, label);
			set_mode(PATCHER);
			return;
		}
		close(fd);
	}
	out = open_out();
	fprintf(out, "{\"what\":\"%s\",\"name\":\"%s%s%s\",\"insns_before\":%u,\"stock\":%lld,\"patcher\":%lld}\n",
		strcmp(label, "family") ? "program" : "family", strcmp(label, "family") ? label : "",
		strcmp(label, "family") ? "/" : "", unique_name(load), load->insn_cnt, bytes[STOCK], bytes[PATCHER]);
	if (fclose(out))
		fail("cannot write BOTH_MODES_OUT");
}

static void put_rounds(FILE *out, const char *name, const long long *ns, int rounds)
{
	fprintf(out, ",\"%s\":[", name);
	for (int round = 0; round < rounds; round++)
		fprintf(out, "%s%lld", round ? "," : "", ns[round]);
	fputs("]", out);
}

static void measure(syscall_fn real, void *attr, unsigned int size, long long first)
{
	const union bpf_attr *load = attr;
	const char *label = getenv("BOTH_MODES_LABEL") ?: "";
	const char *wanted = getenv("BOTH_MODES_ROUNDS"), *as_is = getenv("BOTH_MODES_AS_IS");
	int wanted_rounds = wanted ? atoi(wanted) : 5, rounds = 0, modes = as_is ? 1 : MODES;
	long long ns[MODES][MAX_ROUNDS];
	struct counters before = {}, after = {};
	FILE *out;

	if (first > VERY_LONG)
		wanted_rounds = 1;
	else if (first > LONG)
		wanted_rounds = 2;
	if (wanted_rounds < 1)
		wanted_rounds = 1;
	for (int round = 0; round < MAX_ROUNDS; round++) {
		if (round >= wanted_rounds &&
		    (first > LONG || (!unsettled(ns[0], round) && !unsettled(ns[modes - 1], round))))
			break;
		rounds = round + 1;
		for (int i = 0; i < modes; i++) {
			int mode = (round + i) % modes;
			long long start;
			long fd;

			if (!as_is) {
				set_mode(mode);
				before = read_counters();
			}
			settle();
			start = now();
			fd = real(SYS_bpf, BPF_PROG_LOAD, attr, size);
			ns[mode][round] = now() - start;
			if (fd < 0) {
				left_out(load, label);
				if (!as_is)
					set_mode(PATCHER);
				return;
			}
			if (mode == PATCHER) {
				after = read_counters();
				after.edits -= before.edits;
				after.sessions -= before.sessions;
				after.rewrite_ns -= before.rewrite_ns;
			}
			close(fd);
		}
	}
	if (!as_is)
		set_mode(PATCHER);
	out = open_out();
	fprintf(out, "{\"object\":\"%s\",\"program\":\"%s\",\"harden\":%d,\"insns\":%u", label,
		unique_name(load), harden(), load->insn_cnt);
	for (int mode = 0; mode < modes; mode++)
		put_rounds(out, as_is ?: mode_names[mode], ns[mode], rounds);
	if (!as_is)
		fprintf(out, ",\"edits\":%lld,\"sessions\":%lld,\"rewrite\":%lld", after.edits, after.sessions,
			after.rewrite_ns);
	fputs("}\n", out);
	if (fclose(out))
		fail("cannot write BOTH_MODES_OUT");
}

/* libbpf finds out by small programs of its own what the kernel can do. */
static int is_probe(const union bpf_attr *load)
{
	return !load->prog_name[0] || !strncmp(load->prog_name, "libbpf_", 7) ||
	       !strncmp(load->prog_name, "det_", 4);
}

/* In place of libc's, which the dynamic linker finds behind this one. */
long syscall(long number, ...)
{
	static syscall_fn real;
	long a[6], ret;
	long long start;
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (!real)
		real = (syscall_fn)dlsym(RTLD_NEXT, "syscall");
	start = now();
	ret = real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (number == SYS_bpf && a[0] == BPF_PROG_LOAD && ret >= 0 && getenv("BOTH_MODES_OUT") &&
	    !is_probe((const union bpf_attr *)a[1])) {
		if (getenv("BOTH_MODES_MEMORY"))
			measure_memory(real, (void *)a[1], a[2]);
		else
			measure(real, (void *)a[1], a[2], now() - start);
	}
	return ret;
}
