// SPDX-License-Identifier: GPL-2.0
/*
 * An init for arm64: runs the series' selftest of static branches, then what is arm64's own. With the
 * argument "cost" it measures instead, which makes sense on a machine that counts instructions. Ends with
 * a line "@exit STATUS", and powers off.
 */
#include "harness.h"
#include "cap_helpers.c"
#include "prog_tests/bpf_static_branch.c"

#define A64_NOP		0xd503201f
#define A64_B(WORDS)	(0x14000000 | ((WORDS) & 0x3ffffff))

/* The word of the image at each branch is a nop or a b to its target, as it should be. */
static void check_image(void)
{
	const struct bpf_insn insns[] = {
		BPF_MOV64_IMM(BPF_REG_0, 0),
		NOP_OR_GOTO(1),
		OR(1),
		GOTO_OR_NOP(2),
		OR(2),
		OR(4),
		NOP_OR_GOTOL(0),
		GOTOL_OR_NOP(0),
		BPF_JMP_A(2),
		OR(8),
		BPF_EXIT_INSN(),
		NOP_OR_GOTOL(-3),
		BPF_EXIT_INSN(),
	};
	static const struct {
		__u32 insn;
		bool is_nop;
		int words;	/* to the target; each insn between is one */
	} branches[] = { { 1, true, 2 }, { 3, false, 3 }, { 6, true, 1 }, { 7, false, 1 },
			 { 11, true, -2 } };
	static __u32 image[256];
	struct bpf_insn_array_value val;
	__u32 listed[ARRAY_SIZE(branches)], i, word;
	int map_fd, prog_fd, on;

	for (i = 0; i < ARRAY_SIZE(branches); i++)
		listed[i] = branches[i].insn;
	map_fd = make_set((struct listed){ listed, ARRAY_SIZE(listed) });
	prog_fd = load(BPF_PROG_TYPE_XDP, insns, ARRAY_SIZE(insns), &map_fd, 1);
	if (!ASSERT_GE(prog_fd, 0, "prog_load"))
		goto out;
	for (on = 0; on <= 1; on++) {
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);

		info.jited_prog_insns = ptr_to_u64(image);
		info.jited_prog_len = sizeof(image);
		if (!ASSERT_OK(switch_branches(map_fd, on), "switch") ||
		    !ASSERT_OK(bpf_prog_get_info_by_fd(prog_fd, &info, &len), "info"))
			break;
		for (i = 0; i < ARRAY_SIZE(branches); i++) {
			if (!ASSERT_OK(bpf_map_lookup_elem(map_fd, &i, &val), "map_lookup") ||
			    !ASSERT_LT(val.jitted_off, info.jited_prog_len, "jitted_off"))
				break;
			word = image[val.jitted_off / 4];
			printf("  insn %2u, %s: %08x\n", branches[i].insn, on ? "on " : "off", word);
			ASSERT_EQ(word, branches[i].is_nop == on ? A64_B(branches[i].words) : A64_NOP,
				  "word");
		}
	}
	close(prog_fd);
out:
	close(map_fd);
}

/* One CPU switches, the other one runs the program. */
struct runner {
	pthread_t thread;
	int prog_fd;
	/* Twice the number of the switch, and one while it is in progress. */
	unsigned int state;
	bool stop;
	unsigned int runs, during, wrong;
};

static __u32 value_of(unsigned int switches)
{
	return switches & 1 ? 10 : 5;
}

static void *run_often(void *arg)
{
	struct runner *runner = arg;
	unsigned int before, after;
	__u32 value;

	while (!__atomic_load_n(&runner->stop, __ATOMIC_SEQ_CST)) {
		before = __atomic_load_n(&runner->state, __ATOMIC_SEQ_CST);
		value = run(runner->prog_fd);
		after = __atomic_load_n(&runner->state, __ATOMIC_SEQ_CST);
		runner->runs++;
		if (before == after && !(before & 1)) {
			runner->wrong += value != value_of(before / 2);
			continue;
		}
		runner->during++;
		/* Each branch decides about a bit of its own. */
		runner->wrong += value & ~15;
	}
	return NULL;
}

/*
 * Leaves out each of the switches that @left_out divides, if it is not 0. Says how many runs returned what
 * they must not.
 */
