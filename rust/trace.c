// SPDX-License-Identifier: GPL-2.0
/* The module's tracepoint: an event for each session. */
#include <linux/types.h>

#define CREATE_TRACE_POINTS
#include "trace.h"

void bpf_patcher_trace(const struct bpf_patcher_trace_session *session);

void bpf_patcher_trace(const struct bpf_patcher_trace_session *session)
{
	trace_bpf_patcher_session(session);
}
