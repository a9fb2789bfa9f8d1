// SPDX-License-Identifier: GPL-2.0
/*
 * Calls the entry points from C, through the registered operations as the
 * verifier does, and against their rules: an errno each, and nothing else.
 *
 * In mode verify what is accepted is compared with stock. A difference is a
 * warning if bpf_patcher.verify_warn is set, which is to bring the kernel down.
 */
#include <kunit/test.h>
#include <linux/bpf.h>
#include <linux/bpf_patcher.h>
#include <linux/bpf_verifier.h>
#include <linux/err.h>
#include <linux/filter.h>
#include <linux/limits.h>

#include "../params.h"
#include "differential/fixture.h"

#define LEN 6
/* A program that is longer. */
#define LONG 100
/* Most insns of a patch here. */
#define PATCH 4

static const u32 edges[] = {
	0, 1, LEN - 1, LEN, LEN + 1, U16_MAX, S32_MAX, S32_MAX + 1U, U32_MAX - LEN, U32_MAX
};

static const struct bpf_insn program[LEN] = {
	BPF_MOV64_IMM(BPF_REG_0, 0),
	BPF_JMP_IMM(BPF_JEQ, BPF_REG_1, 1, 2),
	BPF_MOV64_IMM(BPF_REG_0, 2),
	BPF_MOV64_IMM(BPF_REG_0, 3),
	BPF_JMP_A(-4),
	BPF_EXIT_INSN(),
};

/* Of the patches: no insn of the program. */
#define ADDED BPF_MOV64_IMM(BPF_REG_0, 10)

static const struct bpf_insn patch[PATCH] = { ADDED, ADDED, ADDED, ADDED };

struct caller {
	struct bpf_verifier_env *env;
	struct bpf_rewrite rw;
};

/* Begin a session on a new program of @len insns, in the test's mode. */
static struct bpf_rewrite *begin_on(struct kunit *test, const struct bpf_insn *insns, u32 len)
{
	const struct bpf_patcher_test_size size = { .insns = len, .subprogs = 1 };
	struct caller *caller = test->priv;
	struct bpf_rewrite *rw = &caller->rw;

	caller->env = bpf_patcher_test_new(&size);
	KUNIT_ASSERT_NOT_NULL(test, caller->env);
	memcpy(caller->env->prog->insnsi, insns, len * sizeof(*insns));
	caller->env->subprog_info[1].start = len;

	bpf_rewrite_begin(rw, caller->env->prog, caller->env, BPF_PATCHER_PASS_CTX);
	if (bpf_patcher_mode() == BPF_PATCHER_STOCK)
		kunit_skip(test, "mode stock");
	KUNIT_ASSERT_TRUE(test, bpf_rewrite_records(rw));
	KUNIT_ASSERT_FALSE(test, IS_ERR(rw->patcher));
	return rw;
}

static struct bpf_rewrite *begin(struct kunit *test)
{
	return begin_on(test, program, LEN);
}

/* Apply the edits, which is to give the program of @len insns. */
static void linearize(struct kunit *test, u32 len)
{
	struct caller *caller = test->priv;
	struct bpf_prog *prog = caller->rw.ops->linearize(caller->rw.patcher);

	KUNIT_ASSERT_FALSE(test, IS_ERR(prog));
	caller->env->prog = prog;
	KUNIT_EXPECT_EQ(test, prog->len, len);
}

static void end(struct kunit *test)
{
	struct caller *caller = test->priv;

	bpf_rewrite_end(&caller->rw);
	if (caller->env)
		bpf_patcher_test_free(caller->env);
	caller->env = NULL;
}

static void expect_program(struct kunit *test, const struct bpf_insn *insns, size_t size)
{
	struct caller *caller = test->priv;

	KUNIT_EXPECT_EQ(test, caller->env->prog->len, size / sizeof(*insns));
	KUNIT_EXPECT_MEMEQ(test, caller->env->prog->insnsi, insns, size);
}

