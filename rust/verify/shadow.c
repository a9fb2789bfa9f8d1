// SPDX-License-Identifier: GPL-2.0
/*
 * Copies of programs for mode "verify": on them, the edits of a session are
 * done once more by the functions that do them in a kernel without a patcher.
 */
#include <linux/bpf.h>
#include <linux/bpf_patcher.h>
#include <linux/bpf_verifier.h>
#include <linux/filter.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "../shims.h"
#include "shadow.h"

/* bpf_prog_realloc() may free what this returns, so it allocates alike. */
static struct bpf_prog *copy_prog(const struct bpf_prog *prog)
{
	struct bpf_prog *copy;

	copy = __vmalloc(prog->pages * PAGE_SIZE, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (copy) {
		memcpy(copy, prog, bpf_prog_size(prog->len));
		copy->stats = NULL;
		copy->active = NULL;
		copy->aux = NULL;
	}
	return copy;
}

static void free_prog_aux(struct bpf_prog_aux *aux)
{
	kvfree(aux->linfo);
	kvfree(aux->func_info);
	kvfree(aux->func_info_aux);
	kfree(aux->poke_tab);
	kfree(aux);
}

/* Copy an array, if there is one, so that kvfree() and kfree() free it. */
static int copy_array(void *copy, const void *array, size_t n, size_t size)
{
	void **p = copy;

	*p = NULL;
	if (!array || !n)
		return 0;
	*p = kvmalloc_array(n, size, GFP_KERNEL_ACCOUNT);
	if (!*p)
		return -ENOMEM;
	memcpy(*p, array, n * size);
	return 0;
}

/* Whatever the copy does not have of its own, nothing that is called on it touches. */
static struct bpf_prog_aux *copy_prog_aux(const struct bpf_prog_aux *aux)
{
	struct bpf_prog_aux *copy = kmemdup(aux, sizeof(*aux), GFP_KERNEL_ACCOUNT);
	int err;

	if (!copy)
		return NULL;

	copy->poke_tab = NULL;
	/* The device was told of what is removed. */
	copy->offload_requested = false;
	err = copy_array(&copy->linfo, aux->linfo, aux->nr_linfo, sizeof(*aux->linfo));
	err = copy_array(&copy->func_info, aux->func_info, aux->func_info_cnt,
			 sizeof(*aux->func_info)) ?: err;
	err = copy_array(&copy->func_info_aux, aux->func_info_aux, aux->func_info_cnt,
			 sizeof(*aux->func_info_aux)) ?: err;
	if (aux->size_poke_tab) {
		copy->poke_tab = kmemdup_array(aux->poke_tab, aux->size_poke_tab,
					       sizeof(*aux->poke_tab), GFP_KERNEL_ACCOUNT);
		if (!copy->poke_tab)
			err = -ENOMEM;
	}
	if (err) {
		free_prog_aux(copy);
		return NULL;
	}
	return copy;
}

/* State of insns. vrealloc() will get it. Jump tables stay those of @env. */
static struct bpf_insn_aux_data *copy_insn_aux(const struct bpf_verifier_env *env, u32 len)
{
	struct bpf_insn_aux_data *copy;
	size_t size = array_size(len, sizeof(*copy));

	copy = __vmalloc(size, GFP_KERNEL_ACCOUNT);
	if (copy)
		memcpy(copy, env->insn_aux_data, size);
	return copy;
}

/*
 * Copy @prog and what @env, which may be NULL, knows of it. The copy has the
 * same insn arrays. Its log has no buffer, but counts what would be in it.
 * Returns NULL if there is no memory.
 */
struct bpf_verifier_env *bpf_patcher_shadow_create(struct bpf_prog *prog,
						   struct bpf_verifier_env *env)
{
	struct bpf_verifier_env *shadow = kvzalloc(sizeof(*shadow), GFP_KERNEL_ACCOUNT);

	if (!shadow)
		return NULL;

	shadow->prog = copy_prog(prog);
	if (!shadow->prog)
		goto err;
	shadow->prog->aux = copy_prog_aux(prog->aux);
	if (!shadow->prog->aux)
		goto err;
	shadow->prog->aux->prog = shadow->prog;

	if (env) {
		shadow->log.level = BPF_LOG_LEVEL1;
		shadow->insn_aux_data = copy_insn_aux(env, prog->len);
		if (!shadow->insn_aux_data)
			goto err;
		shadow->insn_aux_data_len = prog->len;
		memcpy(shadow->subprog_info, env->subprog_info, sizeof(env->subprog_info));
		shadow->subprog_cnt = env->subprog_cnt;
		shadow->hidden_subprog_cnt = env->hidden_subprog_cnt;
		shadow->insn_array_map_cnt = env->insn_array_map_cnt;
		memcpy(shadow->insn_array_maps, env->insn_array_maps,
		       sizeof(env->insn_array_maps));
	}
	return shadow;
err:
	bpf_patcher_shadow_free(shadow);
	return NULL;
}

/*
 * Give @prog and @env what @shadow has; @shadow is only to be freed then.
 * Returns the program, which may have moved, or NULL if there is no memory.
 */
struct bpf_prog *bpf_patcher_shadow_install(struct bpf_verifier_env *shadow,
					    struct bpf_prog *prog,
					    struct bpf_verifier_env *env)
{
	struct bpf_prog_aux *from = shadow->prog->aux, *to;

	prog = bpf_patcher_prog_realloc(prog, shadow->prog->len);
	if (!prog)
		return NULL;
	prog->len = shadow->prog->len;
	memcpy(prog->insnsi, shadow->prog->insnsi, bpf_prog_insn_size(prog));

	to = prog->aux;
	to->nr_linfo = from->nr_linfo;
	if (to->linfo)
		memcpy(to->linfo, from->linfo, from->nr_linfo * sizeof(*to->linfo));
	if (!env)
		return prog;

	to->func_info_cnt = from->func_info_cnt;
	if (to->func_info)
		memcpy(to->func_info, from->func_info,
		       from->func_info_cnt * sizeof(*to->func_info));
	if (to->func_info_aux)
		memcpy(to->func_info_aux, from->func_info_aux,
		       from->func_info_cnt * sizeof(*to->func_info_aux));
	if (to->poke_tab)
		memcpy(to->poke_tab, from->poke_tab,
		       from->size_poke_tab * sizeof(*to->poke_tab));

	env->prog = prog;
	env->subprog_cnt = shadow->subprog_cnt;
	memcpy(env->subprog_info, shadow->subprog_info, sizeof(env->subprog_info));
	swap(env->insn_aux_data, shadow->insn_aux_data);
	env->insn_aux_data_len = shadow->insn_aux_data_len;
	return prog;
}

void bpf_patcher_shadow_free(struct bpf_verifier_env *shadow)
{
	vfree(shadow->insn_aux_data);
	if (shadow->prog) {
		if (shadow->prog->aux)
			free_prog_aux(shadow->prog->aux);
		vfree(shadow->prog);
	}
	kvfree(shadow);
}
