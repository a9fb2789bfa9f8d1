// SPDX-License-Identifier: GPL-2.0
/* A point of rescheduling. cond_resched() is inline, hence these lines of C. */
#include <linux/sched.h>

#include "resched.h"

void bpf_patcher_resched(void)
{
	cond_resched();
}
