// SPDX-License-Identifier: GPL-2.0

//! Helpers and tail calls.

use libbpf_sys::{
    BPF_FUNC_get_numa_node_id, BPF_FUNC_get_prandom_u32, BPF_FUNC_get_smp_processor_id,
    BPF_FUNC_jiffies64, BPF_FUNC_ktime_get_ns, BPF_FUNC_tail_call,
};

use crate::bpf::insn::Width::W32;
use crate::bpf::insn::{alu_reg, call, mov, mov_reg, Op};
use crate::programs::generator::body::Body;
use crate::programs::generator::state::Value;

impl Body<'_> {
    pub(super) fn helper(&mut self) {
        let mut helpers = vec![
            BPF_FUNC_ktime_get_ns,
            BPF_FUNC_get_prandom_u32,
            BPF_FUNC_get_smp_processor_id,
            BPF_FUNC_get_numa_node_id,
        ];
        if !self.env.profile.unprivileged {
            helpers.push(BPF_FUNC_jiffies64);
        }
        let helper = self.rng.pick(&helpers);
        self.emit(&[call(helper)]);
        self.state.call(Value::Unknown);
    }

    pub(super) fn tail_call(&mut self) {
        let Some(ctx) = self.ctx else {
            return self.alu();
        };
        if self.rng.percent(50) {
            let index = self.rng.range(0, 5);
            self.emit(&[mov(3, index)]);
        } else {
            let index = self.number();
            self.emit(&[alu_reg(W32, Op::Mov, 3, index)]);
        }
        self.emit(&[mov_reg(1, ctx)]);
        let map = self.env.maps.progs_in(2, self.env.kind_index);
        self.emit(&map);
        self.emit(&[call(BPF_FUNC_tail_call)]);
        self.state.call(Value::None);
    }
}
