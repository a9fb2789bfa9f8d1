// SPDX-License-Identifier: GPL-2.0
/*
 * What rewriting allocates, as the kernel's trace events tell: kmalloc(), vmalloc() and their frees by this
 * task, while the passes run that rewrite a program. That is from bpf_optimize_bpf_loop(), the first of them,
 * to bpf_fixup_call_args(), behind the last; and in bpf_jit_blind_constants().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"

#define TRACING "/sys/kernel/tracing"
#define INSTANCE TRACING "/instances/both_modes"
/* vmalloc() adds one that is not mapped. */
#define GUARD 4096
#define MAX_LIVE 65536

static struct {
	unsigned long long addr, size;
} live[MAX_LIVE];
static int nr_live;
static long long live_bytes, peak_bytes;

/* Writes to a file of tracefs; @flags is O_APPEND, or O_TRUNC. fopen() would seek, which tracefs refuses. */
static void put(const char *file, int flags, const char *format, ...)
{
	int fd = open(file, O_WRONLY | flags);
	va_list args;

	if (fd < 0)
		memory_fail(file);
	va_start(args, format);
	if (vdprintf(fd, format, args) < 0)
		memory_fail(file);
	va_end(args);
	if (close(fd))
		memory_fail(file);
}

static void on_event(const char *name, const char *probe, const char *trigger)
{
	char path[256];

	put(TRACING "/kprobe_events", O_APPEND, "%s\n", probe);
	snprintf(path, sizeof(path), INSTANCE "/events/both_modes/%s/trigger", name);
	put(path, O_TRUNC, "%s\n", trigger);
}

static void set_up(void)
{
	static const char *const events[] = { "kmem/kmalloc", "kmem/kfree", "vmalloc/alloc_vmap_area",
					      "vmalloc/free_vmap_area_noflush" };
	char path[256];

	/* The same for all programs that this is preloaded into. */
	if (mkdir(INSTANCE, 0700) && errno != EEXIST)
		memory_fail(INSTANCE);
	if (access(TRACING "/events/both_modes", F_OK)) {
		put(INSTANCE "/tracing_on", O_TRUNC, "0");
		put(INSTANCE "/buffer_size_kb", O_TRUNC, "8192");
		on_event("first", "p:both_modes/first bpf_optimize_bpf_loop", "traceon");
		on_event("last", "p:both_modes/last bpf_fixup_call_args", "traceoff");
		on_event("blind", "p:both_modes/blind bpf_jit_blind_constants", "traceon");
		on_event("blinded", "r:both_modes/blinded bpf_jit_blind_constants", "traceoff");
	}
	put(INSTANCE "/set_event_pid", O_TRUNC, "%d", getpid());
	for (unsigned int i = 0; i < sizeof(events) / sizeof(*events); i++) {
		snprintf(path, sizeof(path), INSTANCE "/events/%s/enable", events[i]);
		put(path, O_TRUNC, "1");
	}
}

void memory_begin(void)
{
	static int is_set_up;

	if (!is_set_up)
		set_up();
	is_set_up = 1;
	put(INSTANCE "/tracing_on", O_TRUNC, "0");
	put(INSTANCE "/trace", O_TRUNC, "");
}

static void add(unsigned long long addr, unsigned long long size)
{
	if (nr_live == MAX_LIVE) {
		errno = ENOSPC;
		memory_fail("allocations");
	}
	live[nr_live].addr = addr;
	live[nr_live++].size = size;
	live_bytes += size;
	if (live_bytes > peak_bytes)
		peak_bytes = live_bytes;
}

/* What was there before counts neither way. */
static void drop(unsigned long long addr)
{
	for (int i = nr_live - 1; i >= 0; i--) {
		if (live[i].addr == addr) {
			live_bytes -= live[i].size;
			live[i] = live[--nr_live];
			return;
		}
	}
}

static unsigned long long field(const char *line, const char *name, int base)
{
	const char *at = strstr(line, name);

	return at ? strtoull(at + strlen(name), NULL, base) : 0;
}

long long memory_end(void)
{
	static char line[4096];
	FILE *f;

	put(INSTANCE "/tracing_on", O_TRUNC, "0");
	nr_live = 0;
	live_bytes = 0;
	peak_bytes = 0;
	f = fopen(INSTANCE "/trace", "r");
	if (!f)
		memory_fail(INSTANCE "/trace");
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, "LOST")) {
			errno = ENOBUFS;
			memory_fail("events were lost");
		}
		if (strstr(line, " kmalloc: "))
			add(field(line, " ptr=", 16), field(line, " bytes_alloc=", 10));
		else if (strstr(line, " kfree: "))
			drop(field(line, " ptr=", 16));
		else if (strstr(line, " alloc_vmap_area: ") && strstr(line, "failed=0"))
			add(field(line, " va_start: ", 10), field(line, " size=", 10) - GUARD);
		else if (strstr(line, " free_vmap_area_noflush: "))
			drop(field(line, " va_start=", 16));
	}
	fclose(f);
	return peak_bytes;
}
