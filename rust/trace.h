/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM bpf_patcher

#if !defined(_BPF_PATCHER_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _BPF_PATCHER_TRACE_H

#include <linux/bpf_patcher.h>
#include <linux/tracepoint.h>

#ifndef _BPF_PATCHER_TRACE_SESSION
#define _BPF_PATCHER_TRACE_SESSION
/* as in trace.rs */
struct bpf_patcher_trace_session {
	const char *prog;
	u32 pass;
	u32 edits;
	u32 old_len;
	u32 new_len;
	u64 record_ns;
	u64 linearize_ns;
	int result;
};
#endif

#define BPF_PATCHER_PASS_NAMES				\
	{ BPF_PATCHER_PASS_BPF_LOOP,	"bpf_loop" },	\
	{ BPF_PATCHER_PASS_DEAD_CODE,	"dead_code" },	\
	{ BPF_PATCHER_PASS_NOPS,	"nops" },	\
	{ BPF_PATCHER_PASS_CTX,		"ctx" },	\
	{ BPF_PATCHER_PASS_FIXUPS,	"fixups" },	\
	{ BPF_PATCHER_PASS_MAY_GOTO,	"may_goto" },	\
	{ BPF_PATCHER_PASS_ZEXT,	"zext" },	\
	{ BPF_PATCHER_PASS_BLINDING,	"blinding" }

/* A pass has applied its edits, or has failed to. */
TRACE_EVENT(bpf_patcher_session,

	TP_PROTO(const struct bpf_patcher_trace_session *s),

	TP_ARGS(s),

	TP_STRUCT__entry(
		__string(prog, s->prog)
		__field(u32, pass)
		__field(u32, edits)
		__field(u32, insns_before)
		__field(u32, insns_after)
		__field(u64, ns)
		__field(int, result)
	),

	TP_fast_assign(
		__assign_str(prog);
		__entry->pass = s->pass;
		__entry->edits = s->edits;
		__entry->insns_before = s->old_len;
		__entry->insns_after = s->new_len;
		__entry->ns = s->record_ns + s->linearize_ns;
		__entry->result = s->result;
	),

	TP_printk("prog=%s pass=%s edits=%u insns=%u->%u ns=%llu result=%d",
		  __get_str(prog), __print_symbolic(__entry->pass, BPF_PATCHER_PASS_NAMES),
		  __entry->edits, __entry->insns_before, __entry->insns_after,
		  __entry->ns, __entry->result)
);

#endif /* _BPF_PATCHER_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