static unsigned int switch_while_running(unsigned int switches, unsigned int left_out)
{
	struct runner runner = {};
	unsigned int i, wrong = 0;
	int map_fd;

	map_fd = make_set(LISTED(1, 3, 5, 7));
	runner.prog_fd = load(BPF_PROG_TYPE_XDP, simple, ARRAY_SIZE(simple), &map_fd, 1);
	if (!ASSERT_GE(runner.prog_fd, 0, "prog_load") ||
	    !ASSERT_OK(pthread_create(&runner.thread, NULL, run_often, &runner), "pthread_create"))
		goto out;
	for (i = 1; i <= switches; i++) {
		__atomic_add_fetch(&runner.state, 1, __ATOMIC_SEQ_CST);
		if (!left_out || i % left_out)
			ASSERT_OK(switch_branches(map_fd, i & 1), "switch");
		__atomic_add_fetch(&runner.state, 1, __ATOMIC_SEQ_CST);
		wrong += run(runner.prog_fd) != value_of(i);
		/* The runner has to get something done between two switches, too. */
		if (i % 4 == 0)
			usleep(100);
	}
	__atomic_store_n(&runner.stop, true, __ATOMIC_SEQ_CST);
	pthread_join(runner.thread, NULL);
	printf("  %u switches, %u left out; %u runs on another CPU, %u of them during a switch; wrong: %u and %u\n",
	       switches, left_out ? switches / left_out : 0, runner.runs, runner.during, wrong, runner.wrong);
	wrong += runner.wrong;
	close(runner.prog_fd);
out:
	close(map_fd);
	return wrong;
}

#define POINTS 64

/* What one run takes, in ns. On a machine that counts, an instruction is one. */
static __u32 duration(int prog_fd, __u32 expected)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	char packet[64] = {};

	opts.data_in = packet;
	opts.data_size_in = sizeof(packet);
	opts.repeat = 10000;
	ASSERT_OK(bpf_prog_test_run_opts(prog_fd, &opts), "test_run");
	ASSERT_EQ(opts.retval, expected, "retval");
	return opts.duration;
}

static void print_cost(const char *state, __u32 took, __u32 nothing)
{
	__u32 tenths = ((took - nothing) * 10 + POINTS / 2) / POINTS;

	printf("  %s: %u.%u instructions a branch (%u, %u without branches)\n", state, tenths / 10,
	       tenths % 10, took, nothing);
}

/* What a static branch costs that is off, and what one that is on, with an addition and the way back. */
static void check_cost(void)
{
	static const struct bpf_insn no_branch[] = { BPF_MOV64_IMM(BPF_REG_0, 0), BPF_EXIT_INSN() };
	struct bpf_insn insns[3 * POINTS + 2];
	__u32 listed[POINTS], i, cnt = 0, nothing, off;
	int map_fd, prog_fd;

	insns[cnt++] = BPF_MOV64_IMM(BPF_REG_0, 0);
	for (i = 0; i < POINTS; i++) {
		listed[i] = cnt;
		insns[cnt] = NOP_OR_GOTO(POINTS + 2 * i + 1 - cnt);
		cnt++;
	}
	insns[cnt++] = BPF_EXIT_INSN();
	for (i = 0; i < POINTS; i++) {
		insns[cnt++] = BPF_ALU64_IMM(BPF_ADD, BPF_REG_0, 1);
		insns[cnt] = BPF_JMP_A(i + 1 - cnt);
		cnt++;
	}
	prog_fd = load(BPF_PROG_TYPE_XDP, no_branch, ARRAY_SIZE(no_branch), NULL, 0);
	nothing = duration(prog_fd, 0);
	close(prog_fd);

	map_fd = make_set((struct listed){ listed, POINTS });
	prog_fd = load(BPF_PROG_TYPE_XDP, insns, cnt, &map_fd, 1);
	if (!ASSERT_GE(prog_fd, 0, "prog_load"))
		goto out;
	off = duration(prog_fd, 0);
	print_cost("off", off, nothing);
	ASSERT_LT(off, nothing + POINTS + POINTS / 10, "one instruction");
	ASSERT_OK(switch_branches(map_fd, true), "switch on");
	print_cost("on", duration(prog_fd, POINTS), nothing);
	ASSERT_OK(switch_branches(map_fd, false), "switch off");
	print_cost("off again", duration(prog_fd, 0), nothing);
	close(prog_fd);
out:
	close(map_fd);
}

int main(int argc, char **argv)
{
	mkdir("/proc", 0755);
	if (mount("proc", "/proc", "proc", 0, NULL))
		printf("there is no /proc: %d\n", errno);
	if (argc > 1 && !strcmp(argv[1], "cost")) {
		test__start_subtest("arm64-cost");
		check_cost();
	} else {
		serial_test_bpf_static_branch();
		test__start_subtest("arm64-image");
		check_image();
		test__start_subtest("arm64-concurrent");
		ASSERT_EQ(switch_while_running(5000, 0), 0, "wrong results");
		test__start_subtest("arm64-left-out");
		ASSERT_GT(switch_while_running(2000, 100), 0, "switches left out are noticed");
	}
	end_subtest();
	printf("%d passed, %d failed, %d skipped\n@exit %d\n", passed, failed, skipped, failed ? 1 : 0);
	reboot(LINUX_REBOOT_CMD_POWER_OFF);
	return 1;
}
