// SPDX-License-Identifier: GPL-2.0
/*
 * Accesses to several kinds of context, compiled for the instruction set with
 * sign-extending loads, signed division and long jumps.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Writes to the packet through pointers: a prologue makes it writable. */
SEC("tc")
int packet_write(struct __sk_buff *skb)
{
	void *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = (void *)(long)skb->data;
	struct iphdr *ip = (void *)(eth + 1);
	int divisor = (int)skb->mark, sum = 0;

	if ((void *)(ip + 1) > end)
		return 0;
	if (eth->h_proto != bpf_htons(ETH_P_IP))
		return 0;
	sum = (int)skb->hash / divisor + (int)skb->priority % (int)skb->len;
	ip->ttl--;
	skb->cb[2] = sum;
	skb->tc_index = ip->tos;
	return sum & 1;
}

SEC("cgroup/connect6")
int connect(struct bpf_sock_addr *ctx)
{
	__u32 port = ctx->user_port;

	if (ctx->user_ip6[3] == bpf_htonl(1) && ctx->type == 1) {
		ctx->user_ip6[0] = ctx->user_ip6[2];
		ctx->user_port = port + 1;
	}
	if (*(volatile __u8 *)&ctx->user_ip6[1] == 7)
		return 0;
	return 1;
}

SEC("sockops")
int tcp_events(struct bpf_sock_ops *ops)
{
	__u32 cwnd = ops->snd_cwnd + ops->srtt_us;

	switch (ops->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		ops->reply = ops->local_port;
		break;
	case BPF_SOCK_OPS_RTT_CB:
		ops->sk_txhash = cwnd ^ ops->remote_ip4;
		ops->reply = ops->remote_ip6[1] ^ bpf_ntohl(ops->remote_port);
		break;
	default:
		ops->reply = ops->bytes_acked / (ops->mss_cache + 1);
	}
	return 1;
}

SEC("xdp")
int receive(struct xdp_md *xdp)
{
	return xdp->ingress_ifindex % (xdp->rx_queue_index + 2) ? XDP_PASS : XDP_DROP;
}

/* Compiles to a jump too long for 16 bits. */
SEC("socket")
int long_jump(struct __sk_buff *skb)
{
	__u32 sum = 0;

	asm volatile goto("if %[len] > 100 goto +1; gotol %l[far]"
			  :
			  : [len] "r"(skb->len)
			  :
			  : far);
	sum = skb->ifindex + skb->ingress_ifindex;
	sum += *(volatile __u8 *)((void *)skb + offsetof(struct __sk_buff, mark) + 1);
far:
	return sum + skb->protocol;
}

char _license[] SEC("license") = "GPL";
