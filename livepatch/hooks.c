// SPDX-License-Identifier: GPL-2.0
/*
 * Part of the livepatch: compiled at the end of fixups.c, so that objtool finds
 * the kernel's functions that nobody exports.
 */
#include <linux/buildid.h>
#include <linux/livepatch_helpers.h>

#include "livepatch.h"

/* Exports in a file that is compared would number what is below them anew: exports.c has them. */
#undef EXPORT_SYMBOL_NS_GPL
#define EXPORT_SYMBOL_NS_GPL(symbol, namespace)
#undef pr_fmt
#include "patcher.c"

static const unsigned char debian_build_id[] = { BPF_PATCHER_BUILD_ID };

/*
 * The name of a kernel stays when Debian builds it again. Its functions may not
 * be the same, and what replaces them would be wrong.
 */
static int bpf_patcher_pre_patch(struct klp_object *obj)
{
	if (!memcmp(vmlinux_build_id, debian_build_id, sizeof(debian_build_id)))
		return 0;
	pr_err("the livepatch is for the kernel with build id %*phN, this one has %*phN\n",
	       (int)sizeof(debian_build_id), debian_build_id,
	       (int)sizeof(debian_build_id), vmlinux_build_id);
	return -ENOEXEC;
}
KLP_PRE_PATCH_CALLBACK(bpf_patcher_pre_patch);

/* What the module calls and the series does not change stays in the kernel, where no other module can find it. */
void livepatch_clear_insn_aux_data(struct bpf_verifier_env *env, int start, int len)
{
	bpf_clear_insn_aux_data(env, start, len);
}

int livepatch_insn_def32(struct bpf_prog *prog, struct bpf_insn *insn)
{
	return bpf_insn_def32(prog, insn);
}

struct bpf_prog *livepatch_patch_insn_single(struct bpf_prog *prog, u32 off,
					     const struct bpf_insn *patch, u32 len)
{
	return bpf_patch_insn_single(prog, off, patch, len);
}

struct bpf_prog *livepatch_prog_realloc(struct bpf_prog *prog, unsigned int size, gfp_t flags)
{
	return bpf_prog_realloc(prog, size, flags);
}
