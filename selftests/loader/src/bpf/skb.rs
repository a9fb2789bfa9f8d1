// SPDX-License-Identifier: GPL-2.0

//! Offsets, in bytes, of the fields of `struct __sk_buff` (include/uapi/linux/bpf.h) that programs
//! here use. They are ABI; libbpf-sys does not bind this structure.

pub const LEN: i16 = 0;
pub const MARK: i16 = 8;
pub const QUEUE_MAPPING: i16 = 12;
pub const PROTOCOL: i16 = 16;
pub const PRIORITY: i16 = 32;
pub const IFINDEX: i16 = 40;
pub const TC_INDEX: i16 = 44;
pub const CB: i16 = 48;
pub const DATA: i16 = 76;
pub const DATA_END: i16 = 80;
/// Bytes of the structure.
pub const SIZE: usize = 192;
