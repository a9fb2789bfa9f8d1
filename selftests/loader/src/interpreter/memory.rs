// SPDX-License-Identifier: GPL-2.0

//! What a program can access: its context, a packet, the stack of each frame, and values of maps.

use std::collections::BTreeSet;

use crate::bpf::insn::Insn;
use crate::bpf::skb;

/// Addresses, far from each other, and from what arithmetic makes of numbers.
pub const CONTEXT: u64 = 0x1000_0000_0000_0000;
const PACKET: u64 = 0x2000_0000_0000_0000;
const STACKS: u64 = 0x3000_0000_0000_0000;
const VALUES: u64 = 0x4000_0000_0000_0000;
const TABLES: u64 = 0x5000_0000_0000_0000;
const CODE: u64 = 0x6000_0000_0000_0000;
/// Bits of an address in an insn array.
const TABLE_BITS: u32 = 32;
/// Bytes of the stack of a frame.
const STACK: u64 = 512;

/// What a program is run on.
#[derive(Clone, Debug, Default)]
pub struct Input {
    pub context: Context,
    pub packet: Vec<u8>,
    /// Static branches that are switched on, by the indices of their insns.
    pub switched: BTreeSet<usize>,
    /// The only value of the map 0.
    pub values: Vec<u8>,
    /// Insn arrays, which are the maps from 1 on: indices of insns.
    pub tables: Vec<Vec<u32>>,
    /// What tail calls find, by its key. These programs use no stack.
    pub tails: Vec<Option<Vec<Insn>>>,
}

/// The context: bytes of fields whose value is known, and words that the kernel makes pointers of.
#[derive(Clone, Debug, Default)]
pub struct Context {
    bytes: Vec<Option<u8>>,
    /// Offsets of what become pointers to the start and to the end of the packet.
    data: Option<(i16, i16)>,
}

impl Context {
    /// A `struct xdp_md`, of which only the packet is known.
    #[cfg(test)]
    pub fn xdp() -> Self {
        Self {
            bytes: Vec::new(),
            data: Some((0, 4)),
        }
    }

    /// A `struct __sk_buff` of which words are known, by their offsets.
    pub fn skb(words: &[(i16, u32)]) -> Self {
        let mut bytes = vec![None; skb::SIZE];
        for &(off, value) in words {
            let off = off as usize;
            for (to, from) in bytes[off..off + 4].iter_mut().zip(value.to_ne_bytes()) {
                *to = Some(from);
            }
        }
        Self {
            bytes,
            data: Some((skb::DATA, skb::DATA_END)),
        }
    }
}

impl Context {
    /// A word whose value is known.
    pub fn word(&self, off: i16) -> Option<u32> {
        let off = off as usize;
        let mut value = [0; 4];
        for (to, from) in value.iter_mut().zip(self.bytes.get(off..off + 4)?) {
            *to = (*from)?;
        }
        Some(u32::from_ne_bytes(value))
    }
}

pub struct Memory<'a> {
    tables: &'a [Vec<u32>],
    pub context: Context,
    pub packet: Vec<u8>,
    pub values: Vec<u8>,
    stacks: Vec<Option<u8>>,
}

impl<'a> Memory<'a> {
    pub fn new(input: &'a Input, frames: usize) -> Self {
        Self {
            tables: &input.tables,
            context: input.context.clone(),
            packet: input.packet.clone(),
            values: input.values.clone(),
            stacks: vec![None; frames * STACK as usize],
        }
    }

    /// The end of the stack of a frame.
    pub fn top(&self, frame: usize) -> u64 {
        STACKS + (frame as u64 + 1) * STACK
    }

    /// The address of a byte in the value of a map.
    pub fn value(map: i32, at: i32) -> u64 {
        let base = match map {
            0 => VALUES,
            table => TABLES + ((table as u64 - 1) << TABLE_BITS),
        };
        base + at as u64
    }

    /// The address of an insn.
    pub fn code(at: usize) -> u64 {
        CODE + at as u64
    }

    /// The insn that is at an address.
    pub fn insn_at(address: u64) -> Option<usize> {
        let at = usize::try_from(address.checked_sub(CODE)?).ok()?;
        (address >> 60 == CODE >> 60).then_some(at)
    }

    /// Loads so many bytes, at most 8; None if that is not possible.
    pub fn load(&self, from: u64, size: usize) -> Option<u64> {
        let within = |base: u64| usize::try_from(from.wrapping_sub(base)).ok();
        let mut value = [0; 8];
        match from >> 60 {
            1 => {
                let off = within(CONTEXT)?;
                let context = &self.context;
                if let (Some((data, end)), 4) = (context.data, size) {
                    if off == data as usize {
                        return Some(PACKET);
                    }
                    if off == end as usize {
                        return Some(PACKET + self.packet.len() as u64);
                    }
                }
                let bytes = context.bytes.get(off..off.checked_add(size)?)?;
                for (to, from) in value.iter_mut().zip(bytes) {
                    *to = (*from)?;
                }
            }
            2 => {
                let off = within(PACKET)?;
                let bytes = self.packet.get(off..off.checked_add(size)?)?;
                value[..size].copy_from_slice(bytes);
            }
            3 => {
                let off = within(STACKS)?;
                let bytes = self.stacks.get(off..off.checked_add(size)?)?;
                for (to, from) in value.iter_mut().zip(bytes) {
                    *to = (*from)?;
                }
            }
            4 => {
                let off = within(VALUES)?;
                let bytes = self.values.get(off..off.checked_add(size)?)?;
                value[..size].copy_from_slice(bytes);
            }
            5 if size == 8 => {
                let off = within(TABLES)?;
                let table = self.tables.get(off >> TABLE_BITS)?;
                let at = off & ((1 << TABLE_BITS) - 1);
                return at
                    .is_multiple_of(8)
                    .then(|| table.get(at / 8))?
                    .map(|&at| Self::code(at as usize));
            }
            _ => return None,
        }
        Some(u64::from_le_bytes(value))
    }

    /// Stores the low bytes of a value; None if there is nothing that can be written.
    pub fn store(&mut self, to: u64, size: usize, value: u64) -> Option<()> {
        let value = value.to_le_bytes();
        let within = |base: u64| usize::try_from(to.wrapping_sub(base)).ok();
        let known = |bytes: &mut [Option<u8>], off: usize| {
            for (to, from) in bytes
                .get_mut(off..off.checked_add(size)?)?
                .iter_mut()
                .zip(value)
            {
                *to = Some(from);
            }
            Some(())
        };
        let plain = |bytes: &mut [u8], off: usize| {
            let bytes = bytes.get_mut(off..off.checked_add(size)?)?;
            bytes.copy_from_slice(&value[..size]);
            Some(())
        };
        match to >> 60 {
            1 => known(&mut self.context.bytes, within(CONTEXT)?),
            2 => plain(&mut self.packet, within(PACKET)?),
            3 => known(&mut self.stacks, within(STACKS)?),
            4 => plain(&mut self.values, within(VALUES)?),
            _ => None,
        }
    }
}
