// SPDX-License-Identifier: GPL-2.0
/* Part of the livepatch: the kernel's side of the contract, for bpf_patcher.ko. */
#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/filter.h>
#include <linux/module.h>

#include "livepatch.h"

#define EXPORT(symbol) EXPORT_SYMBOL_NS_GPL(symbol, "BPF_PATCHER")

int bpf_insn_def32(struct bpf_prog *prog, struct bpf_insn *insn)
{
	return livepatch_insn_def32(prog, insn);
}
EXPORT(bpf_insn_def32);

struct bpf_prog *bpf_patch_insn_single(struct bpf_prog *prog, u32 off,
				       const struct bpf_insn *patch, u32 len)
{
	return livepatch_patch_insn_single(prog, off, patch, len);
}
EXPORT(bpf_patch_insn_single);

struct bpf_prog *bpf_prog_realloc(struct bpf_prog *prog, unsigned int size, gfp_t flags)
{
	return livepatch_prog_realloc(prog, size, flags);
}
EXPORT(bpf_prog_realloc);

void bpf_clear_insn_aux_data(struct bpf_verifier_env *env, int start, int len)
{
	livepatch_clear_insn_aux_data(env, start, len);
}
EXPORT(bpf_clear_insn_aux_data);

/* These are the livepatch's own. */
EXPORT(bpf_patcher_register);
EXPORT(bpf_patcher_unregister);
EXPORT(bpf_patch_insn_data);
EXPORT(bpf_prepend_insn_data);
EXPORT(verifier_remove_insns);
EXPORT(verbose_range);
EXPORT(verbose_relaxed);
EXPORT(bpf_insn_array_values);
