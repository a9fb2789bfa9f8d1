// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of bpf_loop() with a callback known at load time become loops that
 * call the callback directly: one pass rewrites them, and moves what follows.
 * Without a JIT the kernel refuses callbacks, after having rewritten the calls.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct sum {
	__u64 all;
	__u32 ifindex;
};

static long add(__u32 i, void *arg)
{
	struct sum *sum = arg;

	sum->all += i ^ sum->ifindex;
	return sum->all > 1000;
}

static long mix(__u32 i, void *arg)
{
	struct sum *sum = arg;

	sum->all = sum->all * 31 + i;
	return 0;
}

static __noinline __u64 inner(__u32 times)
{
	struct sum sum = { .ifindex = times };

	bpf_loop(times & 0xf, mix, &sum, 0);
	return sum.all;
}

SEC("tc")
int loops(struct __sk_buff *skb)
{
	struct sum sum = { .ifindex = skb->ifindex };

	bpf_loop(8, add, &sum, 0);
	sum.ifindex ^= skb->ingress_ifindex;
	bpf_loop(skb->len & 0xff, mix, &sum, 0);
	bpf_loop(4, add, &sum, 0);
	return (sum.all + inner(skb->mark)) & 1;
}

SEC("tc")
int last_is_loop(struct __sk_buff *skb)
{
	struct sum sum = { .ifindex = skb->ifindex };

	return bpf_loop(skb->priority & 3, add, &sum, 0);
}

char _license[] SEC("license") = "GPL";
