/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the selftest of static branches, tools/testing/selftests/bpf/prog_tests/bpf_static_branch.c, needs of
 * libbpf, of test_progs and of a libc, on the kernel's nolibc and for arm64. So it needs no libraries for
 * arm64.
 *
 * As in libbpf, a function that fails returns -errno.
 */
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/reboot.h>
#include "tools/include/linux/filter.h"

#define ARRAY_SIZE(ARRAY) (sizeof(ARRAY) / sizeof((ARRAY)[0]))

/* test_progs */

static const char *subtest;
static bool subtest_failed, subtest_skipped;
static int passed, failed, skipped;

static void end_subtest(void)
{
	if (!subtest)
		return;
	printf("%-20s %s\n", subtest, subtest_failed ? "FAIL" : subtest_skipped ? "SKIP" : "OK");
	if (subtest_failed)
		failed++;
	else if (subtest_skipped)
		skipped++;
	else
		passed++;
	subtest = NULL;
}

static bool test__start_subtest(const char *name)
{
	end_subtest();
	subtest = name;
	subtest_failed = false;
	subtest_skipped = false;
	return true;
}

static void test__skip(void)
{
	subtest_skipped = true;
}

static bool check(bool good, int line, const char *name, long actual, long expected)
{
	if (!good) {
		subtest_failed = true;
		printf("line %d: %s: actual %ld, expected %ld\n", line, name, actual, expected);
	}
	return good;
}

#define ASSERT(ACTUAL, OP, EXPECTED, NAME) ({							\
	long actual_ = (long)(ACTUAL), expected_ = (long)(EXPECTED);				\
	check(actual_ OP expected_, __LINE__, NAME, actual_, expected_);			\
})
#define ASSERT_EQ(ACTUAL, EXPECTED, NAME) ASSERT(ACTUAL, ==, EXPECTED, NAME)
#define ASSERT_NEQ(ACTUAL, EXPECTED, NAME) ASSERT(ACTUAL, !=, EXPECTED, NAME)
#define ASSERT_LT(ACTUAL, EXPECTED, NAME) ASSERT(ACTUAL, <, EXPECTED, NAME)
#define ASSERT_GT(ACTUAL, EXPECTED, NAME) ASSERT(ACTUAL, >, EXPECTED, NAME)
#define ASSERT_GE(ACTUAL, EXPECTED, NAME) ASSERT(ACTUAL, >=, EXPECTED, NAME)
#define ASSERT_OK(RESULT, NAME) ASSERT(RESULT, ==, 0, NAME)
#define ASSERT_OK_PTR(POINTER, NAME) ASSERT(POINTER, !=, 0, NAME)
#define ASSERT_HAS_SUBSTR(STRING, PART, NAME) ASSERT(strstr(STRING, PART), !=, 0, NAME)

static int write_sysctl(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);
	ssize_t len = strlen(value);
	bool good;

	if (fd < 0)
		return -1;
	good = write(fd, value, len) == len;
	close(fd);
	return good ? 0 : -1;
}

/* libc. No program is offloaded here: there is no netdevsim. */

#define pwrite(FD, DATA, LEN, AT) syscall(__NR_pwrite64, FD, DATA, LEN, AT)

int capget(cap_user_header_t header, cap_user_data_t data)
{
	return syscall(__NR_capget, header, data);
}

int capset(cap_user_header_t header, const cap_user_data_t data)
{
	return syscall(__NR_capset, header, data);
}

typedef struct {
	char **gl_pathv;
} glob_t;

static int glob(const char *pattern, int flags, void *error, glob_t *names)
{
	return -1;
}

static void globfree(glob_t *names)
{
}

static char *basename(char *path)
{
	return path;
}

static unsigned int if_nametoindex(const char *name)
{
	return 0;
}

/* Threads: processes that share memory and descriptors. */

#define STACK_SIZE 65536

typedef pid_t pthread_t;

static int pthread_create(pthread_t *thread, const void *attr, void *(*run)(void *), void *arg)
{
	char *stack = malloc(STACK_SIZE);
	register long x0 __asm__("x0") = CLONE_VM | CLONE_FILES | SIGCHLD;
	register char *x1 __asm__("x1") = stack + STACK_SIZE;
	register long x2 __asm__("x2") = 0;
	register long x3 __asm__("x3") = 0;
	register long x4 __asm__("x4") = 0;
	register long x8 __asm__("x8") = __NR_clone;
	register void *x9 __asm__("x9") = run;
	register void *x10 __asm__("x10") = arg;

	if (!stack)
		return ENOMEM;
	__asm__ volatile ("svc #0\n"
			  "cbnz x0, 1f\n"
			  "mov x0, x10\n"
			  "blr x9\n"
			  "mov x0, #0\n"
			  "mov x8, %[exit]\n"
			  "svc #0\n"
			  "1:"
			  : "+r"(x0)
			  : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x8), "r"(x9), "r"(x10),
			    [exit] "i"(__NR_exit)
			  : "memory", "cc");
	if (x0 < 0)
		return -x0;
	*thread = x0;
	return 0;
}

