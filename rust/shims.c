// SPDX-License-Identifier: GPL-2.0
/* What is inline in the kernel's headers, or has no binding: hence these lines of C. */
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "shims.h"

void bpf_patcher_resched(void)
{
	cond_resched();
}

bool bpf_patcher_is_killed(void)
{
	return fatal_signal_pending(current);
}

/* Make room for @len insns, whose pages can be counted. Returns the program, or NULL. */
struct bpf_prog *bpf_patcher_prog_realloc(struct bpf_prog *prog, u32 len)
{
	return bpf_prog_realloc(prog, bpf_prog_size(len), GFP_USER);
}
