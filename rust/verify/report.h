/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BPF_PATCHER_VERIFY_REPORT_H
#define _BPF_PATCHER_VERIFY_REPORT_H

#include <linux/types.h>

/* as in dump.rs */
bool bpf_patcher_may_dump(void);
void bpf_patcher_warn(void);

#endif /* _BPF_PATCHER_VERIFY_REPORT_H */
