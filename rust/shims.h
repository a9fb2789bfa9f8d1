/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BPF_PATCHER_SHIMS_H
#define _BPF_PATCHER_SHIMS_H

#include <linux/types.h>

struct bpf_prog;

/* as in resched.rs */
void bpf_patcher_resched(void);
bool bpf_patcher_is_killed(void);
/* as in view.rs */
struct bpf_prog *bpf_patcher_prog_realloc(struct bpf_prog *prog, u32 len);

#endif /* _BPF_PATCHER_SHIMS_H */
