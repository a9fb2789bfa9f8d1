/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BPF_PATCHER_TESTS_BENCH_H
#define _BPF_PATCHER_TESTS_BENCH_H

#include <linux/types.h>

struct bpf_verifier_env;

/* as in fixture.rs */
struct bpf_patcher_test_size {
	u32 insns;
	u32 subprogs;
	u32 linfo;
	u32 func_info;
	u32 poke;
	u32 arrays;
	u32 array_values;
};

struct bpf_verifier_env *bpf_patcher_test_new(const struct bpf_patcher_test_size *size);
void bpf_patcher_test_free(struct bpf_verifier_env *env);

unsigned long bpf_patcher_test_sessions(void);
unsigned long bpf_patcher_test_seed(void);
long bpf_patcher_test_case(void);
void bpf_patcher_test_kill(bool pending);

#endif /* _BPF_PATCHER_TESTS_BENCH_H */
