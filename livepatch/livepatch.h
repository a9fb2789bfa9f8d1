/* SPDX-License-Identifier: GPL-2.0 */
/* What exports.c calls in hooks.c. */
#ifndef _BPF_PATCHER_LIVEPATCH_H
#define _BPF_PATCHER_LIVEPATCH_H

#include <linux/filter.h>

void livepatch_clear_insn_aux_data(struct bpf_verifier_env *env, int start, int len);
int livepatch_insn_def32(struct bpf_prog *prog, struct bpf_insn *insn);
struct bpf_prog *livepatch_patch_insn_single(struct bpf_prog *prog, u32 off,
					     const struct bpf_insn *patch, u32 len);
struct bpf_prog *livepatch_prog_realloc(struct bpf_prog *prog, unsigned int size, gfp_t flags);

#endif
