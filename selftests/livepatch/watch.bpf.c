// SPDX-License-Identifier: GPL-2.0
/* A tracing program on a function that the livepatch replaces. */
#define SEC(name) __attribute__((section(name), used))

SEC("fentry/bpf_check")
int on_check(void *ctx)
{
	return 0;
}

SEC("license") char _license[] = "GPL";
