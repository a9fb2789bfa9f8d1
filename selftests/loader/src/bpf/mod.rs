// SPDX-License-Identifier: GPL-2.0

//! bpf(2): what programs consist of, and loading them. All descriptors are owned, all buffers are
//! vectors.

pub mod branch_sections;
pub mod btf;
pub mod disasm;
mod elfutils;
pub mod insn;
mod load;
mod maps;
pub mod object;
mod report;
mod run;
pub mod skb;
mod spec;
pub mod static_branch;
mod sys;

pub use load::{full_log, is_too_far, load, load_briefly, load_by, log, refusal};
pub use maps::{
    create_insn_array, create_map, create_map_of_zero, create_outer_map, create_progs,
    create_progs_unprivileged, create_value, insn_positions, put_program, remove_program,
    set_value, value, VALUE,
};
pub use report::{is_jited, report, Detail, Report, SMALL};
pub use run::{test_run, test_run_on, test_run_out, test_runs, Ran};
pub use spec::{InsnArray, Records, Spec, XDP_FRAGS_FLAG, XDP_FRAGS_PREFIX};