static int replace(struct bpf_rewrite *rw, u32 idx, u32 cnt)
{
	return rw->ops->record(rw->patcher, BPF_EDIT_REPLACE, idx, patch, cnt);
}

static int prepend(struct bpf_rewrite *rw, u32 idx, u32 cnt)
{
	return rw->ops->record(rw->patcher, BPF_EDIT_PREPEND, idx, patch, cnt);
}

static int prepend_skipped(struct bpf_rewrite *rw, u32 idx, u32 cnt)
{
	return rw->ops->record(rw->patcher, BPF_EDIT_PREPEND_SKIPPED, idx, patch, cnt);
}

static int remove(struct bpf_rewrite *rw, u32 idx, u32 cnt)
{
	return rw->ops->record(rw->patcher, BPF_EDIT_REMOVE, idx, NULL, cnt);
}

static void callers_edges(struct kunit *test)
{
	u32 i, j, idx, cnt, left;
	bool within;
	int err;

	for (i = 0; i < ARRAY_SIZE(edges); i++) {
		for (j = 0; j < ARRAY_SIZE(edges); j++) {
			struct bpf_rewrite *rw = begin(test);

			idx = edges[i];
			cnt = edges[j];
			within = cnt && (u64)idx + cnt <= LEN;
			left = within ? LEN - cnt : LEN;
			err = remove(rw, idx, cnt);
			KUNIT_EXPECT_EQ(test, err, within ? 0 : -EINVAL);
			linearize(test, left);
			end(test);

			/* An index that is wrong is refused before the patch is read. */
			if (idx < LEN && cnt > PATCH)
				continue;
			rw = begin(test);
			within = idx < LEN && cnt;
			err = prepend(rw, idx, cnt);
			KUNIT_EXPECT_EQ(test, err, within ? 0 : -EINVAL);
			err = replace(rw, idx, cnt);
			KUNIT_EXPECT_EQ(test, err, within ? 0 : -EINVAL);
			linearize(test, within ? LEN + 2 * cnt - 1 : LEN);
			end(test);
		}
	}
}

static void callers_edits(struct kunit *test)
{
	u32 i, edit;
	int err;

	for (i = 0; i < 32; i++) {
		struct bpf_rewrite *rw = begin(test);

		edit = BIT(i);
		err = edit <= BPF_EDIT_REMOVE ? 0 : -EINVAL;
		KUNIT_EXPECT_EQ(test, rw->ops->record(rw->patcher, edit, 2, patch, 1), err);
		KUNIT_EXPECT_EQ(test, rw->ops->record(rw->patcher, ~edit, 3, patch, 1), -EINVAL);
		end(test);
	}
}

