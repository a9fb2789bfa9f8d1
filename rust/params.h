/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BPF_PATCHER_PARAMS_H
#define _BPF_PATCHER_PARAMS_H

#include <linux/types.h>

/* as in mode.rs */
enum bpf_patcher_mode {
	BPF_PATCHER_STOCK,
	BPF_PATCHER_PATCHER,
	BPF_PATCHER_VERIFY,
};

int bpf_patcher_mode(void);
bool bpf_patcher_far_jumps(void);
bool bpf_patcher_verify_warn(void);
/* as in stats.rs */
int bpf_patcher_show_stats(char *buf, size_t len);

#endif /* _BPF_PATCHER_PARAMS_H */
