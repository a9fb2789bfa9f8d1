/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BPF_PATCHER_RESCHED_H
#define _BPF_PATCHER_RESCHED_H

/* as in resched.rs */
void bpf_patcher_resched(void);

#endif /* _BPF_PATCHER_RESCHED_H */
