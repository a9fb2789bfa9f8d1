// SPDX-License-Identifier: GPL-2.0
/*
 * The module's parameters. Those of the Rust module! macro are integers that do
 * not show in sysfs, hence these lines of C.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>

#include "params.h"

/* As in dkms.conf and CHANGELOG.md. */
MODULE_VERSION("0.3.0");

static const char * const mode_names[] = {
	[BPF_PATCHER_STOCK] = "stock",
	[BPF_PATCHER_PATCHER] = "patcher",
	[BPF_PATCHER_VERIFY] = "verify",
};

static int mode = BPF_PATCHER_PATCHER;

int bpf_patcher_mode(void)
{
	return READ_ONCE(mode);
}

static int mode_set(const char *val, const struct kernel_param *kp)
{
	int m;

	m = sysfs_match_string(mode_names, val);
	if (m < 0) {
		pr_err("mode is stock, patcher or verify\n");
		return m;
	}
	if (m == BPF_PATCHER_VERIFY && !IS_ENABLED(CONFIG_BPF_PATCHER_DEBUG)) {
		pr_err("mode=verify takes a kernel with CONFIG_BPF_PATCHER_DEBUG\n");
		return -EOPNOTSUPP;
	}
	WRITE_ONCE(mode, m);
	return 0;
}

static int mode_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", mode_names[bpf_patcher_mode()]);
}

static const struct kernel_param_ops mode_ops = {
	.set = mode_set,
	.get = mode_get,
};

module_param_cb(mode, &mode_ops, NULL, 0644);
MODULE_PARM_DESC(mode, "stock: leave rewriting to the kernel; patcher (default): rewrite in sessions; verify: do both and compare");

static bool far_jumps = true;

bool bpf_patcher_far_jumps(void)
{
	return READ_ONCE(far_jumps);
}

module_param(far_jumps, bool, 0644);
MODULE_PARM_DESC(far_jumps, "relax jumps that rewriting pushes beyond 16 bits (default); if not, refuse their program as mode=stock does");

static bool verify_warn;

bool bpf_patcher_verify_warn(void)
{
	return READ_ONCE(verify_warn);
}

module_param(verify_warn, bool, 0644);
MODULE_PARM_DESC(verify_warn, "mode=verify: a difference is a warning, for test suites and fuzzers that look for one");

static int stats_set(const char *val, const struct kernel_param *kp)
{
	return -EPERM;
}

static int stats_get(char *buffer, const struct kernel_param *kp)
{
	return bpf_patcher_show_stats(buffer, PAGE_SIZE);
}

static const struct kernel_param_ops stats_ops = {
	.set = stats_set,
	.get = stats_get,
};

module_param_cb(stats, &stats_ops, NULL, 0444);
MODULE_PARM_DESC(stats, "read-only: counters since the module was loaded, of all sessions and by pass");
