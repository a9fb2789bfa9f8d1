// SPDX-License-Identifier: GPL-2.0
/* How often differences that mode "verify" has found are told about, and how loudly. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bug.h>
#include <linux/jiffies.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>

#include "../params.h"
#include "report.h"

/* Is it time for another dump of a difference? */
bool bpf_patcher_may_dump(void)
{
	static DEFINE_RATELIMIT_STATE(dumps, 10 * HZ, 5);

	return __ratelimit(&dumps);
}

/* With the parameter verify_warn, make a difference what fuzzers and test suites look for. */
void bpf_patcher_warn(void)
{
	WARN_RATELIMIT(bpf_patcher_verify_warn(),
		       pr_fmt("verify: a session differs from stock\n"));
}
