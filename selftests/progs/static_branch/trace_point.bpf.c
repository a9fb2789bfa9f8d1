// SPDX-License-Identifier: GPL-2.0

/*
 * A socket filter with a trace point that is off, and code that is on until it is switched off.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "static_branch.h"

char LICENSE[] SEC("license") = "GPL";

/* Packets that the trace point has seen. */
__u32 traced;

SEC("socket")
int trace_point(struct __sk_buff *ctx)
{
	int verdict = 1;
	int i;

	if (static_branch_unlikely(trace)) {
		__sync_fetch_and_add(&traced, 1);
		verdict |= 2;
	}
	/* The compiler copies this one. */
#pragma unroll
	for (i = 0; i < 3; i++) {
		if (static_branch_likely(trace))
			verdict += 4;
	}
	if (static_branch_unlikely(other))
		verdict |= 32;
	return verdict;
}
