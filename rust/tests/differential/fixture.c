// SPDX-License-Identifier: GPL-2.0
/*
 * Programs for the differential suite, as bpf(2) and the verifier make them, and
 * the suite's parameters.
 */
#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/filter.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "fixture.h"

static unsigned long test_sessions = 100000;
module_param(test_sessions, ulong, 0444);
MODULE_PARM_DESC(test_sessions, "KUnit: random sessions to compare with stock");

static unsigned long test_seed = 1;
module_param(test_seed, ulong, 0444);
MODULE_PARM_DESC(test_seed, "KUnit: seed of the random sessions");

static long test_case = -1;
module_param(test_case, long, 0444);
MODULE_PARM_DESC(test_case, "KUnit: number of the only random program to run");

unsigned long bpf_patcher_test_sessions(void)
{
	return test_sessions;
}

unsigned long bpf_patcher_test_seed(void)
{
	return test_seed;
}

long bpf_patcher_test_case(void)
{
	return test_case;
}

/* Let a fatal signal be pending for the task that runs the tests, or take it back. */
void bpf_patcher_test_kill(bool pending)
{
	spin_lock_irq(&current->sighand->siglock);
	if (pending) {
		sigaddset(&current->pending.signal, SIGKILL);
		set_tsk_thread_flag(current, TIF_SIGPENDING);
	} else {
		sigdelset(&current->pending.signal, SIGKILL);
		clear_tsk_thread_flag(current, TIF_SIGPENDING);
	}
	spin_unlock_irq(&current->sighand->siglock);
}

static int add_insn_array(struct bpf_verifier_env *env, u32 len)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_INSN_ARRAY,
		.key_size = sizeof(u32),
		.value_size = sizeof(struct bpf_insn_array_value),
		.max_entries = len,
	};
	struct bpf_map *map = insn_array_map_ops.map_alloc(&attr);

	if (IS_ERR(map))
		return PTR_ERR(map);
	map->ops = &insn_array_map_ops;
	env->insn_array_maps[env->insn_array_map_cnt++] = map;
	return 0;
}

/*
 * An environment with a program of @size's numbers, all of it zero but for
 * orig_idx. Insn arrays have a value each for @size->array_values. Returns NULL
 * if there is no memory.
 */
struct bpf_verifier_env *bpf_patcher_test_new(const struct bpf_patcher_test_size *size)
{
	struct bpf_verifier_env *env = kvzalloc(sizeof(*env), GFP_KERNEL);
	struct bpf_prog_aux *aux;
	u32 i;

	if (!env)
		return NULL;

	env->prog = bpf_prog_alloc(bpf_prog_size(size->insns), 0);
	if (!env->prog)
		goto err;
	env->prog->len = size->insns;
	strscpy(env->prog->aux->name, "kunit");

	env->insn_aux_data = __vmalloc(array_size(size->insns, sizeof(*env->insn_aux_data)),
				       GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!env->insn_aux_data)
		goto err;
	env->insn_aux_data_len = size->insns;
	for (i = 0; i < size->insns; i++)
		env->insn_aux_data[i].orig_idx = i;
	env->subprog_cnt = size->subprogs;

	aux = env->prog->aux;
	aux->nr_linfo = size->linfo;
	aux->func_info_cnt = size->func_info;
	aux->size_poke_tab = size->poke;
	if (size->linfo) {
		aux->linfo = kvcalloc(size->linfo, sizeof(*aux->linfo), GFP_KERNEL);
		if (!aux->linfo)
			goto err;
	}
	if (size->func_info) {
		aux->func_info = kvcalloc(size->func_info, sizeof(*aux->func_info), GFP_KERNEL);
		aux->func_info_aux = kcalloc(size->func_info, sizeof(*aux->func_info_aux),
					     GFP_KERNEL);
		if (!aux->func_info || !aux->func_info_aux)
			goto err;
	}
	if (size->poke) {
		aux->poke_tab = kcalloc(size->poke, sizeof(*aux->poke_tab), GFP_KERNEL);
		if (!aux->poke_tab)
			goto err;
	}
	for (i = 0; i < size->arrays; i++)
		if (add_insn_array(env, size->array_values))
			goto err;
	return env;
err:
	bpf_patcher_test_free(env);
	return NULL;
}

void bpf_patcher_test_free(struct bpf_verifier_env *env)
{
	u32 i;

	for (i = 0; i < env->insn_array_map_cnt; i++)
		env->insn_array_maps[i]->ops->map_free(env->insn_array_maps[i]);
	vfree(env->insn_aux_data);
	if (env->prog) {
		kvfree(env->prog->aux->linfo);
		kvfree(env->prog->aux->func_info);
		kfree(env->prog->aux->func_info_aux);
		/* with poke_tab */
		__bpf_prog_free(env->prog);
	}
	kvfree(env);
}
