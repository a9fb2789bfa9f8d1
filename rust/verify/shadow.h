/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BPF_PATCHER_VERIFY_SHADOW_H
#define _BPF_PATCHER_VERIFY_SHADOW_H

#include <linux/types.h>

struct bpf_prog;
struct bpf_verifier_env;

/* as in shadow.rs */
struct bpf_verifier_env *bpf_patcher_shadow_create(struct bpf_prog *prog,
						   struct bpf_verifier_env *env);
struct bpf_prog *bpf_patcher_shadow_install(struct bpf_verifier_env *shadow,
					    struct bpf_prog *prog,
					    struct bpf_verifier_env *env);
void bpf_patcher_shadow_free(struct bpf_verifier_env *shadow);

#endif /* _BPF_PATCHER_VERIFY_SHADOW_H */
