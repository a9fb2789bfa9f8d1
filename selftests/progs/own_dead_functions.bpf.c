// SPDX-License-Identifier: GPL-2.0
/*
 * Code that constants in a read-only map make dead: the compiler keeps it,
 * the verifier finds out and removes it, with whole functions and their line
 * and func info.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 never;

static __noinline __u32 dead_first(struct __sk_buff *skb)
{
	return skb->ifindex * 3 + skb->mark;
}

static __noinline __u32 live(struct __sk_buff *skb)
{
	__u32 sum = skb->ifindex;

	if (never)
		sum += dead_first(skb) * skb->hash;
	sum ^= skb->ingress_ifindex;
	return sum;
}

static __noinline __u32 dead_twice(struct __sk_buff *skb)
{
	return dead_first(skb) + skb->priority;
}

static __noinline __u32 live_too(struct __sk_buff *skb)
{
	return skb->protocol + live(skb);
}

static __noinline __u32 dead_last(struct __sk_buff *skb)
{
	return dead_twice(skb) ^ skb->vlan_tci;
}

/* Dead at the start, in the middle, and at the end. */
SEC("tc")
int dead_everywhere(struct __sk_buff *skb)
{
	__u32 sum;

	if (never)
		return dead_first(skb);
	sum = live(skb);
	if (never == 1)
		sum += dead_twice(skb);
	sum += live_too(skb) + skb->ifindex;
	if (never == 2)
		return dead_last(skb);
	return sum & 1;
}

/* The last function of the program goes. */
SEC("tc")
int dead_end(struct __sk_buff *skb)
{
	__u32 sum = skb->ifindex;

	if (never)
		sum = dead_last(skb);
	return sum & 1;
}

char _license[] SEC("license") = "GPL";
