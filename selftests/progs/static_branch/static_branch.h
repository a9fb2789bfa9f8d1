/* SPDX-License-Identifier: GPL-2.0 */
#ifndef STATIC_BRANCH_H
#define STATIC_BRANCH_H

/*
 * Static branches in C. In
 *
 *	if (static_branch_unlikely(trace))
 *		report(ctx);
 *
 * the condition is true while the set `trace` is on; it is off when the program is loaded. The compiler
 * puts report() out of line, and one insn in its place, which is a nop while the set is off. With
 * static_branch_likely() the code stays where it is, and the insn jumps over it while the set is off. Both
 * can be in one set, as often as one likes, also where the compiler copies them.
 *
 * The addresses of a set's insns are in the section .static_branch.NAME. Who loads the program makes an
 * insn array of it.
 *
 * The insn has an offset of 32 bits, so that it reaches everything in a program. It is written as data,
 * since no assembler has a name for it yet.
 */

/* dst_reg and src_reg: bits of `enum bpf_static_branch_flags` in the latter. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define STATIC_BRANCH_JA "0x10"
#define STATIC_BRANCH_NOP "0x30"
#else
#define STATIC_BRANCH_JA "0x01"
#define STATIC_BRANCH_NOP "0x03"
#endif

/* clang-format off */
#define STATIC_BRANCH(name, regs, label)					\
	asm goto("1:\n\t"							\
		 ".byte 0x06, " regs ", 0, 0\n\t"				\
		 ".long (%l[" #label "] - 1b - 8) / 8\n\t"			\
		 ".pushsection .static_branch." #name ", \"a\", @progbits\n\t"	\
		 ".8byte 1b\n\t"						\
		 ".popsection"							\
		 : : : : label)

#define static_branch_unlikely(name) ({						\
	__label__ jump, end;							\
	_Bool is_on = 0;							\
	STATIC_BRANCH(name, STATIC_BRANCH_NOP, jump);				\
	goto end;								\
jump:										\
	is_on = 1;								\
end:										\
	is_on;									\
})

#define static_branch_likely(name) ({						\
	__label__ jump, end;							\
	_Bool is_on = 1;							\
	STATIC_BRANCH(name, STATIC_BRANCH_JA, jump);				\
	goto end;								\
jump:										\
	is_on = 0;								\
end:										\
	is_on;									\
})
/* clang-format on */

#endif
