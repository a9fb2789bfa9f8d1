// SPDX-License-Identifier: GPL-2.0

//! Type information for programs made here, written by hand as the kernel's test_progs does: one
//! object with functions and lines enough for every program.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use libbpf_sys::BPF_BTF_LOAD;

use super::insn::{Insn, LD_IMM64};
use super::sys::{address, bpf, owned};
use super::Records;

const MAGIC: u16 = 0xeb9f;
/// Bytes of the header, `struct btf_header`.
const HEADER: u32 = 24;
const KIND_INT: u32 = 1;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
/// `int` is signed and has 32 bits.
const INT_SIGNED_32: u32 = 1 << 24 | 32;

/// Functions that a program may have.
pub const FUNCTIONS: u32 = 40;
/// Lines that line info may name.
pub const LINES: usize = 50;

// Type ids: `int`, `int (void)`, `int (int a)`, then static functions, then global ones.
const INT: u32 = 1;
const NO_ARGUMENT: u32 = 2;
const ONE_ARGUMENT: u32 = 3;
const FIRST_STATIC: u32 = 4;
const FIRST_GLOBAL: u32 = FIRST_STATIC + FUNCTIONS;

/// `struct bpf_func_info` and `struct bpf_line_info`, in bytes.
const FUNC_INFO: usize = 8;
const LINE_INFO: usize = 16;

/// Head of `union bpf_attr` for `BPF_BTF_LOAD`.
#[repr(C)]
struct BtfAttr {
    btf: u64,
    log_buf: u64,
    btf_size: u32,
    /// Said, as it would be padding else, which the kernel reads.
    log_size: u32,
}

pub struct Btf {
    fd: OwnedFd,
    /// Offsets in the strings.
    file: u32,
    lines: Vec<u32>,
}

impl Btf {
    /// # Errors
    ///
    /// What the kernel says.
    pub fn load() -> io::Result<Self> {
        let mut strings = vec![0u8];
        let mut string = |text: &str| {
            let at = strings.len() as u32;
            strings.extend(text.bytes());
            strings.push(0);
            at
        };
        let mut types: Vec<u32> = Vec::new();
        types.extend([string("int"), KIND_INT << 24, 4, INT_SIGNED_32]);
        types.extend([0, KIND_FUNC_PROTO << 24, INT]);
        types.extend([0, KIND_FUNC_PROTO << 24 | 1, INT, string("a"), INT]);
        for (prefix, linkage, proto) in [("f", 0, NO_ARGUMENT), ("g", 1, ONE_ARGUMENT)] {
            for number in 0..FUNCTIONS {
                let name = string(&format!("{prefix}{number}"));
                types.extend([name, KIND_FUNC << 24 | linkage, proto]);
            }
        }
        let file = string("program.c");
        let lines = (0..LINES)
            .map(|line| string(&format!("line {line};")))
            .collect();

        let type_bytes = types.len() as u32 * 4;
        let mut blob = Vec::new();
        blob.extend(MAGIC.to_ne_bytes());
        blob.extend([1, 0]);
        let sizes = [HEADER, 0, type_bytes, type_bytes, strings.len() as u32];
        blob.extend(sizes.iter().chain(&types).flat_map(|n| n.to_ne_bytes()));
        blob.extend(strings);
        Ok(Self {
            fd: load(&blob)?,
            file,
            lines,
        })
    }

    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Func info of functions that start there; `true` for a global one.
    pub fn func_info(functions: &[(usize, bool)]) -> Records {
        let record = |(number, &(start, global)): (usize, &(usize, bool))| {
            let first = if global { FIRST_GLOBAL } else { FIRST_STATIC };
            [start as u32, first + number as u32]
        };
        let words = functions.iter().enumerate().flat_map(record);
        Records {
            size: FUNC_INFO,
            bytes: words.flat_map(u32::to_ne_bytes).collect(),
        }
    }

    /// Line info for the instructions for which `line_of` has the number of a line.
    pub fn line_info(
        &self,
        insns: &[Insn],
        mut line_of: impl FnMut(usize) -> Option<usize>,
    ) -> Records {
        let mut bytes = Vec::new();
        for at in 0..insns.len() {
            if at > 0 && insns[at - 1].code == LD_IMM64 {
                continue;
            }
            if let Some(line) = line_of(at) {
                // The column says which instruction it was.
                let line_col = (at as u32) << 10 | 1;
                let record = [at as u32, self.file, self.lines[line], line_col];
                bytes.extend(record.iter().flat_map(|n| n.to_ne_bytes()));
            }
        }
        Records {
            size: LINE_INFO,
            bytes,
        }
    }
}

/// Loads type information.
///
/// # Errors
///
/// What the kernel says.
fn load(blob: &[u8]) -> io::Result<OwnedFd> {
    let mut attr = BtfAttr {
        btf: address(blob),
        log_buf: 0,
        btf_size: blob.len() as u32,
        log_size: 0,
    };
    // SAFETY: `attr` is the head of the attributes for BPF_BTF_LOAD; `blob` is valid for its size.
    unsafe { bpf(BPF_BTF_LOAD, &mut attr) }.map(owned)
}
