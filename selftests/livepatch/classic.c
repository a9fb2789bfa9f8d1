// SPDX-License-Identifier: GPL-2.0
/*
 * Classic filters, which the verifier never sees and blinding rewrites all the same.
 *
 * classic until FILE SEED: random filters on a socket, until FILE exists. Each
 * gets packets, and has to accept as much of them as an interpreter says.
 * classic seccomp: the least time that a list of system calls takes to be
 * installed, as a container's filter is, and whether it does what it says.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_LEN 600
#define PACKET 64
#define PACKETS 8

static uint64_t state;

/* splitmix64 */
static uint32_t random_below(uint32_t limit)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (uint32_t)(z ^ z >> 31) % limit;
}

static uint32_t constant(void)
{
	return random_below(4) ? random_below(256) : random_below(UINT32_MAX);
}

static uint32_t load(const uint8_t *data, uint32_t at, int size)
{
	uint32_t value = 0;

	while (size--)
		value = value << 8 | data[at++];
	return value;
}

static uint32_t interpret(const struct sock_filter *pc, const uint8_t *data)
{
	uint32_t a = 0, x = 0, k;

	for (;; pc++) {
		k = BPF_CLASS(pc->code) != BPF_LD && BPF_SRC(pc->code) == BPF_X ? x : pc->k;
		switch (BPF_CLASS(pc->code)) {
		case BPF_LD:
			if (BPF_MODE(pc->code) == BPF_ABS)
				a = load(data, pc->k, BPF_SIZE(pc->code) == BPF_W ? 4 :
					 BPF_SIZE(pc->code) == BPF_H ? 2 : 1);
			else
				a = pc->k;
			break;
		case BPF_MISC:
			if (BPF_MISCOP(pc->code) == BPF_TAX)
				x = a;
			else
				a = x;
			break;
		case BPF_ALU:
			switch (BPF_OP(pc->code)) {
			case BPF_ADD: a += k; break;
			case BPF_SUB: a -= k; break;
			case BPF_MUL: a *= k; break;
			case BPF_AND: a &= k; break;
			case BPF_OR: a |= k; break;
			case BPF_XOR: a ^= k; break;
			}
			break;
		case BPF_JMP:
			switch (BPF_OP(pc->code)) {
			case BPF_JA: pc += pc->k; break;
			case BPF_JEQ: pc += a == k ? pc->jt : pc->jf; break;
			case BPF_JGT: pc += a > k ? pc->jt : pc->jf; break;
			case BPF_JGE: pc += a >= k ? pc->jt : pc->jf; break;
			case BPF_JSET: pc += a & k ? pc->jt : pc->jf; break;
			}
			break;
		case BPF_RET:
			return BPF_RVAL(pc->code) == BPF_A ? a : pc->k;
		}
	}
}

static int generate(struct sock_filter *filter)
{
	static const uint16_t alu[] = { BPF_ADD, BPF_SUB, BPF_MUL, BPF_AND, BPF_OR, BPF_XOR };
	static const uint16_t jumps[] = { BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET };
	static const uint16_t sizes[] = { BPF_W, BPF_H, BPF_B };
	int len = 2 + random_below(MAX_LEN - 2), i, left;

	for (i = 0; i < len - 1; i++) {
		left = len - 2 - i;
		if (left > 255)
			left = 255;
		switch (random_below(7)) {
		case 0:
		case 1:
			filter[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_ABS | sizes[random_below(3)],
								 random_below(PACKET - 3));
			break;
		case 2:
			filter[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, constant());
			break;
		case 3:
			filter[i] = (struct sock_filter)BPF_STMT(BPF_MISC | (random_below(2) ? BPF_TAX : BPF_TXA), 0);
			break;
		case 4:
			filter[i] = (struct sock_filter)BPF_JUMP(BPF_JMP | jumps[random_below(4)] |
								 (random_below(2) ? BPF_K : BPF_X), constant(),
								 random_below(left + 1), random_below(left + 1));
			break;
		default:
			filter[i] = (struct sock_filter)BPF_STMT(BPF_ALU | alu[random_below(6)] |
								 (random_below(4) ? BPF_K : BPF_X), constant());
		}
	}
	filter[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
	return len;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void test_filter(int *pair, unsigned long number)
{
	struct sock_filter filter[MAX_LEN];
	struct sock_fprog program = { .len = generate(filter), .filter = filter };
	uint8_t packet[PACKET], got[PACKET];
	uint32_t expected;
	ssize_t size;
	int i, at;

	if (setsockopt(pair[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
		fail("SO_ATTACH_FILTER");
	for (i = 0; i < PACKETS; i++) {
		for (at = 0; at < PACKET; at++)
			packet[at] = random_below(256);
		expected = interpret(filter, packet);
		if (expected > PACKET)
			expected = PACKET;
		if (send(pair[0], packet, PACKET, 0) != PACKET)
			fail("send");
		size = recv(pair[1], got, PACKET, MSG_DONTWAIT);
		if (size < 0 && errno != EAGAIN)
			fail("recv");
		if (size < 0)
			size = 0;
		if (size != expected || memcmp(packet, got, size)) {
			printf("filter %lu: %zd bytes, and not %u\n", number, size, expected);
			exit(1);
		}
	}
}

static int until(const char *file, uint64_t seed)
{
	unsigned long number;
	int pair[2];

	state = seed;
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
		fail("socketpair");
	for (number = 0; access(file, F_OK); number++)
		test_filter(pair, number);
	printf("%lu filters, %lu packets\n", number, number * PACKETS);
	return 0;
}

/* As libseccomp writes a list: 350 calls are allowed, of 30 more an argument decides, the rest is an error. */
static int seccomp_filter(struct sock_filter *filter)
{
	struct sock_filter *pc = filter;
	uint32_t call;

#define ADD(...) (*pc++ = (struct sock_filter)__VA_ARGS__)
	ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
	ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
	ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
	for (call = 0; call < 350; call++) {
		if (call == SYS_getppid)
			continue;
		ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
		ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	}
	for (; call < 380; call++) {
		ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 6));
		ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]) + 4));
		ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3));
		ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])));
		ADD(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x7e020000 + call, 1, 0));
		ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
		ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
	}
	ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
	return pc - filter;
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static int seccomp(void)
{
	struct sock_filter filter[2000];
	struct sock_fprog program = { .len = seccomp_filter(filter), .filter = filter };
	uint64_t took, least = UINT64_MAX;
	int i, pipes[2], status;

	if (pipe(pipes))
		fail("pipe");
	/* What a filter is worth ends with its process. */
	for (i = 0; i < 5; i++) {
		if (!fork()) {
			took = now();
			if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
			    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
				fail("seccomp");
			took = now() - took;
			errno = 0;
			if (getpid() <= 0 || syscall(SYS_getppid) != -1 || errno != EPERM)
				_exit(1);
			_exit(write(pipes[1], &took, sizeof(took)) != sizeof(took));
		}
		if (wait(&status) < 0 || status) {
			printf("the filter does not do what it says\n");
			return 1;
		}
		if (read(pipes[0], &took, sizeof(took)) != sizeof(took))
			fail("read");
		if (took < least)
			least = took;
	}
	printf("@json {\"seccomp\":{\"insns\":%d,\"ns\":%llu}}\n", program.len, (unsigned long long)least);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "until"))
		return until(argv[2], strtoull(argv[3], NULL, 0));
	if (argc == 2 && !strcmp(argv[1], "seccomp"))
		return seccomp();
	fprintf(stderr, "usage: classic until FILE SEED | classic seccomp\n");
	return 2;
}