static void callers_order(struct kunit *test)
{
	static const struct bpf_insn expected[] = {
		BPF_MOV64_IMM(BPF_REG_0, 0), ADDED, ADDED, ADDED, ADDED, BPF_EXIT_INSN(),
	};
	struct bpf_rewrite *rw = begin(test);

	KUNIT_EXPECT_EQ(test, replace(rw, 1, 2), 0);
	/* Twice; what is replaced; what is in front; a removal where insns are added. */
	KUNIT_EXPECT_EQ(test, replace(rw, 1, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, prepend(rw, 1, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, remove(rw, 1, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, replace(rw, 0, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, remove(rw, 2, 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, prepend(rw, 4, 1), 0);
	/* What jumps skip, behind what they do not. */
	KUNIT_EXPECT_EQ(test, prepend_skipped(rw, 4, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, replace(rw, 4, 1), 0);
	linearize(test, LEN + 2);

	KUNIT_EXPECT_EQ(test, remove(rw, 3, 2), 0);
	/* What is removed; insns that are added where some are removed. */
	KUNIT_EXPECT_EQ(test, remove(rw, 4, 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, replace(rw, 3, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, replace(rw, 5, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, prepend(rw, 5, 1), -EINVAL);
	linearize(test, ARRAY_SIZE(expected));
	expect_program(test, expected, sizeof(expected));
	end(test);
}

static void callers_linearize_twice(struct kunit *test)
{
	static const struct bpf_insn expected[] = {
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_JMP_IMM(BPF_JEQ, BPF_REG_1, 1, 3),
		BPF_MOV64_IMM(BPF_REG_0, 2),
		ADDED,
		ADDED,
		BPF_JMP_A(-5),
	};
	struct bpf_rewrite *rw = begin(test);

	linearize(test, LEN);
	KUNIT_EXPECT_EQ(test, replace(rw, 3, 2), 0);
	linearize(test, LEN + 1);
	linearize(test, LEN + 1);
	/* The program is one insn longer by now. */
	KUNIT_EXPECT_EQ(test, remove(rw, LEN, 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, remove(rw, LEN, 1), 0);
	linearize(test, LEN);
	expect_program(test, expected, sizeof(expected));
	end(test);
}

static void callers_end_without_linearize(struct kunit *test)
{
	struct bpf_rewrite *rw = begin(test);

	KUNIT_EXPECT_EQ(test, prepend(rw, 0, PATCH), 0);
	KUNIT_EXPECT_EQ(test, replace(rw, 1, 1), 0);
	bpf_rewrite_end(rw);
	expect_program(test, program, sizeof(program));
	end(test);
}

static struct bpf_insn long_insn(u32 idx)
{
	switch (idx) {
	case 0:
		return BPF_JMP_IMM(BPF_JEQ, BPF_REG_1, 1, LONG - 2);
	case LONG - 1:
		return BPF_EXIT_INSN();
	default:
		return BPF_MOV64_IMM(BPF_REG_0, LONG + idx);
	}
}

static void callers_long(struct kunit *test)
{
	struct bpf_insn insns[LONG], expected[LONG];
	struct bpf_rewrite *rw;
	u32 i, len = 0;

	for (i = 0; i < LONG; i++) {
		insns[i] = long_insn(i);
		/* What comes of the edits below. */
		if (i == 1) {
			expected[len++] = ADDED;
			expected[len++] = ADDED;
		}
		if (i == 50) {
			expected[len++] = ADDED;
			expected[len++] = ADDED;
			expected[len++] = ADDED;
			continue;
		}
		if (i >= 60 && i < 70)
			continue;
		if (i == LONG - 1)
			expected[len++] = ADDED;
		expected[len++] = insns[i];
	}
	/* To what is in front of the last insn. */
	expected[0].off = len - 3;

	rw = begin_on(test, insns, LONG);
	KUNIT_EXPECT_EQ(test, prepend(rw, 1, 2), 0);
	KUNIT_EXPECT_EQ(test, replace(rw, 50, 3), 0);
	KUNIT_EXPECT_EQ(test, prepend(rw, LONG - 1, 1), 0);
	linearize(test, len + 10);
	/* Four insns are in front of it by now. */
	KUNIT_EXPECT_EQ(test, remove(rw, 60 + 4, 10), 0);
	linearize(test, len);
	expect_program(test, expected, len * sizeof(*expected));
	end(test);
}

static int callers_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct caller), GFP_KERNEL);
	return test->priv ? 0 : -ENOMEM;
}

static struct kunit_case callers_cases[] = {
	KUNIT_CASE(callers_edges),
	KUNIT_CASE(callers_edits),
	KUNIT_CASE(callers_order),
	KUNIT_CASE(callers_linearize_twice),
	KUNIT_CASE(callers_end_without_linearize),
	KUNIT_CASE(callers_long),
	{}
};

static struct kunit_suite callers_suite = {
	.name = "bpf_patcher_callers",
	.init = callers_init,
	/* what a test that was given up has left */
	.exit = end,
	.test_cases = callers_cases,
};
kunit_test_suite(callers_suite);
