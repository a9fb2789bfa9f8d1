// SPDX-License-Identifier: GPL-2.0

/*
 * A static branch in a function that libbpf puts behind the program. The loader refuses it.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "static_branch.h"

char LICENSE[] SEC("license") = "GPL";

static __noinline int helper(int verdict)
{
	if (static_branch_unlikely(trace))
		verdict |= 2;
	return verdict;
}

SEC("socket")
int appended(struct __sk_buff *ctx)
{
	return helper(ctx->len);
}