static int pthread_join(pthread_t thread, void **result)
{
	return waitpid(thread, NULL, 0) == thread ? 0 : ECHILD;
}

/* libbpf */

#define LIBBPF_OPTS(TYPE, NAME, ...) struct TYPE NAME = { __VA_ARGS__ }

struct bpf_prog_load_opts {
	__u32 prog_ifindex;
	const int *fd_array;
	__u32 fd_array_cnt;
	char *log_buf;
	__u32 log_size;
};

struct bpf_test_run_opts {
	const void *data_in;
	__u32 data_size_in, repeat, retval, duration;
};

struct bpf_get_fd_by_id_opts {
	__u32 open_flags;
};

static __u64 ptr_to_u64(const void *pointer)
{
	return (unsigned long)pointer;
}

static int sys_bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	long result = syscall(__NR_bpf, cmd, attr, sizeof(*attr));

	return result < 0 ? -errno : result;
}

static int bpf_map_create(enum bpf_map_type type, const char *name, __u32 key_size, __u32 value_size,
			  __u32 max_entries, const void *opts)
{
	union bpf_attr attr = { .map_type = type, .key_size = key_size, .value_size = value_size,
				.max_entries = max_entries };

	strlcpy(attr.map_name, name, sizeof(attr.map_name));
	return sys_bpf(BPF_MAP_CREATE, &attr);
}

static int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags)
{
	union bpf_attr attr = { .map_fd = fd, .key = ptr_to_u64(key), .value = ptr_to_u64(value),
				.flags = flags };

	return sys_bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

static int bpf_map_lookup_elem(int fd, const void *key, void *value)
{
	union bpf_attr attr = { .map_fd = fd, .key = ptr_to_u64(key), .value = ptr_to_u64(value) };

	return sys_bpf(BPF_MAP_LOOKUP_ELEM, &attr);
}

static int bpf_map_freeze(int fd)
{
	union bpf_attr attr = { .map_fd = fd };

	return sys_bpf(BPF_MAP_FREEZE, &attr);
}

static int bpf_prog_load(enum bpf_prog_type type, const char *name, const char *license,
			 const struct bpf_insn *insns, size_t cnt, const struct bpf_prog_load_opts *opts)
{
	union bpf_attr attr = { .prog_type = type, .insns = ptr_to_u64(insns), .insn_cnt = cnt,
				.license = ptr_to_u64(license), .prog_ifindex = opts->prog_ifindex,
				.fd_array = ptr_to_u64(opts->fd_array),
				.fd_array_cnt = opts->fd_array_cnt };
	int fd;

	strlcpy(attr.prog_name, name, sizeof(attr.prog_name));
	fd = sys_bpf(BPF_PROG_LOAD, &attr);
	if (fd >= 0)
		return fd;
	/* Again, to see why. */
	attr.log_level = 1;
	attr.log_buf = ptr_to_u64(opts->log_buf);
	attr.log_size = opts->log_size;
	return sys_bpf(BPF_PROG_LOAD, &attr);
}

static int bpf_prog_bind_map(int prog_fd, int map_fd, const void *opts)
{
	union bpf_attr attr = { .prog_bind_map = { .prog_fd = prog_fd, .map_fd = map_fd } };

	return sys_bpf(BPF_PROG_BIND_MAP, &attr);
}

static int bpf_prog_test_run_opts(int fd, struct bpf_test_run_opts *opts)
{
	union bpf_attr attr = { .test = { .prog_fd = fd, .data_in = ptr_to_u64(opts->data_in),
					  .data_size_in = opts->data_size_in, .repeat = opts->repeat } };
	int err = sys_bpf(BPF_PROG_TEST_RUN, &attr);

	opts->retval = attr.test.retval;
	opts->duration = attr.test.duration;
	return err;
}

static int bpf_obj_get_info_by_fd(int fd, void *info, __u32 *len)
{
	union bpf_attr attr = { .info = { .bpf_fd = fd, .info_len = *len, .info = ptr_to_u64(info) } };

	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

#define bpf_prog_get_info_by_fd bpf_obj_get_info_by_fd
#define bpf_map_get_info_by_fd bpf_obj_get_info_by_fd

static int bpf_map_get_fd_by_id_opts(__u32 id, const struct bpf_get_fd_by_id_opts *opts)
{
	union bpf_attr attr = { .map_id = id, .open_flags = opts->open_flags };

	return sys_bpf(BPF_MAP_GET_FD_BY_ID, &attr);
}

static int bpf_map_get_fd_by_id(__u32 id)
{
	struct bpf_get_fd_by_id_opts opts = {};

	return bpf_map_get_fd_by_id_opts(id, &opts);
}
